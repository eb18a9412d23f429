package runtime

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/fault"
)

func update(f *cli.Flags) action {
	file := f.StringP("resources", "r", "", "`FILE` with linux.resources as JSON, - for standard input; the other options are not read then")
	r := &specs.LinuxResources{}
	set := newResourceFlags(f, r)
	l3 := f.String("l3-cache-schema", "", "`SCHEMA` of the L3 cache in resctrl")
	bandwidth := f.String("mem-bw-schema", "", "`SCHEMA` of the memory bandwidth in resctrl")
	return func(e *env, operands []string) error {
		u := container.Update{Resources: r}
		var err error
		if *file != "" {
			err = readResources(e.std.In, *file, r)
		} else {
			err = set()
		}
		if err != nil {
			return err
		}
		if *l3 != "" || *bandwidth != "" {
			u.Rdt = &specs.LinuxIntelRdt{L3CacheSchema: *l3, MemBwSchema: *bandwidth}
		}
		return e.store.Update(operands[0], u)
	}
}

// maxResources bounds what is read of a FILE, in bytes.
const maxResources = 16 << 20

func readResources(in *os.File, name string, r *specs.LinuxResources) error {
	if name != "-" {
		var err error
		if in, err = os.Open(name); err != nil {
			return fault.Op(err, "--resources")
		}
		defer in.Close()
	}
	data, err := io.ReadAll(io.LimitReader(in, maxResources))
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil {
		return fault.Op(err, "--resources %s", name)
	}
	return nil
}

// newResourceFlags defines the flags that each set a field of r, and gives what
// does it once they are read.
func newResourceFlags(f *cli.Flags, r *specs.LinuxResources) (set func() error) {
	cpu := func() *specs.LinuxCPU {
		if r.CPU == nil {
			r.CPU = &specs.LinuxCPU{}
		}
		return r.CPU
	}
	memory := func() *specs.LinuxMemory {
		if r.Memory == nil {
			r.Memory = &specs.LinuxMemory{}
		}
		return r.Memory
	}
	type option struct {
		name string
		read func(value string) error
	}
	var options []option
	add := func(name, usage string, read func(string) error) {
		f.String(name, "", usage)
		options = append(options, option{name, read})
	}
	unsigned := func(name, usage string, to func(uint64)) {
		add(name, usage, func(s string) error {
			n, err := strconv.ParseUint(s, 10, 64)
			if err == nil {
				to(n)
			}
			return numberError(err)
		})
	}
	signed := func(name, usage string, to func(int64)) {
		add(name, usage, func(s string) error {
			n, err := strconv.ParseInt(s, 10, 64)
			if err == nil {
				to(n)
			}
			return numberError(err)
		})
	}
	size := func(name, usage string, to func(int64)) {
		add(name, usage, func(s string) error {
			n, err := readBytes(s)
			if err == nil {
				to(n)
			}
			return err
		})
	}
	add("blkio-weight", "weight of block I/O, `N` from 10 to 1000", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 16)
		if err == nil && n > 0 {
			r.BlockIO = &specs.LinuxBlockIO{Weight: new(uint16(n))}
		}
		return numberError(err)
	})
	unsigned("cpu-period", "length of a period of --cpu-quota, in `µs`", func(n uint64) { cpu().Period = &n })
	signed("cpu-quota", "CPU time in each period, in `µs`; -1 for no limit", func(n int64) { cpu().Quota = &n })
	unsigned("cpu-burst", "CPU time that may be saved up, in `µs`", func(n uint64) { cpu().Burst = &n })
	unsigned("cpu-share", "share of the CPU against others, `N` from 2 to 262144", func(n uint64) { cpu().Shares = &n })
	unsigned("cpu-rt-period", "length of a period of --cpu-rt-runtime, in `µs`", func(n uint64) { cpu().RealtimePeriod = &n })
	signed("cpu-rt-runtime", "real-time CPU time in each period, in `µs`", func(n int64) { cpu().RealtimeRuntime = &n })
	add("cpuset-cpus", "processors that may be used, a `LIST` such as 0-3,7", func(s string) error { cpu().Cpus = s; return nil })
	add("cpuset-mems", "memory nodes that may be used, a `LIST`", func(s string) error { cpu().Mems = s; return nil })
	signed("cpu-idle", "1 for idle, 0 for not: `0|1`", func(n int64) { cpu().Idle = &n })
	size("kernel-memory", "`SIZE` of the kernel's memory", func(int64) {})
	f.NoEffect("kernel-memory", "Linux has no such limit any more")
	size("kernel-memory-tcp", "`SIZE` of TCP's buffers, in version 1", func(n int64) { memory().KernelTCP = &n })
	size("memory", "`SIZE` of memory, such as 512m; -1 for no limit", func(n int64) { memory().Limit = &n })
	size("memory-reservation", "`SIZE` of memory that is kept if others need it", func(n int64) { memory().Reservation = &n })
	size("memory-swap", "`SIZE` of memory and swap together; -1 for no limit", func(n int64) { memory().Swap = &n })
	signed("pids-limit", "`N` processes; -1 for no limit", func(n int64) { r.Pids = &specs.LinuxPids{Limit: &n} })
	return func() error {
		for _, o := range options {
			flag := f.Lookup(o.name)
			if !flag.Changed || flag.Value.String() == "" {
				continue
			}
			if err := o.read(flag.Value.String()); err != nil {
				return fault.Op(err, "--%s %s", o.name, flag.Value)
			}
		}
		return nil
	}
}

// numberError is a shorter word for an error of strconv.
func numberError(err error) error {
	if e, ok := err.(*strconv.NumError); ok {
		return e.Err
	}
	return err
}

// bytes reads a size such as 512m, of which the units are powers of 1024.
func readBytes(s string) (int64, error) {
	text := strings.TrimSuffix(strings.ToLower(s), "b")
	shift := 0
	if i := strings.IndexAny(text, "kmgtp"); i >= 0 && i == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("kmgtp", text[i]))
		text = text[:i]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, numberError(err)
	}
	if n<<shift>>shift != n {
		return 0, strconv.ErrRange
	}
	return n << shift, nil
}
