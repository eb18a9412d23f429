package cgroup

import (
	"errors"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// Stats are the figures of a cgroup, in the form of runc's events, whose
// readers know version 1: version 2's are put into the same fields. Memory is
// in bytes, time in nanoseconds.
type Stats struct {
	CPU     CPU                `json:"cpu"`
	CPUSet  CPUSet             `json:"cpuset"`
	Memory  Memory             `json:"memory"`
	Pids    Pids               `json:"pids"`
	Blkio   Blkio              `json:"blkio"`
	Hugetlb map[string]Hugetlb `json:"hugetlb"` // by page size, as "2MB"
}

type CPU struct {
	Usage      CPUUsage   `json:"usage"`
	Throttling Throttling `json:"throttling"`
	PSI        *PSI       `json:"psi,omitempty"`
}

type CPUUsage struct {
	Total        uint64   `json:"total,omitempty"`
	PerCPU       []uint64 `json:"percpu,omitempty"`
	PerCPUKernel []uint64 `json:"percpu_kernel,omitempty"`
	PerCPUUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// CPUSet is of version 1 but for the two lists.
type CPUSet struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

type Memory struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryEntry       `json:"usage"`
	Swap      MemoryEntry       `json:"swap"` // with memory, as in version 1
	Kernel    MemoryEntry       `json:"kernel"`
	KernelTCP MemoryEntry       `json:"kernelTCP"`
	Raw       map[string]uint64 `json:"raw,omitempty"` // memory.stat
	PSI       *PSI              `json:"psi,omitempty"`
	Events    *MemoryEvents     `json:"event_count,omitempty"` // of version 2
}

type MemoryEntry struct {
	Limit   uint64 `json:"limit"` // the greatest number for none
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"` // so far
	Failcnt uint64 `json:"failcnt"`
}

// MemoryEvents are memory.events.
type MemoryEvents struct {
	Low          uint64 `json:"low"`
	High         uint64 `json:"high"`
	Max          uint64 `json:"max"`
	OOM          uint64 `json:"oom"`
	OOMKill      uint64 `json:"oom_kill"`
	OOMGroupKill uint64 `json:"oom_group_kill"`
}

type Pids struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"` // 0 for none
}

type Hugetlb struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

type Blkio struct {
	ServiceBytes []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serviced     []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	Queued       []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	ServiceTime  []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime     []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	Merged       []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	Time         []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	Sectors      []BlkioEntry `json:"sectorsRecursive,omitempty"`
	PSI          *PSI         `json:"psi,omitempty"`
}

type BlkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"` // such as "Read"
	Value uint64 `json:"value,omitempty"`
}

// PSI is a pressure stall file, proc_pressure(5).
type PSI struct {
	Some PSIData `json:"some"`
	Full PSIData `json:"full"`
}

type PSIData struct {
	Avg10  float64 `json:"avg10"` // percent
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"` // µs
}

// Stats reads the group's figures. What its hierarchies have no controller for
// is zero.
func (g *Group) Stats() (*Stats, error) {
	s := &Stats{Hugetlb: map[string]Hugetlb{}}
	r := &reader{}
	for _, c := range []struct {
		controller string
		one, two   func(*reader)
	}{
		{"cpu", s.cpu1, s.cpu2}, {"cpuacct", s.cpuacct1, nil}, {"cpuset", s.cpuset1, s.cpuset2}, {"memory", s.memory1, s.memory2},
		{"pids", s.pids, s.pids}, {"blkio", s.blkio1, nil}, {"io", nil, s.io2}, {"hugetlb", s.hugetlb1, s.hugetlb2},
	} {
		dir, version := g.Dir(c.controller)
		r.dir = dir
		switch {
		case version == 1 && c.one != nil:
			c.one(r)
		case version == 2 && c.two != nil:
			c.two(r)
		}
	}
	return s, r.err
}

// reader reads files of one directory. A file that is not there is empty: the
// controller may not be enabled, or its kernel older. The first other error
// stays.
type reader struct {
	dir string
	err error
}

func (r *reader) text(file string) string {
	data, err := files.Read(filepath.Join(r.dir, file))
	// With pressure accounting off its files are there and cannot be read.
	if err != nil && !gone(err) && !errors.Is(err, errors.ErrUnsupported) && r.err == nil {
		r.err = fault.Op(err, "read the cgroup's figures")
	}
	return strings.TrimSpace(string(data))
}

// number is a file's one number; "max" and "-1" are the greatest there is.
func (r *reader) number(file string) uint64 { return r.parse(file, r.text(file)) }

func (r *reader) parse(file, word string) uint64 {
	switch word {
	case "":
		return 0
	case "max", "-1":
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil && r.err == nil {
		r.err = fault.Op(nil, "%s/%s: %q is not a number", r.dir, file, word)
	}
	return n
}

// pairs reads a file of lines that are a name and a number.
func (r *reader) pairs(file string) map[string]uint64 {
	m := map[string]uint64{}
	for line := range strings.Lines(r.text(file)) {
		if name, n, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			m[name] = r.parse(file, n)
		}
	}
	return m
}

// numbers reads a list such as "0-3,7".
func (r *reader) numbers(file string) []uint16 {
	var list []uint16
	text := r.text(file)
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		for n, last := r.parse(file, from), r.parse(file, to); n <= last && n <= math.MaxUint16 && r.err == nil; n++ {
			list = append(list, uint16(n))
		}
	}
	return list
}

func (r *reader) psi(file string) *PSI {
	text := r.text(file)
	if text == "" {
		return nil
	}
	p := &PSI{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		d := &p.Some
		if words[0] == "full" {
			d = &p.Full
		}
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, "=")
			f, err := strconv.ParseFloat(value, 64)
			if err != nil && r.err == nil {
				r.err = fault.Op(nil, "%s/%s: %q is not a number", r.dir, file, value)
			}
			switch name {
			case "avg10":
				d.Avg10 = f
			case "avg60":
				d.Avg60 = f
			case "avg300":
				d.Avg300 = f
			case "total":
				d.Total = r.parse(file, value)
			}
		}
	}
	return p
}
