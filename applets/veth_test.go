package applets

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocibox/core/bundletest"
)

// A container that was created and not started yet is wired up by its name.
func TestVethOfContainer(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: ", err)
	}
	if !bundletest.OwnNetwork(t) {
		return
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rootfs/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs/bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	// Their cgroups have their names.
	box, plain := fmt.Sprint("veth-box-", os.Getpid()), fmt.Sprint("veth-plain-", os.Getpid())
	ocibox := func(args ...string) (string, error) {
		cmd := exec.Command(exe, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), asOcibox+"=1")
		// A file: a pipe would stay open as long as the container.
		file, err := os.Create(filepath.Join(dir, "output"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.Stdout, cmd.Stderr = file, file
		err = cmd.Run()
		out, e := os.ReadFile(file.Name())
		if e != nil {
			t.Fatal(e)
		}
		return string(out), err
	}
	must := func(line string) string {
		t.Helper()
		out, err := ocibox(strings.Fields(strings.NewReplacer("DIR", dir, "BOX", box).Replace(line))...)
		if err != nil {
			t.Fatalf("%s: %v, %s", line, err, out)
		}
		return out
	}
	must("runtime spec --rootless --no-terminal --namespace network -- /bin/busybox ip addr show net0")
	if out, err := ocibox("runtime", "--root", dir+"/state", "create", "--pid-file", dir+"/pid", box); err != nil {
		t.Skipf("this machine lets no such container be made: %v, %s", err, out)
	}
	defer ocibox("runtime", "--root", dir+"/state", "delete", "--force", box)
	must("veth add host0 --peer net0 --root DIR/state --container BOX --addr 10.0.0.10/24 --peer-addr 10.0.0.20/24 --up")
	if out := must("veth show --root DIR/state"); !strings.Contains(out, "\n  net0 ") || !strings.Contains(out, "container "+box) || !strings.Contains(out, "10.0.0.20/24") {
		t.Error(out)
	}
	pid, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	if out := must("pstree-lite --containers --root DIR/state -p " + string(pid)); !strings.Contains(out, fmt.Sprintf("(%s) <%s>\n", pid, box)) {
		t.Errorf("pstree --containers: %q", out)
	}
	for line, want := range map[string]string{
		"veth add a0 --peer net0 --root DIR/state --container BOX": "there is a network device net0 already, where the peer is to be",
		"veth add a0 --peer b0 --root DIR/none --container BOX":    box + ": container does not exist",
	} {
		if out, err := ocibox(strings.Fields(strings.NewReplacer("DIR", dir, "BOX", box).Replace(line))...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, %s", line, err, out)
		}
	}
	must("runtime --root DIR/state delete --force BOX")
	// The kernel takes a namespace apart behind everybody's back.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if out := must("veth show"); out == "" {
			break
		} else if time.Now().After(end) {
			t.Fatalf("with the container, its device did not go: %s", out)
		}
	}

	must("runtime spec --rootless --no-terminal --file plain.json -- /bin/busybox sleep 1000")
	if out, err := ocibox("runtime", "--root", dir+"/state", "create", "--config", "plain.json", plain); err != nil {
		t.Fatal(err, out)
	}
	defer ocibox("runtime", "--root", dir+"/state", "delete", "--force", plain)
	out, err := ocibox("veth", "add", "a0", "--peer", "b0", "--root", dir+"/state", "--container", plain)
	if err == nil || !strings.HasPrefix(out, "veth add: container "+plain+" has no network namespace of its own\nhint: ") {
		t.Error(err, out)
	}
}
