package runtime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// devices are linux.netDevices: pairs of a name outside and one inside. The
// container has a network namespace, which a plain user's has not by default.
func devices(pairs ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		if !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace }) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
		}
		s.Linux.NetDevices = map[string]specs.LinuxNetDevice{}
		for i := 0; i < len(pairs); i += 2 {
			s.Linux.NetDevices[pairs[i]] = specs.LinuxNetDevice{Name: pairs[i+1]}
		}
	}
}

// hostLinks are the network devices of the test's own network namespace.
func hostLinks(t *testing.T) map[string]bundletest.Link {
	t.Helper()
	l, err := bundletest.Links()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// linksInside runs a container in the foreground that lists its devices.
func linksInside(t *testing.T, b *bundletest.Bundle, edit func(*specs.Spec)) (l map[string]bundletest.Link) {
	t.Helper()
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("links")
		edit(s)
	})
	out := b.Foreground()
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		t.Fatalf("links %q: %v", out, err)
	}
	return l
}

// vethPair makes the devices v0, with an address, and v1.
func vethPair(t *testing.T) {
	t.Helper()
	bundletest.Veth(t, "v0", "v1")
	bundletest.SetLink(t, "v0", 1400)
	bundletest.AddAddress(t, "v0", "192.0.2.1/24", unix.RT_SCOPE_UNIVERSE)
}

// A device has its addresses and MTU inside, and is up there. With the
// container, the kernel removes a virtual one.
func TestNetDevices(t *testing.T) {
	u := bundletest.Root(t)
	if !bundletest.OwnNetwork(t) {
		return
	}
	for _, v := range []struct {
		name string
		edit func(*specs.Spec)
	}{
		{"root", func(*specs.Spec) {}},
		{"forking", forking},
		{"user namespace", func(s *specs.Spec) { allNew(u, s) }},
	} {
		t.Run(v.name, func(t *testing.T) {
			vethPair(t)
			b := bundletest.New(t, u)
			if v.name == "user namespace" {
				giveMapped(b)
			}
			want := hostLinks(t)["v0"]
			got := linksInside(t, b, func(s *specs.Spec) {
				v.edit(s)
				devices("v0", "net0", "v1", "eth%d")(s)
			})
			same(t, "net0", got["net0"], want)
			if !got["eth0"].Up || !got["lo"].Up || len(got) != 3 {
				t.Errorf("devices inside: %+v", got)
			}
			bundletest.Until(t, "the kernel to remove the devices", func() bool { return len(hostLinks(t)) == 1 })
			nothingLeft(t, b)
		})
	}
}

// A run in the foreground does not hold the container's network namespace, and
// with it the devices, longer than the container lasts.
func TestNetDevicesNotHeld(t *testing.T) {
	u := bundletest.Root(t)
	if !bundletest.OwnNetwork(t) {
		return
	}
	vethPair(t)
	b := bundletest.New(t, u)
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("sleep")
		devices("v0", "")(s)
	})
	c := b.Command("run", "--bundle", b.Dir, b.ID)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	// Nobody says when it is done with the start.
	bundletest.Until(t, "the namespace to be let go of", func() bool {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.Process.Pid))
		if err != nil || len(fds) == 0 {
			t.Fatalf("descriptors %q: %v", fds, err)
		}
		return !slices.ContainsFunc(fds, func(fd string) bool {
			what, _ := os.Readlink(fd)
			return strings.HasPrefix(what, "net:")
		})
	})
	b.Must("kill", b.ID, "KILL")
	c.End()
}

// In a namespace that is joined, the devices stay when the container has ended.
func TestNetDevicesJoined(t *testing.T) {
	u := bundletest.Root(t)
	if !bundletest.OwnNetwork(t) {
		return
	}
	vethPair(t)
	first := newBundle(t, u, "sleep")
	first.Create()
	path := fmt.Sprintf("/proc/%d/ns/net", first.Query().Pid)
	b := bundletest.New(t, u)
	join := func(s *specs.Spec) {
		for i := range s.Linux.Namespaces {
			if n := &s.Linux.Namespaces[i]; n.Type == specs.NetworkNamespace {
				n.Path = path
			}
		}
	}
	got := linksInside(t, b, func(s *specs.Spec) {
		join(s)
		devices("v0", "")(s)
	})
	same(t, "addresses", got["v0"].Addresses, []string{"192.0.2.1/24"})
	// Its name is taken now.
	b.Write(func(s *specs.Spec) {
		join(s)
		devices("v1", "v0")(s)
	})
	b.Fails([]string{"linux.netDevices[v1]: v0 is the name of another network device in the container's network namespace"}, "create", "--bundle", b.Dir, b.ID)
	nothingLeft(t, b)
	if _, ok := hostLinks(t)["v1"]; !ok {
		t.Error("v1 is not here any more")
	}
	// The namespace that the runtime is in is none to move to.
	path = "/proc/self/ns/net"
	b.Write(func(s *specs.Spec) {
		join(s)
		devices("v1", "v2")(s)
	})
	b.Fails([]string{"linux.netDevices[v1]: the container's network namespace is the one that v1 is in"}, "create", "--bundle", b.Dir, b.ID)
}

// When a create fails at a later step, the devices are back as they were.
func TestNetDevicesUndone(t *testing.T) {
	u := bundletest.Root(t)
	if !bundletest.OwnNetwork(t) {
		return
	}
	vethPair(t)
	before := hostLinks(t)
	lost := specs.Mount{Destination: "/data", Type: "bind", Source: "/nonexistent", Options: []string{"bind"}}
	for name, edit := range map[string]func(*specs.Spec){
		"the next device": devices("v0", "", "v1", "lo"),
		"a mount": func(s *specs.Spec) {
			devices("v0", "net0", "v1", "net1")(s)
			s.Mounts = append(s.Mounts, lost)
		},
		"a mount, after a fork": func(s *specs.Spec) {
			forking(s)
			devices("v0", "net0", "v1", "net%d")(s)
			s.Mounts = append(s.Mounts, lost)
		},
	} {
		b := bundletest.New(t, u)
		b.Write(edit)
		for _, command := range []string{"create", "run"} {
			b.Runtime(command, "--bundle", b.Dir, b.ID).Fails(t)
			nothingLeft(t, b)
			if got := hostLinks(t); !reflect.DeepEqual(got, before) {
				t.Errorf("%s: %s: devices %+v, want %+v", name, command, got, before)
			}
		}
	}
	// The last that can fail: what is executed is no program.
	b := bundletest.New(t, u)
	b.File("/text", "text", 0o755)
	b.Write(func(s *specs.Spec) {
		devices("v0", "net0", "v1", "net1")(s)
		s.Process.Args = []string{"/text"}
	})
	for _, detach := range []string{"--detach=true", "--detach=false"} {
		b.Runtime("run", detach, "--bundle", b.Dir, b.ID).Fails(t, "process.args[0]: execve(/text): exec format error")
		nothingLeft(t, b)
		if got := hostLinks(t); !reflect.DeepEqual(got, before) {
			t.Errorf("execve: %s: devices %+v, want %+v", detach, got, before)
		}
	}
}

func TestBadNetDevices(t *testing.T) {
	root := bundletest.Root(t)
	if !bundletest.OwnNetwork(t) {
		return
	}
	vethPair(t)
	plain := bundletest.Plain(t)
	before := hostLinks(t)
	for _, row := range []bad{
		{name: "unknown", edit: set(devices("none0", "")), want: []string{"linux.netDevices[none0]: find network device none0: no such device"}},
		{name: "name", edit: set(devices("v0", "a/b")), want: []string{`linux.netDevices[v0].name: "a/b" is no name of a network device`}},
		{name: "twice", edit: set(devices("v0", "x", "v1", "x")), want: []string{"linux.netDevices[v1].name: x is there already, as linux.netDevices[v0]"}},
		{name: "no namespace", edit: set(func(s *specs.Spec) {
			devices("v0", "")(s)
			dropNS(s, specs.NetworkNamespace)
		}), want: []string{"linux.netDevices: needs a network namespace", "hint: "}},
		{name: "not permitted", edit: set(devices("v0", "")), who: onlyPlain, want: []string{"linux.netDevices[v0]: ", "operation not permitted", "hint: it takes CAP_NET_ADMIN"}},
	} {
		for _, u := range []bundletest.User{root, plain} {
			if row.who == onlyPlain && u.IsRoot() {
				continue
			}
			t.Run(row.name, func(t *testing.T) { row.try(t, bundletest.New(t, u), []string{"create"}) })
		}
	}
	same(t, "devices", hostLinks(t), before)
}
