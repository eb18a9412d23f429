package runtime_test

import (
	"math"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

func offsets(o map[string]specs.LinuxTimeOffset) func(*bundletest.Bundle, *specs.Spec) {
	return set(func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
		s.Linux.TimeOffsets = o
	})
}

// The clocks inside, with nothing else new, and with namespaces that are
// joined; the process is process 1 all the same.
func TestTimeOffsets(t *testing.T) {
	want := map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 100000, Nanosecs: 500000000}, "boottime": {Secs: 7000000}}
	check := func(t *testing.T, b *bundletest.Bundle, edit func(*specs.Spec)) {
		t.Helper()
		mono, booted := bundletest.Clock(unix.CLOCK_MONOTONIC), bundletest.Clock(unix.CLOCK_BOOTTIME)
		k := b.Kernel(func(s *specs.Spec) {
			offsets(want)(b, s)
			edit(s)
		})
		for _, c := range []struct {
			name        string
			got, offset int64
		}{{"monotonic", k.Monotonic - mono, 100000*1e9 + 5e8}, {"boottime", k.Booted - booted, 7000000 * 1e9}} {
			if late := time.Duration(c.got - c.offset); late < 0 || late > bundletest.Patience {
				t.Errorf("the %s clock is %v off", c.name, late)
			}
		}
		b.Write(func(s *specs.Spec) {
			offsets(want)(b, s)
			edit(s)
		})
		same(t, "pid", b.Report().Pid, 1)
	}
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		t.Run("new", func(t *testing.T) { check(t, bundletest.New(t, u), func(*specs.Spec) {}) })
		t.Run("all new", func(t *testing.T) {
			b := bundletest.New(t, u)
			giveMapped(b)
			adj := 600
			check(t, b, func(s *specs.Spec) {
				allNew(u, s)
				s.Process.OOMScoreAdj = &adj
			})
		})
		if u.IsRoot() {
			t.Run("with one that is joined", func(t *testing.T) {
				check(t, bundletest.New(t, u), func(s *specs.Spec) {
					dropNS(s, specs.CgroupNamespace)
					s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace, Path: "/proc/self/ns/cgroup"})
				})
			})
		}
	})
}

func TestBadTimeOffsets(t *testing.T) {
	one := func(clock string, secs int64, nanosecs uint32) func(*bundletest.Bundle, *specs.Spec) {
		return offsets(map[string]specs.LinuxTimeOffset{clock: {Secs: secs, Nanosecs: nanosecs}})
	}
	testBad(t, []bad{
		{name: "without a time namespace", edit: func(b *bundletest.Bundle, s *specs.Spec) {
			one("boottime", 1, 0)(b, s)
			dropNS(s, specs.TimeNamespace)
		}, want: []string{"linux.timeOffsets: needs a time namespace", `hint: add {"type": "time"}`}},
		{name: "of one that is joined", edit: func(b *bundletest.Bundle, s *specs.Spec) {
			one("boottime", 1, 0)(b, s)
			dropNS(s, specs.TimeNamespace)
			withNS(specs.TimeNamespace, "/proc/self/ns/time")(b, s)
		}, want: []string{"linux.timeOffsets: cannot be set: the time namespace that is joined has its own"}},
		{name: "unknown clock", edit: one("realtime", 1, 0), want: []string{`linux.timeOffsets: "realtime" is no clock of a time namespace`}},
		{name: "too far", edit: one("monotonic", math.MaxInt64, 0), want: []string{"linux.timeOffsets.monotonic: 9223372036854775807 seconds are more than the kernel's 9223372036"}},
		{name: "a whole second", edit: one("monotonic", 0, 1e9), want: []string{"linux.timeOffsets.monotonic: 1000000000 nanoseconds are a second or more"}},
		{name: "before the beginning", edit: one("boottime", -9000000000, 0), want: []string{"linux.timeOffsets: write(", "numerical result out of range", "hint: the boottime clock shows ", "which -9000000000 would make negative"}},
	})
}
