package seccomp

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Compile takes each word that is listed, and no other.
func TestWords(t *testing.T) {
	w := Words()
	check := func(kind string, words []string, profile func(word string) *specs.LinuxSeccomp) {
		t.Helper()
		if len(words) == 0 {
			t.Errorf("no %s", kind)
		}
		for _, word := range append(words, words[0]+"X", "") {
			_, err := Compile(profile(word))
			if listed := slices.Contains(words, word); listed != (err == nil) {
				t.Errorf("%s %q: %v", kind, word, err)
			}
		}
	}
	check("actions", w.Actions, func(word string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/a",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"sync"}, Action: specs.LinuxSeccompAction(word)}}}
	})
	check("operators", w.Operators, func(word string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"sync"}, Action: specs.ActErrno,
			Args: []specs.LinuxSeccompArg{{Op: specs.LinuxSeccompOperator(word)}}}}}
	})
	check("architectures", w.Archs, func(word string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.Arch(word)}}
	})
	check("flags", w.Flags, func(word string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(word)}}
	})
}

// A kernel that has filters knows some of the flags, and no bit that is none.
func TestMissing(t *testing.T) {
	if got := Missing(unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW); len(got) > 0 {
		t.Errorf("this kernel does not know %s", strings.Join(got, ", "))
	}
	if known(1 << 30) {
		t.Error("the kernel knows a flag that there is not")
	}
	if got := Missing(0); len(got) > 0 {
		t.Errorf("none is asked for, and %q are missing", got)
	}
}
