package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/rtnl"
)

// newNetwork makes another network namespace.
func newNetwork(t *testing.T) *network {
	t.Helper()
	type result struct {
		n   *network
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		err := unix.Unshare(unix.CLONE_NEWNET)
		var n *network
		if err == nil {
			n, err = openNetwork(ownNS)
		}
		made <- result{n, err}
	}()
	r := <-made
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(r.n.close)
	return r.n
}

// path refers to the namespace.
func (n *network) path() string {
	return fmt.Sprintf("/proc/self/fd/%d", n.file.Fd())
}

func links(t *testing.T, n *network) (l map[string]bundletest.Link) {
	t.Helper()
	look := func() (err error) {
		l, err = bundletest.Links()
		return err
	}
	var err error
	if n == nil {
		err = look()
	} else {
		err = n.within(look)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// prepare makes the devices v0 and v1, the first with addresses of each kind,
// and gives those that go with it.
func prepare(t *testing.T) (there *network, kept []string) {
	t.Helper()
	bundletest.Veth(t, "v0", "v1")
	bundletest.SetLink(t, "v0", 1400)
	attr := func(kind uint16, value uint32) rtnl.Attr {
		return rtnl.Attr{Type: kind, Value: binary.NativeEndian.AppendUint32(nil, value)}
	}
	// Preferred and valid for ten minutes.
	passing := rtnl.Attr{Type: unix.IFA_CACHEINFO, Value: rtnl.BytesOf(&unix.IfaCacheinfo{Prefered: 600, Valid: 600})}
	bundletest.AddAddress(t, "v0", "192.0.2.1/24", unix.RT_SCOPE_UNIVERSE, rtnl.Attr{Type: unix.IFA_LABEL, Value: []byte("v0:one\x00")}, attr(unix.IFA_RT_PRIORITY, 77))
	bundletest.AddAddress(t, "v0", "192.0.2.2/24", unix.RT_SCOPE_UNIVERSE, attr(unix.IFA_FLAGS, unix.IFA_F_NOPREFIXROUTE))
	bundletest.AddAddress(t, "v0", "198.51.100.1/24", unix.RT_SCOPE_LINK)
	bundletest.AddAddress(t, "v0", "192.0.2.3/24", unix.RT_SCOPE_UNIVERSE, passing)
	kept = []string{"192.0.2.1/24", "192.0.2.2/24"}
	if _, err := os.Stat("/proc/sys/net/ipv6/conf/v0"); err == nil {
		bundletest.AddAddress(t, "v0", "2001:db8::1/64", unix.RT_SCOPE_UNIVERSE, attr(unix.IFA_FLAGS, unix.IFA_F_NODAD))
		bundletest.AddAddress(t, "v0", "2001:db8::2/64", unix.RT_SCOPE_UNIVERSE, passing)
		kept = append(kept, "2001:db8::1/64")
	}
	return newNetwork(t), kept
}

func move(t *testing.T, there *network, name, newName string) *Moved {
	t.Helper()
	m, err := Move(there.path(), name, newName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestMoveAndBack(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	there, kept := prepare(t)
	before := links(t, nil)["v0"]
	same(t, "MTU at first", before.MTU, 1400)
	m := move(t, there, "v0", "net0")
	want := before
	want.Addresses = kept
	got := links(t, there)
	same(t, "in the other namespace", got["net0"], want)
	same(t, "devices there", len(got), 2)
	if l, ok := links(t, nil)["v0"]; ok {
		t.Errorf("it is still here: %+v", l)
	}
	list, err := there.addresses(m.now.index)
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, a := range list {
		labels = append(labels, a.label)
	}
	same(t, "labels", labels[:2], []string{"net0:one", "net0"})
	// What is to be kept of an address, but for its label, is what was read.
	for i, a := range list {
		was := m.addresses[i]
		was.msg.Index = a.msg.Index
		same(t, a.text, fmt.Sprint(a.msg, settings(a)), fmt.Sprint(was.msg, settings(was)))
	}

	if err := m.Back(); err != nil {
		t.Fatal(err)
	}
	same(t, "back", links(t, nil)["v0"], want)
	m.Close()
	if err := m.Back(); err != nil {
		t.Errorf("back after Close: %v", err)
	}
	if got := links(t, there); len(got) != 1 {
		t.Errorf("there are still %+v", got)
	}
}

// settings are the attributes, but for the times at which the address was made
// and changed.
func settings(a address) (s []string) {
	for _, at := range a.attrs {
		value := at.Value
		if at.Type == unix.IFA_CACHEINFO {
			value = value[:8]
		}
		s = append(s, fmt.Sprintf("%d: %x", at.Type, value))
	}
	return s
}

// One that was down is down again when it is back.
func TestBackDown(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	bundletest.Veth(t, "v0", "v1")
	there := newNetwork(t)
	m := move(t, there, "v0", "v0")
	if !links(t, there)["v0"].Up {
		t.Error("it is not up")
	}
	if err := m.Back(); err != nil {
		t.Fatal(err)
	}
	if l, ok := links(t, nil)["v0"]; !ok || l.Up {
		t.Errorf("it is back: %t, %+v", ok, l)
	}
}

// A template gets a number that is free; an index that is taken is changed.
func TestMoveTemplate(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	bundletest.Veth(t, "v0", "v1")
	here, there := ownNetwork(t), newNetwork(t)
	if err := there.within(func() error { bundletest.Veth(t, "net0", "x"); return nil }); err != nil {
		t.Fatal(err)
	}
	index := func(n *network, name string) int32 {
		d, err := n.device(name, 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return d.index
	}
	if index(here, "v0") != index(there, "net0") && index(here, "v0") != index(there, "x") {
		t.Fatal("no index is taken")
	}
	m := move(t, there, "v0", "net%d")
	if m.now.name == "net0" || !strings.HasPrefix(m.now.name, "net") || index(there, m.now.name) != m.now.index {
		t.Errorf("it is called %s", m.now.name)
	}
	m = move(t, there, "v1", "y")
	same(t, "index", index(there, "y"), m.now.index)
}

func ownNetwork(t *testing.T) *network {
	t.Helper()
	n, err := openNetwork(ownNS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// Of a move that fails nothing remains.
func TestMoveFails(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	there, _ := prepare(t)
	if err := there.within(func() error { bundletest.Veth(t, "taken", "x"); return nil }); err != nil {
		t.Fatal(err)
	}
	here, other := links(t, nil), links(t, there)
	for _, c := range []struct {
		name, newName string
		errno         error
		want          string
	}{
		{"nothing", "nothing", unix.ENODEV, "find network device nothing: no such device"},
		{"v0", "taken", nil, "taken is the name of another network device in the container's network namespace"},
		{"lo", "other", unix.EINVAL, "move lo to the container's network namespace as other: invalid argument"},
	} {
		_, err := Move(there.path(), c.name, c.newName)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.errno != nil && !errors.Is(err, c.errno) {
			t.Errorf("%s as %s: %v, want %s", c.name, c.newName, err, c.want)
		}
	}
	_, err := Move(ownNS, "v0", "v2")
	if err == nil || !strings.Contains(err.Error(), "the container's network namespace is the one that v0 is in") {
		t.Errorf("to the own namespace: %v", err)
	}
	if _, err := Move("/proc/self/status", "v0", "v2"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("to what is no namespace: %v", err)
	}
	same(t, "the devices here", links(t, nil), here)
	same(t, "the devices there", links(t, there), other)
}

// The kernel moves a device before it renames it: when it refuses the name,
// the device is taken back.
func TestMoveNotRenamed(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	there, kept := prepare(t)
	want := links(t, nil)["v0"]
	want.Addresses = kept
	_, err := Move(there.path(), "v0", "a%d%d") // CheckNewName would refuse it
	if !errors.Is(err, unix.EINVAL) {
		t.Errorf("error %v, want EINVAL", err)
	}
	got := links(t, nil)["v0"]
	if got.Addresses = slices.DeleteFunc(got.Addresses, func(a string) bool { return !slices.Contains(kept, a) }); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	same(t, "devices there", len(links(t, there)), 1)
}
