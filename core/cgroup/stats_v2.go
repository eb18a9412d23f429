package cgroup

import (
	"math"
	"os"
	"slices"
	"strings"
)

func (s *Stats) cpu2(r *reader) {
	m := r.pairs("cpu.stat")
	const micro = 1000
	s.CPU.Usage = CPUUsage{Total: m["usage_usec"] * micro, User: m["user_usec"] * micro, Kernel: m["system_usec"] * micro}
	s.CPU.Throttling = Throttling{m["nr_periods"], m["nr_throttled"], m["throttled_usec"] * micro}
	s.CPU.PSI = r.psi("cpu.pressure")
}

func (s *Stats) cpuset2(r *reader) {
	s.CPUSet.CPUs, s.CPUSet.Mems = r.numbers("cpuset.cpus.effective"), r.numbers("cpuset.mems.effective")
}

func (s *Stats) memory2(r *reader) {
	m := &s.Memory
	m.PSI = r.psi("memory.pressure")
	if r.text("memory.current") == "" {
		return // not enabled
	}
	m.Raw = r.pairs("memory.stat")
	m.Cache = m.Raw["file"]
	e := r.pairs("memory.events")
	m.Events = &MemoryEvents{e["low"], e["high"], e["max"], e["oom"], e["oom_kill"], e["oom_group_kill"]}
	// memory.peak is there from Linux 5.19.
	m.Usage = MemoryEntry{r.number("memory.max"), r.number("memory.current"), r.number("memory.peak"), e["max"]}
	if limit := r.text("memory.swap.max"); limit != "" {
		m.Swap = MemoryEntry{Limit: r.parse("memory.swap.max", limit), Usage: r.number("memory.swap.current") + m.Usage.Usage}
		if m.Swap.Limit += m.Usage.Limit; limit == "max" || m.Usage.Limit == math.MaxUint64 {
			m.Swap.Limit = math.MaxUint64
		}
	}
}

// io2 gives version 2's one file the form of version 1's two.
func (s *Stats) io2(r *reader) {
	b := &s.Blkio
	for line := range strings.Lines(r.text("io.stat")) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		major, minor, _ := strings.Cut(f[0], ":")
		e := BlkioEntry{Major: r.parse("io.stat", major), Minor: r.parse("io.stat", minor)}
		for _, word := range f[1:] {
			name, value, _ := strings.Cut(word, "=")
			var to *[]BlkioEntry
			switch name {
			case "rbytes":
				to, e.Op = &b.ServiceBytes, "Read"
			case "wbytes":
				to, e.Op = &b.ServiceBytes, "Write"
			case "rios":
				to, e.Op = &b.Serviced, "Read"
			case "wios":
				to, e.Op = &b.Serviced, "Write"
			default:
				continue
			}
			e.Value = r.parse("io.stat", value)
			*to = append(*to, e)
		}
	}
	b.PSI = r.psi("io.pressure")
}

// hugetlb2 counts reservations too where the kernel does (Linux 5.7).
func (s *Stats) hugetlb2(r *reader) {
	for _, size := range r.pageSizes(".max") {
		p := "hugetlb." + size
		h := Hugetlb{Usage: r.number(p + ".current"), Failcnt: r.pairs(p + ".events")["max"]}
		if rsvd := r.text(p + ".rsvd.current"); rsvd != "" {
			h.Usage = r.parse(p+".rsvd.current", rsvd)
		}
		s.Hugetlb[size] = h
	}
}

// pageSizes are those of huge pages that the directory has limits for, which are
// its files hugetlb.SIZE and suffix.
func (r *reader) pageSizes(suffix string) []string {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil // gone
	}
	var sizes []string
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "hugetlb.")
		if !ok {
			continue
		}
		if size, ok := strings.CutSuffix(name, suffix); ok && !strings.Contains(size, ".") {
			sizes = append(sizes, size)
		}
	}
	slices.Sort(sizes)
	return sizes
}
