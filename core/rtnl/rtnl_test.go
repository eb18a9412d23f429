package rtnl

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// inNetwork calls f with the thread in a network namespace of its own, which
// ends with the thread.
func inNetwork(t *testing.T, f func()) {
	t.Helper()
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		ended <- err
	}()
	if err := <-ended; errors.Is(err, unix.EPERM) {
		t.Skip("a plain user cannot make a network namespace")
	} else if err != nil {
		t.Error(err)
	}
}

func names(t *testing.T, c *Conn, kind uint16, flags int, of Attrs) (list []string) {
	answers, err := c.Request(kind, flags, BytesOf(&unix.IfInfomsg{}), of)
	if err != nil {
		t.Error(err)
	}
	for _, b := range answers {
		a, err := ParseAttrs(b[unix.SizeofIfInfomsg:])
		if err != nil {
			t.Error(err)
		}
		list = append(list, a.String(unix.IFLA_IFNAME))
	}
	return list
}

func TestRequest(t *testing.T) {
	inNetwork(t, func() {
		c, err := Open()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if err := c.CheckStrictly(); err != nil {
			t.Error(err)
		}
		var lo, none, change Attrs
		lo.AddString(unix.IFLA_IFNAME, "lo")
		none.AddString(unix.IFLA_IFNAME, "none")
		change.AddUint32(unix.IFLA_MTU, 1<<31)
		for range 3 {
			if got := names(t, c, unix.RTM_GETLINK, 0, lo); len(got) != 1 || got[0] != "lo" {
				t.Errorf("one: %q", got)
			}
			if got := names(t, c, unix.RTM_GETLINK, unix.NLM_F_DUMP, nil); len(got) == 0 {
				t.Error("no list")
			}
			if _, err := c.Request(unix.RTM_GETLINK, 0, BytesOf(&unix.IfInfomsg{}), none); !errors.Is(err, unix.ENODEV) {
				t.Error(err)
			}
			if _, err := c.Request(unix.RTM_NEWLINK, unix.NLM_F_ACK, BytesOf(&unix.IfInfomsg{Index: 1}), change); err == nil {
				t.Error("an MTU of 2 GiB")
			}
		}
		c.Close()
		c.Close()
		if _, err := c.Request(unix.RTM_GETLINK, 0, BytesOf(&unix.IfInfomsg{}), lo); !errors.Is(err, unix.EBADF) {
			t.Errorf("closed: %v", err)
		}
	})
}

// What another process sends is no answer, however well it fits and however
// long it is.
func TestOtherSender(t *testing.T) {
	inNetwork(t, func() {
		c, err := Open()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		other, err := Open()
		if err != nil {
			t.Error(err)
			return
		}
		defer other.Close()
		own, err := unix.Getsockname(c.fd)
		if err != nil {
			t.Error(err)
			return
		}
		for _, size := range []int{0, 4, 100_000} {
			m := message{kind: unix.NLMSG_ERROR, seq: c.seq + 1, data: make([]byte, size)}
			if err := unix.Sendto(other.fd, m.bytes(), 0, own); err != nil {
				t.Error(err)
			}
		}
		var lo Attrs
		lo.AddString(unix.IFLA_IFNAME, "lo")
		if got := names(t, c, unix.RTM_GETLINK, 0, lo); len(got) != 1 || got[0] != "lo" {
			t.Errorf("%q", got)
		}
	})
}
