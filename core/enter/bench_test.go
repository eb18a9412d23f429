package enter_test

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkEnter gives the time from the start to the end of "true", run by
// unshare and by nsenter, in that of util-linux: both by turns, the medians. The
// program has to be there as it is released: OCIBOX names it.
func BenchmarkEnter(b *testing.B) {
	program := os.Getenv("OCIBOX")
	if program == "" {
		b.Skip("OCIBOX is not set: a binary that scripts/build made")
	}
	target := exec.Command("/bin/sleep", "600")
	target.SysProcAttr = &syscall.SysProcAttr{Cloneflags: allNew}
	if os.Geteuid() != 0 {
		target.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	}
	if err := target.Start(); err != nil {
		b.Skip(err)
	}
	defer func() {
		target.Process.Kill()
		target.Wait()
	}()
	pid := strconv.Itoa(target.Process.Pid)
	for _, c := range []struct {
		name, tool string
		args       []string
	}{
		{"unshare -rmnpf", "unshare", []string{"-r", "-m", "-n", "-p", "-f"}},
		{"unshare -ru", "unshare", []string{"-r", "-u"}},
		{"nsenter -a", "nsenter", []string{"-t", pid, "-a", "--preserve-credentials"}},
		{"nsenter -n", "nsenter", []string{"-t", pid, "-n", "-U", "--preserve-credentials"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			theirs := peer(b, c.tool)
			if os.Geteuid() == 0 {
				c.args = slices.DeleteFunc(c.args, func(a string) bool { return a == "-U" })
			}
			run := func(args ...string) time.Duration {
				cmd := exec.Command(args[0], append(append(args[1:], c.args...), "/bin/true")...)
				at := time.Now()
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%q: %v: %s", cmd.Args, err, out)
				}
				return time.Since(at)
			}
			var a, z []time.Duration
			for b.Loop() {
				a = append(a, run(program, c.tool))
				z = append(z, run(theirs))
			}
			slices.Sort(a)
			slices.Sort(z)
			b.ReportMetric(float64(a[len(a)/2])/float64(z[len(z)/2]), "x")
			b.ReportMetric(0, "ns/op")
		})
	}
}
