package clone

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	command "os/exec"

	"golang.org/x/sys/unix"

	"ocibox/build/binary"
)

// Each argument comes to the kernel, and an errno back.
func TestKernel(t *testing.T) {
	if pid := kernel(unix.SYS_GETPID, 0, 0, 0, 0, 0, 0); pid != uintptr(os.Getpid()) {
		t.Errorf("getpid: %d, not %d", pid, os.Getpid())
	}
	if r, e := rawSyscall6(unix.SYS_CLOSE, ^uintptr(0), 0, 0, 0, 0, 0); e != unix.EBADF || r != ^uintptr(0) {
		t.Errorf("close(-1): %d, %v", r, e)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	offsets := [2]int64{1, 6}
	copyRange := func(flags uintptr) (uintptr, unix.Errno) {
		n, e := rawSyscall6(unix.SYS_COPY_FILE_RANGE, from.Fd(), uintptr(unsafe.Pointer(&offsets[0])), to.Fd(), uintptr(unsafe.Pointer(&offsets[1])), 3, flags)
		return n, e
	}
	if n, err := copyRange(1 << 20); err != unix.EINVAL {
		t.Errorf("copy_file_range with a flag: %d, %v", n, err)
	}
	n, errno := copyRange(0)
	data, err := os.ReadFile(path)
	if n != 3 || errno != 0 || err != nil || string(data) != "0123451239" || offsets != [2]int64{4, 9} {
		t.Errorf("copy_file_range: %d, %v, %q, %v", n, errno, data, offsets)
	}
}

// The same on every architecture, under emulation.
func TestKernelElsewhere(t *testing.T) {
	needsGo(t)
	for _, arch := range binary.Architectures {
		if arch == runtime.GOARCH {
			continue
		}
		t.Run(arch, func(t *testing.T) {
			emulator, err := command.LookPath(binary.Emulator(arch))
			if err != nil {
				t.Skipf("it takes Debian's qemu-user-static: %v", err)
			}
			test := filepath.Join(t.TempDir(), "test")
			goRun(t, []string{"GOARCH=" + arch, "CGO_ENABLED=0"}, "test", "-c", "-o", test, ".")
			line := []string{emulator, test}
			if arch == "386" { // QEMU's emulation of its threads fails with any Go program
				if line = line[1:]; runtime.GOARCH != "amd64" {
					t.Skip("it takes an amd64 kernel")
				}
			}
			out, err := command.Command(line[0], append(line[1:], "-test.run=^TestKernel$", "-test.v")...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestKernel ") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
