package cgroup

import (
	"strconv"
	"strings"

	"ocibox/core/proc"
)

const second = 1_000_000_000 // in nanoseconds

func (s *Stats) cpu1(r *reader) {
	m := r.pairs("cpu.stat")
	s.CPU.Throttling = Throttling{m["nr_periods"], m["nr_throttled"], m["throttled_time"]}
}

func (s *Stats) cpuacct1(r *reader) {
	u := &s.CPU.Usage
	u.Total = r.number("cpuacct.usage")
	for _, n := range strings.Fields(r.text("cpuacct.usage_percpu")) {
		u.PerCPU = append(u.PerCPU, r.parse("cpuacct.usage_percpu", n))
	}
	modes := r.pairs("cpuacct.stat") // in ticks
	u.User, u.Kernel = modes["user"]*second/proc.UserHZ, modes["system"]*second/proc.UserHZ
	for line := range strings.Lines(r.text("cpuacct.usage_all")) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "cpu" { // the line of names
			continue
		}
		u.PerCPUUser = append(u.PerCPUUser, r.parse("cpuacct.usage_all", f[1]))
		u.PerCPUKernel = append(u.PerCPUKernel, r.parse("cpuacct.usage_all", f[2]))
	}
}

func (s *Stats) cpuset1(r *reader) {
	c := &s.CPUSet
	c.CPUs, c.Mems = r.numbers("cpuset.cpus"), r.numbers("cpuset.mems")
	for _, f := range []struct {
		name string
		to   *uint64
	}{
		{"cpu_exclusive", &c.CPUExclusive}, {"mem_hardwall", &c.MemHardwall}, {"mem_exclusive", &c.MemExclusive},
		{"memory_migrate", &c.MemoryMigrate}, {"memory_spread_page", &c.MemorySpreadPage}, {"memory_spread_slab", &c.MemorySpreadSlab},
		{"memory_pressure", &c.MemoryPressure}, {"sched_load_balance", &c.SchedLoadBalance},
	} {
		*f.to = r.number("cpuset." + f.name)
	}
	// -1 is one of its values.
	if level, err := strconv.ParseInt(r.text("cpuset.sched_relax_domain_level"), 10, 64); err == nil {
		c.SchedRelaxDomainLevel = level
	}
}

func (s *Stats) memory1(r *reader) {
	m := &s.Memory
	m.Raw = r.pairs("memory.stat")
	m.Cache = m.Raw["cache"]
	for _, e := range []struct {
		name string
		to   *MemoryEntry
	}{{"memory", &m.Usage}, {"memory.memsw", &m.Swap}, {"memory.kmem", &m.Kernel}, {"memory.kmem.tcp", &m.KernelTCP}} {
		*e.to = MemoryEntry{
			Limit: r.number(e.name + ".limit_in_bytes"), Usage: r.number(e.name + ".usage_in_bytes"),
			Max: r.number(e.name + ".max_usage_in_bytes"), Failcnt: r.number(e.name + ".failcnt"),
		}
	}
}

// pids is the same in both versions.
func (s *Stats) pids(r *reader) {
	s.Pids.Current = r.number("pids.current")
	if limit := r.text("pids.max"); limit != "max" {
		s.Pids.Limit = r.parse("pids.max", limit)
	}
}

// blkio1 takes the figures of the I/O scheduler where it keeps some, and those
// of throttling, which are always there, else.
func (s *Stats) blkio1(r *reader) {
	b := &s.Blkio
	for _, prefix := range []string{"blkio.bfq.", "blkio."} {
		for _, f := range []struct {
			name string
			to   *[]BlkioEntry
		}{
			{"sectors", &b.Sectors}, {"io_service_time", &b.ServiceTime}, {"io_wait_time", &b.WaitTime}, {"io_merged", &b.Merged},
			{"io_queued", &b.Queued}, {"time", &b.Time}, {"io_serviced", &b.Serviced}, {"io_service_bytes", &b.ServiceBytes},
		} {
			if *f.to == nil {
				*f.to = r.entries(prefix + f.name + "_recursive")
			}
		}
	}
	for _, suffix := range []string{"_recursive", ""} {
		if b.Serviced == nil && b.ServiceBytes == nil {
			b.Serviced = r.entries("blkio.throttle.io_serviced" + suffix)
			b.ServiceBytes = r.entries("blkio.throttle.io_service_bytes" + suffix)
		}
	}
}

// entries reads lines such as "8:0 Read 4096", or without a word.
func (r *reader) entries(file string) []BlkioEntry {
	var list []BlkioEntry
	for line := range strings.Lines(r.text(file)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] == "Total" {
			continue
		}
		e := BlkioEntry{Value: r.parse(file, f[len(f)-1])}
		major, minor, _ := strings.Cut(f[0], ":")
		e.Major, e.Minor = r.parse(file, major), r.parse(file, minor)
		if len(f) > 2 {
			e.Op = f[1]
		}
		list = append(list, e)
	}
	return list
}

func (s *Stats) hugetlb1(r *reader) {
	for _, size := range r.pageSizes(".limit_in_bytes") {
		p := "hugetlb." + size
		s.Hugetlb[size] = Hugetlb{r.number(p + ".usage_in_bytes"), r.number(p + ".max_usage_in_bytes"), r.number(p + ".failcnt")}
	}
}
