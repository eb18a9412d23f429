package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestCheckID(t *testing.T) {
	for _, id := range []string{"a", "A-1_+.z", "...", "-", strings.Repeat("x", 255)} {
		if err := CheckID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "/", "../a", "a b", "a\x00", "a\n", "ä", "a:b", "\xff", strings.Repeat("x", 256)} {
		if err := CheckID(id); err == nil {
			t.Errorf("%q is taken", id)
		}
	}
}

// Nothing outside the state folder is reached by an id.
func TestIDsAreChecked(t *testing.T) {
	s := Store{Root: filepath.Join(t.TempDir(), "state")}
	for _, id := range []string{"..", "../x", ""} {
		if _, err := s.Load(id); err == nil {
			t.Errorf("load %q", id)
		}
		if _, err := s.make(id); err == nil {
			t.Errorf("make %q", id)
		}
		if err := s.Delete(id, true); err == nil {
			t.Errorf("delete %q", id)
		}
	}
	if _, err := os.Stat(s.Root); !os.IsNotExist(err) {
		t.Errorf("the state folder was made for them: %v", err)
	}
}

func made(t *testing.T, s Store, id string) *Container {
	t.Helper()
	c, err := s.make(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Unlock)
	return c
}

func TestMakeIsExclusive(t *testing.T) {
	s := Store{Root: filepath.Join(t.TempDir(), "deep", "state")}
	c := made(t, s, "id")
	if _, err := s.make("id"); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one: %v", err)
	}
	info, err := os.Stat(c.dir)
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("folder %v, %v", info.Mode(), err)
	}
	if _, err := s.Load("other"); !errors.Is(err, ErrUnknown) {
		t.Errorf("load of what is not there: %v", err)
	}
}

// Who waits for the lock is told what became of the container meanwhile.
func TestLockSeesWhatHappened(t *testing.T) {
	s := Store{Root: t.TempDir()}
	c := made(t, s, "id")
	type result struct {
		c   *Container
		err error
	}
	wait := func() <-chan result {
		got := make(chan result, 1)
		go func() {
			c, err := s.Lock("id")
			got <- result{c, err}
		}()
		return got
	}
	waiting := wait()
	c.Pid, c.StartTime = os.Getpid(), 1
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-waiting:
		t.Fatalf("locked twice: %+v", r)
	default:
	}
	c.Unlock()
	r := <-waiting
	if r.err != nil || r.c.Pid != os.Getpid() || r.c.ID != "id" {
		t.Fatalf("after a change: %+v", r)
	}
	waiting = wait()
	if err := r.c.remove(); err != nil {
		t.Fatal(err)
	}
	r.c.Unlock()
	if r := <-waiting; !errors.Is(r.err, ErrUnknown) {
		t.Errorf("after the removal: %+v", r)
	}
}

// While the state is written for the first time, and after a kill then, it is as none, or whole.
func TestFirstSave(t *testing.T) {
	for _, size := range []int{1, 100000} {
		s := Store{Root: t.TempDir()}
		c := made(t, s, "id")
		c.Bundle = strings.Repeat("b", size)
		done := make(chan error, 1)
		go func() {
			for {
				got, err := s.Load("id")
				switch {
				case err != nil:
					done <- err
					return
				case got.Bundle == c.Bundle:
					done <- nil
					return
				case got.Bundle != "" || got.ID != "id":
					done <- fmt.Errorf("read %.300q", got.Bundle)
					return
				}
			}
		}()
		if err := c.saveFirst(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := os.Truncate(filepath.Join(c.dir, stateFile), 0); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load("id"); err != nil || got.ID != "id" || got.Bundle != "" {
			t.Errorf("empty: %+v, %v", got, err)
		}
		if status, err := c.Status(); err != nil || status != specs.StateCreating {
			t.Errorf("empty: %s, %v", status, err)
		}
	}
}

func TestListIsInOrder(t *testing.T) {
	s := Store{Root: t.TempDir()}
	if list, err := (Store{Root: filepath.Join(s.Root, "none")}).List(); err != nil || list != nil {
		t.Errorf("no folder: %v, %v", list, err)
	}
	for i, id := range []string{"c", "a", "b"} {
		c := made(t, s, id)
		c.Pid, c.Created = 1, time.Unix(int64(i), 0)
		if err := c.save(); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List()
	var ids string
	for _, c := range list {
		ids += c.ID
	}
	if err != nil || ids != "cab" {
		t.Errorf("%s, %v", ids, err)
	}
}

func TestCheckInherited(t *testing.T) {
	if err := checkInherited("--preserve-fds", 3, 0); err != nil {
		t.Error(err)
	}
	if err := checkInherited("--preserve-fds", 3, -1); err == nil {
		t.Error("-1 is taken")
	}
	// Descriptors that Go opened are close-on-exec: nobody passed them.
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := checkInherited("--preserve-fds", 3, int(f.Fd())-2); err == nil {
		t.Errorf("%d is taken for the caller's", f.Fd())
	}
}

func TestSocketOfALongPath(t *testing.T) {
	s := Store{Root: filepath.Join(t.TempDir(), strings.Repeat("long/", 60))}
	c := made(t, s, strings.Repeat("i", maxID))
	fd, err := c.listen()
	if err != nil {
		t.Fatal(err)
	}
	if !c.waits() {
		t.Error("nobody listens")
	}
	unix.Close(fd)
	if c.waits() {
		t.Error("somebody listens")
	}
}

// The config.json that is kept is the one that was read.
func TestSpecIsKept(t *testing.T) {
	s := Store{Root: filepath.Join(t.TempDir(), "state")}
	c := made(t, s, "id")
	if _, err := c.Spec(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	if err := c.keep([]byte(`{"ociVersion": "1.3.0", "hostname": "h"}`)); err != nil {
		t.Fatal(err)
	}
	spec, err := c.Spec()
	if err != nil || spec.Hostname != "h" {
		t.Errorf("%+v, %v", spec, err)
	}
}
