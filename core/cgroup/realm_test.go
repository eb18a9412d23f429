package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// layout is how a test's mount namespace has cgroups.
type layout string

const (
	v2     layout = "v2"
	v1     layout = "v1"
	hybrid layout = "hybrid"
	bare   layout = "none"
)

// realm runs a test in a mount and a cgroup namespace, whose root is a cgroup of
// the test's own making in each hierarchy: it can do what it likes there, and
// sees nothing else. The caller itself is in the cgroup /self.
func realm(t *testing.T, l layout, body func(t *testing.T)) {
	t.Helper()
	switch os.Getenv("OCIBOX_REALM") {
	case t.Name():
		body(t)
	case "enter " + t.Name():
		if err := enterRealm(l, os.Getenv("OCIBOX_REALM_NAME")); err != nil {
			t.Fatal(err)
		}
		os.Setenv("OCIBOX_REALM", t.Name())
		t.Fatal(unix.Exec("/proc/self/exe", os.Args, os.Environ()))
	default:
		startRealm(t, l)
	}
}

func startRealm(t *testing.T, l layout) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount cgroups")
	}
	h, err := Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	if l == v2 && h.Unified == nil {
		t.Skip("needs cgroup version 2 on this host")
	}
	trees := realmTrees(h)
	if (l == v1 || l == hybrid) && len(trees) < 2 {
		t.Skip("needs hierarchies of cgroup version 1 on this host")
	}
	name := fmt.Sprintf("ocibox-test-%d", os.Getpid())
	for _, tree := range trees {
		if err := os.Mkdir(filepath.Join(tree.Mount, name), 0o755); errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) {
			t.Skip("needs cgroups that can be written to: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
		defer endRealm(t, filepath.Join(tree.Mount, name))
	}
	args := []string{"-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$", "-test.timeout=60s", "-test.v=" + fmt.Sprint(testing.Verbose())}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "OCIBOX_REALM=enter "+t.Name(), "OCIBOX_REALM_NAME="+name)
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("in the realm: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case testing.Verbose():
		t.Logf("%s", out)
	}
}

// endRealm removes a realm's cgroup, in which nothing is to be left.
func endRealm(t *testing.T, dir string) {
	left, err := subdirs(dir)
	if err != nil {
		t.Error(err)
	}
	for _, d := range left {
		if filepath.Base(d) != "self" {
			t.Errorf("the test left the cgroup %s", d)
		}
	}
	pids, err := pidsBelow(dir)
	if err != nil || len(pids) > 0 {
		t.Errorf("the test left the processes %v (%v)", pids, err)
		for _, pid := range pids {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	if err := remove(dir); err != nil {
		t.Error(err)
	}
}

// realmTrees are the hierarchies of the host that a realm takes part in: not
// those of version 1 where somebody has put the caller into a cgroup.
func realmTrees(h Host) []Tree {
	var trees []Tree
	for _, tree := range h.Legacy {
		if tree.Own == tree.Mount {
			trees = append(trees, tree)
		}
	}
	if h.Unified != nil {
		trees = append(trees, *h.Unified)
	}
	return trees
}

func enterRealm(l layout, name string) error {
	h, err := Probe(true)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // until exec
	trees := realmTrees(h)
	join := func(tree Tree, below string) error {
		dir := filepath.Join(tree.Mount, below)
		if tree.Version == 1 && tree.Controllers[0] == "cpuset" {
			if err := inheritSets(dir); err != nil {
				return err
			}
		}
		return write(dir+"/cgroup.procs", "0")
	}
	for _, tree := range trees {
		if err := join(tree, name); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP | unix.CLONE_NEWNS); err != nil {
		return err
	}
	for _, tree := range trees {
		if err := os.Mkdir(filepath.Join(tree.Mount, name, "self"), 0o755); err != nil {
			return err
		}
		if err := join(tree, name+"/self"); err != nil {
			return err
		}
	}
	return mountRealm(l, trees)
}

func mountRealm(l layout, trees []Tree) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if l == v2 {
		return unix.Mount("cgroup2", mountPoint, "cgroup2", 0, "")
	}
	if err := unix.Mount("tmpfs", mountPoint, "tmpfs", 0, "mode=755"); err != nil || l == bare {
		return err
	}
	for _, tree := range trees {
		words := strings.Join(tree.Controllers, ",")
		dir, kind := filepath.Join(mountPoint, strings.TrimPrefix(words, "name=")), "cgroup"
		if tree.Version == 2 {
			if l == v1 {
				continue
			}
			dir, kind, words = mountPoint+"/unified", "cgroup2", ""
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(kind, dir, kind, 0, words); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return nil
}

// host is the realm's own.
func host(t *testing.T) Host {
	t.Helper()
	h, err := Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// made is a group that was made in the realm, and that the test removes.
func made(t *testing.T, r Request) *Group {
	t.Helper()
	r.Privileged = true
	g, _, err := New(host(t), r)
	if err != nil || g == nil {
		t.Fatalf("New: %+v, %v", g, err)
	}
	if _, err := g.Make(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// put moves a process into a group.
func put(t *testing.T, g *Group, pid int) {
	t.Helper()
	for _, dir := range g.Dirs() {
		if err := write(dir+"/cgroup.procs", fmt.Sprint(pid)); err != nil {
			t.Fatal(err)
		}
	}
}
