package cgroup

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// resources is where all of it is in config.json.
const resources = "linux.resources"

// Limits compiles linux.resources, but for its devices, into the writes to the
// group's files, in their order: what a hierarchy of version 1 has for a field
// goes there, else what version 2 has. A field that neither has is an error. The
// second result is what has no effect.
func Limits(r *specs.LinuxResources, g *Group) ([]Limit, []string, error) {
	if r == nil {
		return nil, nil, nil
	}
	w := &limits{g: g}
	w.cpu(r.CPU)
	w.memory(r.Memory)
	w.pids(r.Pids)
	w.blockIO(r.BlockIO)
	w.hugepages(r.HugepageLimits)
	w.network(r.Network)
	w.rdma(r.Rdma)
	w.unified(r.Unified)
	return w.list, w.warnings, w.err
}

// limits are those found so far; the first error stays.
type limits struct {
	g        *Group
	list     []Limit
	warnings []string
	err      error
}

func (w *limits) fail(field, format string, args ...any) {
	if w.err == nil {
		w.err = fault.Field(resources+"."+field, format, args...)
	}
}

func (w *limits) warn(field, text string) {
	w.warnings = append(w.warnings, resources+"."+field+": "+text)
}

// put adds a write of value to the file that the controller has for the field in
// the group's version of it: one is version 1's, two version 2's, "" for none.
func (w *limits) put(field, controller, one, two, value string) *Limit {
	_, version := w.g.Dir(controller)
	file := one
	if version == 2 {
		file = two
	}
	switch {
	case version == 0:
		w.fail(field, "takes the cgroup controller %s, and no hierarchy here has it", controller)
		return &Limit{}
	case file == "":
		w.fail(field, "cannot be had: version %d of cgroups has nothing for it", version)
		return &Limit{}
	}
	w.list = append(w.list, Limit{Field: resources + "." + field, Controller: controller, File: file, Value: value})
	return &w.list[len(w.list)-1]
}

// unlimited is a number of bytes or the like; less than 0 is no limit, whose
// word in version 1 is -1.
func (w *limits) unlimited(controller string, n int64) string {
	if n >= 0 {
		return strconv.FormatInt(n, 10)
	}
	if _, version := w.g.Dir(controller); version == 1 {
		return "-1"
	}
	return "max"
}

func number[T int64 | uint64 | uint32 | uint16](n T) string { return fmt.Sprint(n) }

func (w *limits) cpu(c *specs.LinuxCPU) {
	if c == nil {
		return
	}
	_, version := w.g.Dir("cpu")
	if c.Shares != nil && *c.Shares != 0 {
		value := number(*c.Shares)
		if version == 2 {
			value = number(weight(*c.Shares))
		}
		w.put("cpu.shares", "cpu", "cpu.shares", "cpu.weight", value)
	}
	if c.Idle != nil {
		if *c.Idle != 0 && *c.Idle != 1 {
			w.fail("cpu.idle", "%d is neither 0 nor 1", *c.Idle)
		}
		w.put("cpu.idle", "cpu", "cpu.idle", "cpu.idle", number(*c.Idle))
	}
	quota, period := c.Quota != nil && *c.Quota != 0, c.Period != nil && *c.Period != 0
	switch {
	case !quota && !period:
	case version == 2:
		field, value := "cpu.quota", "max"
		if !quota {
			field = "cpu.period"
		} else if *c.Quota > 0 {
			value = number(*c.Quota)
		}
		if period {
			value += " " + number(*c.Period)
		}
		w.put(field, "cpu", "", "cpu.max", value)
	default:
		if period {
			w.put("cpu.period", "cpu", "cpu.cfs_period_us", "", number(*c.Period))
		}
		if quota {
			w.put("cpu.quota", "cpu", "cpu.cfs_quota_us", "", number(max(*c.Quota, -1)))
		}
	}
	if c.Burst != nil {
		w.put("cpu.burst", "cpu", "cpu.cfs_burst_us", "cpu.max.burst", number(*c.Burst))
	}
	if c.RealtimePeriod != nil && *c.RealtimePeriod != 0 {
		w.put("cpu.realtimePeriod", "cpu", "cpu.rt_period_us", "", number(*c.RealtimePeriod))
	}
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
		w.put("cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", "", number(*c.RealtimeRuntime))
	}
	for _, s := range [][2]string{{"cpus", c.Cpus}, {"mems", c.Mems}} {
		if s[1] == "" {
			continue
		}
		if !isSet(s[1]) {
			w.fail("cpu."+s[0], "%q is not a list such as 0-3,7", s[1])
		}
		w.put("cpu."+s[0], "cpuset", "cpuset."+s[0], "cpuset."+s[0], s[1])
	}
}

// isSet says whether it is a list of processors or nodes, cpuset(7).
func isSet(list string) bool {
	for part := range strings.SplitSeq(list, ",") {
		for n := range strings.SplitSeq(strings.TrimSpace(part), "-") {
			if _, err := strconv.ParseUint(n, 10, 16); err != nil {
				return false
			}
		}
		if strings.Count(part, "-") > 1 {
			return false
		}
	}
	return true
}

// weight is what version 2 has for cpu.shares (2 to 262144, 1024 by default): 1
// to 10000, 100 by default. The curve goes through those three, as runc's does
// from 1.4 and crun's from 1.23.
func weight(shares uint64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

func (w *limits) memory(m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	_, version := w.g.Dir("memory")
	checked := m.CheckBeforeUpdate != nil && *m.CheckBeforeUpdate
	limit := m.Limit != nil && *m.Limit != 0
	if limit {
		w.put("memory.limit", "memory", "memory.limit_in_bytes", "memory.max", w.unlimited("memory", *m.Limit)).Checked = checked
	}
	if m.Swap != nil && *m.Swap != 0 || limit && *m.Limit < 0 && version == 2 {
		w.swap(m, version)
	}
	if m.Reservation != nil && *m.Reservation != 0 {
		w.put("memory.reservation", "memory", "memory.soft_limit_in_bytes", "memory.low", w.unlimited("memory", *m.Reservation))
	}
	//lint:ignore SA1019 it is deprecated, and read to say so
	if kernel := m.Kernel; kernel != nil && *kernel != 0 {
		w.warn("memory.kernel", "has no effect: Linux has none such from 5.16 on, and counts this memory to the limit")
	}
	if m.KernelTCP != nil && *m.KernelTCP != 0 {
		w.put("memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", "", w.unlimited("memory", *m.KernelTCP))
	}
	if m.Swappiness != nil {
		if *m.Swappiness > 100 {
			w.fail("memory.swappiness", "%d is more than 100", *m.Swappiness)
		}
		w.put("memory.swappiness", "memory", "memory.swappiness", "", number(*m.Swappiness))
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
		w.put("memory.disableOOMKiller", "memory", "memory.oom_control", "", "1")
	}
	if m.UseHierarchy != nil && *m.UseHierarchy && version == 1 {
		w.put("memory.useHierarchy", "memory", "memory.use_hierarchy", "", "1").Optional = true
	}
}

// swap is with memory in config.json and in version 1, and alone in version 2.
func (w *limits) swap(m *specs.LinuxMemory, version int) {
	swap := int64(-1)
	if m.Swap != nil && *m.Swap != 0 {
		swap = *m.Swap
	}
	bounded := m.Limit != nil && *m.Limit > 0
	switch {
	case swap < 0:
	case !bounded:
		w.fail("memory.swap", "%d bounds memory and swap together: it takes a memory.limit", swap)
	case swap < *m.Limit:
		w.fail("memory.swap", "%d is less than memory.limit, %d, which is a part of it", swap, *m.Limit)
	case version == 2:
		swap -= *m.Limit
	}
	l := w.put("memory.swap", "memory", "memory.memsw.limit_in_bytes", "memory.swap.max", w.unlimited("memory", swap))
	// A kernel without swap has no such file.
	l.Optional = swap <= 0
}

func (w *limits) pids(p *specs.LinuxPids) {
	if p == nil || p.Limit == nil {
		return
	}
	value := "max"
	switch n := *p.Limit; {
	case n > 0:
		value = number(n)
	case n == 0:
		value = "1" // what no process at all comes to, as its init is there
	}
	w.put("pids.limit", "pids", "pids.max", "pids.max", value)
}

func (w *limits) blockIO(b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	// The controller's name changed.
	controller := "blkio"
	if _, ok := w.g.Legacy[controller]; !ok {
		controller = "io"
	}
	if b.Weight != nil && *b.Weight != 0 {
		w.weight("blockIO.weight", controller, "", *b.Weight)
	}
	if b.LeafWeight != nil && *b.LeafWeight != 0 {
		w.put("blockIO.leafWeight", controller, "blkio.leaf_weight", "", number(*b.LeafWeight))
	}
	for i, d := range b.WeightDevice {
		field, device := fmt.Sprintf("blockIO.weightDevice[%d]", i), fmt.Sprintf("%d:%d ", d.Major, d.Minor)
		if d.Weight != nil {
			w.weight(field+".weight", controller, device, *d.Weight)
		}
		if d.LeafWeight != nil {
			w.put(field+".leafWeight", controller, "blkio.leaf_weight_device", "", device+number(*d.LeafWeight))
		}
	}
	for _, t := range []struct {
		field, one, two string
		devices         []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", "read_bps", "rbps", b.ThrottleReadBpsDevice}, {"throttleWriteBpsDevice", "write_bps", "wbps", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", "read_iops", "riops", b.ThrottleReadIOPSDevice}, {"throttleWriteIOPSDevice", "write_iops", "wiops", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range t.devices {
			value := fmt.Sprintf("%d:%d ", d.Major, d.Minor)
			rate := number(d.Rate)
			if _, version := w.g.Dir(controller); version == 2 {
				if d.Rate == 0 {
					rate = "max" // as 0 is none in version 1
				}
				value += t.two + "="
			}
			w.put(fmt.Sprintf("blockIO.%s[%d]", t.field, i), controller, "blkio.throttle."+t.one+"_device", "io.max", value+rate)
		}
	}
}

// weight is one of BFQ, the I/O scheduler that knows weights; other names for it
// are tried where it is not there. device is a device's number and a space, or
// "".
func (w *limits) weight(field, controller, device string, weight uint16) {
	if weight < 10 || weight > 1000 {
		w.fail(field, "%d is not from 10 to 1000", weight)
	}
	suffix, fallback := "", "default "
	if device != "" {
		suffix, fallback = "_device", device
	}
	l := w.put(field, controller, "blkio.bfq.weight"+suffix, "io.bfq.weight", device+number(weight))
	if l.File == "io.bfq.weight" {
		// From 1 to 10000, and 100 by default.
		l.Else = &Limit{Field: l.Field, Controller: l.Controller, File: "io.weight", Value: fallback + number(1+(uint64(weight)-10)*9999/990)}
	} else {
		l.Else = &Limit{Field: l.Field, Controller: l.Controller, File: "blkio.weight" + suffix, Value: l.Value}
	}
}

func (w *limits) hugepages(list []specs.LinuxHugepageLimit) {
	for i, h := range list {
		field := fmt.Sprintf("hugepageLimits[%d]", i)
		if !isPageSize(h.Pagesize) {
			w.fail(field+".pageSize", "%q is not a size such as 64KB, 2MB or 1GB", h.Pagesize)
		}
		p := "hugetlb." + h.Pagesize
		w.put(field+".limit", "hugetlb", p+".limit_in_bytes", p+".max", number(h.Limit))
		// Reservations are counted apart from Linux 5.7 on.
		w.put(field+".limit", "hugetlb", p+".rsvd.limit_in_bytes", p+".rsvd.max", number(h.Limit)).Optional = true
	}
}

// isPageSize says whether it is a size as the kernel names its files by.
func isPageSize(size string) bool {
	digits := strings.TrimRight(size, "KMGB")
	n, err := strconv.ParseUint(digits, 10, 64)
	unit := size[len(digits):]
	return err == nil && n > 0 && digits[0] != '+' && (unit == "KB" || unit == "MB" || unit == "GB")
}

func (w *limits) network(n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	legacy := func(field, controller, file, value string) {
		if _, ok := w.g.Legacy[controller]; !ok {
			w.fail(field, "takes the cgroup controller %s of version 1, and no hierarchy here has it", controller)
			return
		}
		w.put(field, controller, file, "", value)
	}
	if n.ClassID != nil && *n.ClassID != 0 {
		legacy("network.classID", "net_cls", "net_cls.classid", number(*n.ClassID))
	}
	for i, p := range n.Priorities {
		field := fmt.Sprintf("network.priorities[%d]", i)
		if p.Name == "" || strings.ContainsAny(p.Name, " \n\x00") {
			w.fail(field+".name", "%q is not the name of a network device", p.Name)
		}
		legacy(field, "net_prio", "net_prio.ifpriomap", p.Name+" "+number(p.Priority))
	}
}

func (w *limits) rdma(devices map[string]specs.LinuxRdma) {
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		field := "rdma." + name
		if name == "" || strings.ContainsAny(name, " \n\x00") {
			w.fail(field, "%q is not the name of a device", name)
		}
		value := name
		if n := devices[name].HcaHandles; n != nil {
			value += " hca_handle=" + number(*n)
		}
		if n := devices[name].HcaObjects; n != nil {
			value += " hca_object=" + number(*n)
		}
		if value != name {
			w.put(field, "rdma", "rdma.max", "rdma.max", value)
		}
	}
}

// unified are version 2's own files. They come last: they are the more exact
// word.
func (w *limits) unified(files map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		field := "unified." + name
		controller, _, ok := strings.Cut(name, ".")
		switch {
		case !ok || controller == "" || strings.ContainsAny(name, "/\x00"):
			w.fail(field, "%q is not the name of a file such as memory.high", name)
			continue
		case strings.ContainsRune(files[name], 0):
			w.fail(field, "%q holds a NUL byte", files[name])
			continue
		case w.g.Unified == "":
			w.fail(field, "takes version 2 of cgroups, which is not mounted here, or not writable")
			continue
		case w.g.Legacy[controller] != "":
			w.fail(field, "takes the controller %s in version 2 of cgroups: here it is in version 1", controller)
			continue
		}
		// A value of several lines is as many writes, as the kernel takes one each.
		for line := range strings.SplitSeq(strings.TrimSuffix(files[name], "\n"), "\n") {
			w.put(field, controller, "", name, line)
		}
	}
}
