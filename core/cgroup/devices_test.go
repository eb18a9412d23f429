package cgroup

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// allowed is what the rules say, bit by bit.
func allowed(rules []DeviceRule, kind byte, major, minor int64, access uint8) bool {
	for _, bit := range []uint8{accessMknod, accessRead, accessWrite} {
		ok := access&bit == 0
		for i := len(rules) - 1; i >= 0 && !ok; i-- {
			r := rules[i]
			if (r.Type == 'a' || r.Type == kind) && (r.Major < 0 || r.Major == major) && (r.Minor < 0 || r.Minor == minor) && r.Access&bit != 0 {
				if !r.Allow {
					return false
				}
				ok = true
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// run is an interpreter for the instructions that filter uses.
func run(prog []bpfInsn, kind byte, major, minor int64, access uint8) uint64 {
	var reg [11]uint64
	number := uint64(devChar)
	if kind == 'b' {
		number = devBlock
	}
	ctx := map[int16]uint64{ctxAccessType: uint64(access)<<16 | number, ctxMajor: uint64(major), ctxMinor: uint64(minor)}
	for pc := 0; ; pc++ {
		in := prog[pc]
		dst, src := in.regs&15, in.regs>>4
		if insn(0, 1, 0, 0, 0).regs != 1 {
			dst, src = src, dst
		}
		switch in.code {
		case opLoad32:
			reg[dst] = ctx[in.off]
		case opLoadImm:
			pc++
			reg[dst] = uint64(uint32(in.imm)) | uint64(prog[pc].imm)<<32
		case opMove:
			reg[dst] = reg[src]
		case opMoveImm:
			reg[dst] = uint64(in.imm)
		case opAddImm:
			reg[dst] += uint64(in.imm)
		case opAnd:
			reg[dst] &= reg[src]
		case opAndImm:
			reg[dst] &= uint64(in.imm)
		case opOr:
			reg[dst] |= reg[src]
		case opOrImm:
			reg[dst] |= uint64(in.imm)
		case opXor:
			reg[dst] ^= reg[src]
		case opNeg:
			reg[dst] = -reg[dst]
		case opShiftUp:
			reg[dst] <<= uint64(in.imm)
		case opShift:
			reg[dst] >>= uint64(in.imm)
		case opShiftSgn:
			reg[dst] = uint64(int64(reg[dst]) >> in.imm)
		case opExit:
			return reg[rResult]
		default:
			panic(fmt.Sprintf("instruction %#x", in.code))
		}
	}
}

// deviceNumber is of a device, any, or one that no device has.
func deviceNumber(r *rand.Rand) int64 {
	return []int64{-1, -1, 0, 1, 1<<majorBits - 1, 1<<minorBits - 1, 1 << minorBits, 1<<minorBits + 1}[r.IntN(8)]
}

func randomRules(r *rand.Rand) []DeviceRule {
	rules := make([]DeviceRule, r.IntN(8))
	for i := range rules {
		rules[i] = DeviceRule{Allow: r.IntN(2) == 0, Type: "abc"[r.IntN(3)], Major: deviceNumber(r), Minor: deviceNumber(r), Access: uint8(1 + r.IntN(7))}
		if rules[i].Type == 'a' {
			rules[i].Major, rules[i].Minor = -1, -1
		}
	}
	return rules
}

// The filter of version 2 is what the rules say, for any rules.
func TestFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		rules := randomRules(r)
		prog := filter(rules)
		for _, kind := range []byte("bc") {
			for _, major := range []int64{0, 1, 2, 1<<majorBits - 1} {
				for _, minor := range []int64{0, 1, 2, 1<<minorBits - 1} {
					for access := uint8(1); access <= accessAll; access++ {
						if got, want := run(prog, kind, major, minor, access) == 1, allowed(rules, kind, major, minor, access); got != want {
							t.Fatalf("%v: %c %d:%d access %d: %v, want %v", rules, kind, major, minor, access, got, want)
						}
					}
				}
			}
		}
	}
}

// legacyAllowed is version 1: a default, and exceptions from it that have to
// hold all of the access (devcgroup_legacy_check_permission in the kernel).
func legacyAllowed(lines []Limit, kind byte, major, minor int64, access uint8) bool {
	deny := lines[0].File == "devices.deny"
	for _, l := range lines[1:] {
		var k byte
		var ma, mi, acc string
		fields := strings.FieldsFunc(l.Value, func(r rune) bool { return r == ' ' || r == ':' })
		k, ma, mi, acc = fields[0][0], fields[1], fields[2], fields[3]
		has := uint8(0)
		for i, c := range "mrw" {
			if strings.ContainsRune(acc, c) {
				has |= 1 << i
			}
		}
		if k != kind || ma != "*" && ma != fmt.Sprint(major) || mi != "*" && mi != fmt.Sprint(minor) {
			continue
		}
		if deny && access&^has == 0 {
			return true
		}
		if !deny && access&has != 0 {
			return false
		}
	}
	return !deny
}

// What is written to version 1 never allows what the rules deny, and one bit of
// access is allowed if they do.
func TestLegacyRules(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for range 3000 {
		rules := randomRules(r)
		lines, err := legacyRules(rules)
		if err != nil {
			refused++
			continue
		}
		for _, kind := range []byte("bc") {
			for major := range int64(3) {
				for minor := range int64(3) {
					for access := uint8(1); access <= accessAll; access++ {
						got, want := legacyAllowed(lines, kind, major, minor, access), allowed(rules, kind, major, minor, access)
						if got != want && (got || access&(access-1) == 0) {
							t.Fatalf("%v\n%v: %c %d:%d access %d: %v, want %v", rules, lines, kind, major, minor, access, got, want)
						}
					}
				}
			}
		}
	}
	if refused == 0 || refused > 2000 {
		t.Errorf("%d of 3000 were refused", refused)
	}
}

func TestBadDevices(t *testing.T) {
	for want, d := range map[string]specs.LinuxDeviceCgroup{
		`type: "p" is none of a, b and c`:                  {Type: "p"},
		`major: -2 is not the number`:                      {Type: "c", Major: new(int64(-2))},
		`minor: 4294967296 is not the number`:              {Type: "b", Minor: new(int64(1 << 32))},
		`type: is missing`:                                 {Major: new(int64(1))},
		`access: "rwx" has a 'x': r, w and m can be in it`: {Access: "rwx"},
	} {
		_, err := DeviceRules(&specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{}, d}})
		if err == nil || !strings.HasPrefix(err.Error(), "linux.resources.devices[1]."+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The kernel takes the filter, and it holds; a second one replaces the first.
func TestRestrict(t *testing.T) {
	for _, l := range []layout{v2, v1} {
		t.Run(string(l), func(t *testing.T) {
			realm(t, l, func(t *testing.T) {
				g := made(t, Request{ID: "box"})
				if !g.RestrictsDevices() {
					t.Skip("no hierarchy here restricts devices")
				}
				h := host(t)
				put(t, g, os.Getpid())
				t.Cleanup(func() {
					trees := h.Legacy
					if h.Unified != nil {
						trees = append(trees, *h.Unified)
					}
					for _, tree := range trees {
						if err := write(tree.Own+"/cgroup.procs", "0"); err != nil {
							t.Error(err)
						}
					}
				})
				open := func(path string) error {
					fd, err := unix.Open(path, unix.O_RDWR, 0)
					if err == nil {
						unix.Close(fd)
					}
					return err
				}
				check := func(null, zero error) {
					t.Helper()
					if err := open("/dev/null"); err != null {
						t.Errorf("/dev/null: %v, want %v", err, null)
					}
					if err := open("/dev/zero"); err != zero {
						t.Errorf("/dev/zero: %v, want %v", err, zero)
					}
				}
				for range 3 {
					if err := g.Restrict([]DeviceRule{{"", true, 'c', 1, 3, accessAll}}); err != nil {
						t.Fatal(err)
					}
					check(nil, unix.EPERM)
					if err := g.Restrict([]DeviceRule{{"", true, 'a', -1, -1, accessAll}, {"", false, 'c', 1, 3, accessWrite}}); err != nil {
						t.Fatal(err)
					}
					check(unix.EPERM, nil)
				}
				if err := g.Restrict([]DeviceRule{{"", true, 'a', -1, -1, accessAll}}); err != nil {
					t.Fatal(err)
				}
				check(nil, nil)
			})
		})
	}
}
