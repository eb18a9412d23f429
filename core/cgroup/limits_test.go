package cgroup

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var (
	all1 = map[string]string{}
	one  = &Group{Legacy: all1}
	two  = &Group{Unified: "/u"}
)

func init() {
	for _, c := range []string{"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma"} {
		all1[c] = "/" + c
	}
}

// everything is a limit of each kind.
const everything = `{
	"cpu": {"shares": 1024, "quota": 50000, "period": 100000, "burst": 1000, "idle": 0, "cpus": "0-1,3", "mems": "0"},
	"memory": {"limit": 1000, "reservation": 500, "swap": 3000, "checkBeforeUpdate": true, "useHierarchy": true},
	"pids": {"limit": 7},
	"blockIO": {"weight": 500, "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
		"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}], "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2}],
		"throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 3}], "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 0}]},
	"hugepageLimits": [{"pageSize": "2MB", "limit": 4096}],
	"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}, "a": {"hcaObjects": 1}}
}`

func compile(t *testing.T, text string, g *Group) (string, []string, error) {
	t.Helper()
	var r specs.LinuxResources
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	list, warnings, err := Limits(&r, g)
	var lines []string
	for _, l := range list {
		line := fmt.Sprintf("%s %s=%s", strings.TrimPrefix(l.Field, "linux.resources."), l.File, l.Value)
		if l.Else != nil {
			line += fmt.Sprintf(" else %s=%s", l.Else.File, l.Else.Value)
		}
		if l.Optional {
			line += " if it is there"
		}
		if l.Checked {
			line += " if no more is used"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), warnings, err
}

// What each field is written as, in both versions.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, text string
		g          *Group
		want       string
	}{
		{"v1", everything, one, `cpu.shares cpu.shares=1024
cpu.idle cpu.idle=0
cpu.period cpu.cfs_period_us=100000
cpu.quota cpu.cfs_quota_us=50000
cpu.burst cpu.cfs_burst_us=1000
cpu.cpus cpuset.cpus=0-1,3
cpu.mems cpuset.mems=0
memory.limit memory.limit_in_bytes=1000 if no more is used
memory.swap memory.memsw.limit_in_bytes=3000
memory.reservation memory.soft_limit_in_bytes=500
memory.useHierarchy memory.use_hierarchy=1 if it is there
pids.limit pids.max=7
blockIO.weight blkio.bfq.weight=500 else blkio.weight=500
blockIO.weightDevice[0].weight blkio.bfq.weight_device=8:0 10 else blkio.weight_device=8:0 10
blockIO.throttleReadBpsDevice[0] blkio.throttle.read_bps_device=8:0 1
blockIO.throttleWriteBpsDevice[0] blkio.throttle.write_bps_device=8:0 2
blockIO.throttleReadIOPSDevice[0] blkio.throttle.read_iops_device=8:0 3
blockIO.throttleWriteIOPSDevice[0] blkio.throttle.write_iops_device=8:16 0
hugepageLimits[0].limit hugetlb.2MB.limit_in_bytes=4096
hugepageLimits[0].limit hugetlb.2MB.rsvd.limit_in_bytes=4096 if it is there
rdma.a rdma.max=a hca_object=1
rdma.mlx5_1 rdma.max=mlx5_1 hca_handle=3 hca_object=10000`},
		{"v2", everything, two, `cpu.shares cpu.weight=100
cpu.idle cpu.idle=0
cpu.quota cpu.max=50000 100000
cpu.burst cpu.max.burst=1000
cpu.cpus cpuset.cpus=0-1,3
cpu.mems cpuset.mems=0
memory.limit memory.max=1000 if no more is used
memory.swap memory.swap.max=2000
memory.reservation memory.low=500
pids.limit pids.max=7
blockIO.weight io.bfq.weight=500 else io.weight=default 4950
blockIO.weightDevice[0].weight io.bfq.weight=8:0 10 else io.weight=8:0 1
blockIO.throttleReadBpsDevice[0] io.max=8:0 rbps=1
blockIO.throttleWriteBpsDevice[0] io.max=8:0 wbps=2
blockIO.throttleReadIOPSDevice[0] io.max=8:0 riops=3
blockIO.throttleWriteIOPSDevice[0] io.max=8:16 wiops=max
hugepageLimits[0].limit hugetlb.2MB.max=4096
hugepageLimits[0].limit hugetlb.2MB.rsvd.max=4096 if it is there
rdma.a rdma.max=a hca_object=1
rdma.mlx5_1 rdma.max=mlx5_1 hca_handle=3 hca_object=10000`},
		{"hybrid", `{"memory": {"limit": 5}, "hugepageLimits": [{"pageSize": "2MB", "limit": 0}], "unified": {"hugetlb.2MB.max": "1\n2"}}`,
			&Group{Unified: "/u", Legacy: map[string]string{"memory": "/m"}}, `memory.limit memory.limit_in_bytes=5
hugepageLimits[0].limit hugetlb.2MB.max=0
hugepageLimits[0].limit hugetlb.2MB.rsvd.max=0 if it is there
unified.hugetlb.2MB.max hugetlb.2MB.max=1
unified.hugetlb.2MB.max hugetlb.2MB.max=2`},
		{"unlimited v1", `{"memory": {"limit": -1, "swap": -1, "reservation": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}}`, one, `cpu.quota cpu.cfs_quota_us=-1
memory.limit memory.limit_in_bytes=-1
memory.swap memory.memsw.limit_in_bytes=-1 if it is there
memory.reservation memory.soft_limit_in_bytes=-1
pids.limit pids.max=max`},
		{"unlimited v2", `{"memory": {"limit": -1, "reservation": -1}, "cpu": {"quota": -1, "period": 50000}, "pids": {"limit": 0}}`, two, `cpu.quota cpu.max=max 50000
memory.limit memory.max=max
memory.swap memory.swap.max=max if it is there
memory.reservation memory.low=max
pids.limit pids.max=1`},
		{"only v1", `{"network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]},
			"memory": {"swappiness": 0, "disableOOMKiller": true, "kernelTCP": 9}, "cpu": {"realtimePeriod": 10, "realtimeRuntime": 5}}`, one, `cpu.realtimePeriod cpu.rt_period_us=10
cpu.realtimeRuntime cpu.rt_runtime_us=5
memory.kernelTCP memory.kmem.tcp.limit_in_bytes=9
memory.swappiness memory.swappiness=0
memory.disableOOMKiller memory.oom_control=1
network.classID net_cls.classid=1048577
network.priorities[0] net_prio.ifpriomap=eth0 5`},
		{"swap equal to memory", `{"memory": {"limit": 10, "swap": 10}}`, two, "memory.limit memory.max=10\nmemory.swap memory.swap.max=0 if it is there"},
		{"nothing", `{"memory": {"limit": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0}, "pids": {}, "blockIO": {"weight": 0}}`, two, ""},
		{"unified", `{"unified": {"memory.high": "5", "cpu.weight.nice": "-3"}}`, two, "unified.cpu.weight.nice cpu.weight.nice=-3\nunified.memory.high memory.high=5"},
	} {
		got, warnings, err := compile(t, c.text, c.g)
		if err != nil || got != c.want || len(warnings) > 0 {
			t.Errorf("%s: %v %q\n%s\nwant\n%s", c.name, err, warnings, got, c.want)
		}
	}
}

// What cannot be had or is no limit is an error that names the field.
func TestBadLimits(t *testing.T) {
	for _, c := range []struct {
		text string
		g    *Group
		want string
	}{
		{`{"memory": {"swap": 5}}`, two, "memory.swap: 5 bounds memory and swap together: it takes a memory.limit"},
		{`{"memory": {"limit": -1, "swap": 5}}`, one, "memory.swap: 5 bounds memory and swap together"},
		{`{"memory": {"limit": 5, "swap": 4}}`, one, "memory.swap: 4 is less than memory.limit, 5"},
		{`{"memory": {"swappiness": 101}}`, one, "memory.swappiness: 101 is more than 100"},
		{`{"memory": {"swappiness": 10}}`, two, "memory.swappiness: cannot be had: version 2 of cgroups has nothing for it"},
		{`{"memory": {"disableOOMKiller": true}}`, two, "memory.disableOOMKiller: cannot be had: version 2"},
		{`{"cpu": {"realtimeRuntime": 5}}`, two, "cpu.realtimeRuntime: cannot be had: version 2"},
		{`{"cpu": {"idle": 2}}`, two, "cpu.idle: 2 is neither 0 nor 1"},
		{`{"cpu": {"cpus": "zero"}}`, two, `cpu.cpus: "zero" is not a list such as 0-3,7`},
		{`{"cpu": {"cpus": "1-2-3"}}`, two, "cpu.cpus: "},
		{`{"cpu": {"mems": "0,,1"}}`, two, "cpu.mems: "},
		{`{"blockIO": {"weight": 9}}`, two, "blockIO.weight: 9 is not from 10 to 1000"},
		{`{"blockIO": {"weightDevice": [{"weight": 1001}]}}`, one, "blockIO.weightDevice[0].weight: 1001 is not from 10 to 1000"},
		{`{"blockIO": {"leafWeight": 10}}`, two, "blockIO.leafWeight: cannot be had: version 2"},
		{`{"hugepageLimits": [{"pageSize": "2MB"}, {"pageSize": "../x"}]}`, one, `hugepageLimits[1].pageSize: "../x" is not a size`},
		{`{"hugepageLimits": [{"pageSize": ""}]}`, one, `hugepageLimits[0].pageSize: "" is not a size`},
		{`{"network": {"classID": 5}}`, two, "network.classID: takes the cgroup controller net_cls of version 1, and no hierarchy here has it"},
		{`{"network": {"priorities": [{"name": "a b"}]}}`, one, `network.priorities[0].name: "a b" is not the name`},
		{`{"rdma": {"a b": {"hcaHandles": 1}}}`, one, `rdma.a b: "a b" is not the name of a device`},
		{`{"unified": {"memory/high": "5"}}`, two, `unified.memory/high: "memory/high" is not the name of a file`},
		{`{"unified": {"high": "5"}}`, two, `unified.high: "high" is not the name of a file`},
		{`{"unified": {"memory.high": "5"}}`, one, "unified.memory.high: takes version 2 of cgroups"},
		{`{"unified": {"memory.high": "5"}}`, &Group{Unified: "/u", Legacy: map[string]string{"memory": "/m"}}, "unified.memory.high: takes the controller memory in version 2"},
		{`{"pids": {"limit": 5}}`, &Group{Legacy: map[string]string{"memory": "/m"}}, "pids.limit: takes the cgroup controller pids, and no hierarchy here has it"},
	} {
		_, _, err := compile(t, c.text, c.g)
		if err == nil || !strings.HasPrefix(err.Error(), "linux.resources."+c.want) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
	_, warnings, err := compile(t, `{"memory": {"kernel": 5}}`, two)
	if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "linux.resources.memory.kernel: has no effect") {
		t.Errorf("memory.kernel: %v, %q", err, warnings)
	}
}

// The curve of cpu.shares goes through the ends and the defaults, and never
// down.
func TestWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{0: 1, 2: 1, 1024: 100, 262144: 10000, 1 << 40: 10000} {
		if got := weight(shares); got != want {
			t.Errorf("%d: %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for shares := uint64(2); shares <= 262144; shares += 37 {
		w := weight(shares)
		if w < last || w > 10000 {
			t.Fatalf("%d shares: weight %d after %d", shares, w, last)
		}
		last = w
	}
}
