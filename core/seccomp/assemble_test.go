package seccomp

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A conditional jump reaches its target at every distance around the farthest.
func TestJumpReach(t *testing.T) {
	for pad := 240; pad < 265; pad++ {
		for _, swapped := range []bool{false, true} {
			a := &assembler{}
			yes := a.load(offArch, a.ret(1))
			no := a.load(offArch, a.ret(2))
			if swapped {
				yes, no = no, yes
			}
			for range pad {
				a.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, 0, 0, 0)
			}
			a.load(offNr, a.jump(unix.BPF_JEQ, 5, yes, no))
			slices.Reverse(a.prog)
			if err := check(a.prog); err != nil {
				t.Fatalf("%d instructions between: %v", pad, err)
			}
			want := map[uint32]Action{5: 1, 6: 2}
			if swapped {
				want = map[uint32]Action{5: 2, 6: 1}
			}
			for nr, want := range want {
				if got, _ := run(a.prog, &data{nr: nr}); got != want {
					t.Errorf("%d instructions between, swapped %v: %d leads to %d", pad, swapped, nr, got)
				}
			}
		}
	}
}

// One return serves many jumps, and is written again where it is too far off.
func TestReturns(t *testing.T) {
	a := &assembler{}
	first := a.ret(1)
	if a.ret(1) != first || a.ret(2) == first {
		t.Error("returns are mixed up")
	}
	for range 300 {
		a.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, 0, 0, 0)
	}
	if near := a.near(first); near == first || a.prog[near] != a.prog[first] {
		t.Errorf("%d stands in for %d", near, first)
	}
}
