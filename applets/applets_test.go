package applets

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ocibox/applets/cli"
)

func call(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = Main(cli.Std{In: os.Stdin, Out: &o, Err: &e}, args)
	return status, o.String(), e.String()
}

func TestDispatch(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		out    string // begins with
		errs   string
	}{
		{[]string{"runc", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"/usr/sbin/runc", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"-runc", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"./runtime", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"ocibox", "runtime", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"something-else", "runc", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"recvtty", "--help"}, 0, "usage: recvtty ", ""},
		{[]string{"ocibox"}, 0, "usage: ocibox APPLET", ""},
		{nil, 0, "usage: ocibox APPLET", ""},
		{[]string{"ocibox", "--help"}, 0, "usage: ocibox APPLET", ""},
		{[]string{"ocibox", "--version"}, 0, "ocibox version " + cli.Version + "\nspec: ", ""},
		{[]string{"ocibox", "--list"}, 0, "runtime\nrunc\n", ""},
		{[]string{"ocibox", "nonesuch"}, 127, "", "ocibox: nonesuch: applet not found; there are: runtime runc "},
		{[]string{"ocibox", "state"}, 1, "", "runtime state: 0 operands given, 1 needed\nhint: "},
		{[]string{"ocibox", "--root", "/nonexistent/none", "state", "x"}, 1, "", "runtime state: x: container does not exist"},
		{[]string{"runc", "--nonesuch"}, 1, "", "runtime: command line: unknown flag: --nonesuch\nhint: "},
		{[]string{"runc", "nonesuch"}, 1, "", "runtime: nonesuch: no such command\nhint: "},
		{[]string{"runc", "state"}, 1, "", "runtime state: 0 operands given, 1 needed\nhint: "},
		{[]string{"runc", "state", "a", "b"}, 1, "", "runtime state: unexpected operand \"b\"\nhint: "},
	} {
		status, out, errs := call(c.args...)
		if status != c.status || !strings.HasPrefix(out, c.out) || !strings.HasPrefix(errs, c.errs) || c.out == "" && out != "" || c.errs == "" && errs != "" {
			t.Errorf("%q: status %d, %q, %q", c.args, status, out, errs)
		}
	}
}

func TestTable(t *testing.T) {
	n := Names()
	slices.Sort(n)
	if len(slices.Compact(n)) != len(Names()) {
		t.Error("a name stands for two applets")
	}
	for _, a := range table {
		if a.Name == "" || a.Summary == "" || a.Run == nil {
			t.Errorf("%+v is not whole", a)
		}
	}
}

func TestInstall(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range [][]string{{"-s"}, {}} {
		dir, err := os.MkdirTemp(filepath.Dir(self), "install") // hard links stay on one file system
		if err != nil {
			t.Skip("no folder beside the test binary: ", err)
		}
		defer os.RemoveAll(dir)
		args := append(append([]string{"ocibox", "--install"}, how...), dir)
		for range 2 { // what is there already is no error
			if status, out, errs := call(args...); status != 0 {
				t.Fatalf("%q: status %d, %s%s", args, status, out, errs)
			}
		}
		me, _ := os.Stat(self)
		for _, n := range Names() {
			st, err := os.Stat(filepath.Join(dir, n))
			if err != nil || !os.SameFile(st, me) {
				t.Errorf("%s does not lead to the binary: %v", n, err)
			}
		}
		// Another file of an applet's name is left alone.
		other := filepath.Join(dir, "recvtty")
		os.Remove(other)
		if err := os.WriteFile(other, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		if status, _, errs := call(args...); status != 1 || !strings.Contains(errs, "recvtty") {
			t.Errorf("over another file: status %d, %q", status, errs)
		}
		if data, _ := os.ReadFile(other); string(data) != "mine" {
			t.Error("another file was overwritten")
		}
	}
}
