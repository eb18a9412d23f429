package applets

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ocibox/applets/cli"
)

// asOcibox tells the test binary to be the program.
const asOcibox = "APPLETS_TEST_AS_OCIBOX"

func TestMain(m *testing.M) {
	if os.Getenv(asOcibox) != "" {
		// It stays: the runtime executes itself once more, core/seal.
		os.Exit(Main(cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args))
	}
	os.Exit(m.Run())
}

// installed gives a folder with the program under its names, and with a state
// folder that has two containers.
func installed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range append(Names(), "ocibox") {
		if err := os.Symlink(self, filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"first", "second"} {
		if err := os.MkdirAll(filepath.Join(dir, "state", id), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"some file", "some-folder/x"} {
		path := filepath.Join(dir, "here", f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shell runs a script with the program on PATH, and gives its lines.
func shell(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = filepath.Join(dir, "here")
	cmd.Env = []string{asOcibox + "=1", "PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "TERM=dumb"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

// A typed is a command line, of which the last word is to be completed, and
// what it may become: exactly want.
type typed struct {
	words []string
	want  []string
}

func lines(state string) []typed {
	root := "--root=" + state
	return []typed{
		{[]string{"ocibox", "rec"}, []string{"recvtty"}},
		{[]string{"ocibox", "runtime", "sta"}, []string{"start", "state"}},
		{[]string{"runc", "cr"}, []string{"create"}},
		{[]string{"runc", "create", "--no-"}, []string{"--no-new-keyring", "--no-pivot", "--no-subreaper"}},
		{[]string{"runc", "list", "-f", ""}, []string{"json", "table"}},
		{[]string{"runc", "list", "--format", "j"}, []string{"json"}},
		{[]string{"runc", root, "state", ""}, []string{"first", "second"}},
		{[]string{"runc", root, "kill", "--all", "f"}, []string{"first"}},
		{[]string{"runc", root, "kill", "first", "TE"}, []string{"TERM"}},
		{[]string{"runc", "spec", "--namespace", "ne"}, []string{"network"}},
		{[]string{"runc", "spec", "--cap", "CAP_SYS_AD"}, []string{"CAP_SYS_ADMIN"}},
		{[]string{"recvtty", "-m", "nu"}, []string{"null"}},
		{[]string{"unshare", "--propagation", "s"}, []string{"shared", "slave"}},
		{[]string{"nsenter", "--state=" + state, "--container", "f"}, []string{"first"}},
		{[]string{"ocibox", "completion", ""}, []string{"bash", "fish", "zsh"}},
	}
}

func sorted(words []string) []string {
	slices.Sort(words)
	return words
}

// What the program answers is what the shells are given to show.
func TestComplete(t *testing.T) {
	dir := installed(t)
	for _, l := range append(lines(dir+"/state"),
		typed{[]string{"runc", "list", "--format="}, []string{"--format=json", "--format=table"}},
		typed{[]string{"runc", "nonesuch", ""}, nil},
		typed{[]string{"runc", "--nonesuch", "create", "--no-p"}, []string{"--no-pivot"}},
		typed{[]string{"runc", "kill", "--", "x", "-"}, nil},
		typed{[]string{"runc", "kill", "x", "TERM", ""}, nil},
		typed{[]string{"runc", "create", "--bundle", ""}, []string{":dirs"}},
		typed{[]string{"runc", "create", "-bsome", "--pid-file", ""}, []string{":files"}},
		typed{[]string{"rootfs", ""}, []string{":dirs"}},
		typed{[]string{"runc", "--debug=f"}, []string{"--debug=false"}},
		typed{[]string{"ocibox", "nonesuch", ""}, nil},
		typed{[]string{"runc"}, nil},
		typed{[]string{"unshare", "-m", "--map-r"}, []string{"--map-root-user"}},
		typed{[]string{"unshare", "-mw/", "ls", "--map-r"}, nil},
		typed{[]string{"nsenter", "-n", "-t"}, nil},
		typed{[]string{"nsenter", "--ne"}, []string{"--net", "--net-socket"}},
	) {
		status, out, errs := call(append([]string{l.words[0], completeWord}, l.words[1:]...)...)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if status != 0 || errs != "" || !slices.Equal(sorted(got), l.want) {
			t.Errorf("%q: status %d, %q, %s; want %q", l.words, status, got, errs, l.want)
		}
	}
}

// script writes a shell's script, and skips the test where there is no such
// shell.
func script(t *testing.T, dir, name string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip("no ", name, " here")
	}
	status, out, errs := call("ocibox", "completion", name)
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	path := filepath.Join(dir, "script")
	if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	shell(t, dir, name, "-n", path)
	return path
}

func TestBash(t *testing.T) {
	dir := installed(t)
	path := script(t, dir, "bash")
	// Bash takes "=" for a word of its own; what comes is what goes behind it.
	for _, l := range append(lines(dir+"/state"),
		typed{[]string{"runc", "list", "--format", "="}, []string{"json", "table"}},
		typed{[]string{"runc", "list", "--format", "=", "js"}, []string{"json"}},
		typed{[]string{"runc", "--root", "=", dir + "/state", "state", "s"}, []string{"second"}},
		typed{[]string{"runc", "create", "--bundle", "s"}, []string{"some-folder"}},
		typed{[]string{"runc", "create", "--pid-file", "some"}, []string{"some file", "some-folder"}},
		typed{[]string{"runc", "create", "--pid-file", "=", "some-"}, []string{"some-folder"}},
		typed{[]string{"./../runc", "cr"}, []string{"create"}},
		typed{[]string{"~/runc", "cr"}, []string{"create"}},
	) {
		const complete = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ocibox; printf '%s\n' "${COMPREPLY[@]}"`
		if got := shell(t, dir, append([]string{"bash", "-c", complete, "bash", path}, l.words...)...); !slices.Equal(sorted(got), l.want) {
			t.Errorf("%q: %q, want %q", l.words, got, l.want)
		}
	}
	registered := strings.Join(shell(t, dir, "bash", "-c", `source "$1"; complete -p`, "bash", path), "\n")
	for _, n := range append(Names(), "ocibox") {
		if !strings.Contains(registered, "_ocibox "+n) {
			t.Errorf("%s is not completed: %s", n, registered)
		}
	}
}

func TestFish(t *testing.T) {
	dir := installed(t)
	path := script(t, dir, "fish")
	for _, l := range append(lines(dir+"/state"),
		typed{[]string{"runc", "list", "--format=j"}, []string{"--format=json"}},
		typed{[]string{"runc", "create", "--bundle", "some"}, []string{"some-folder/"}},
		typed{[]string{"runc", "create", "--bundle=some-"}, []string{"--bundle=some-folder/"}},
	) {
		var got []string
		for _, line := range shell(t, dir, "fish", "-c", "source $argv[1]; complete -C $argv[2]", path, strings.Join(l.words, " ")) {
			word, _, _ := strings.Cut(line, "\t")
			got = append(got, word)
		}
		if !slices.Equal(sorted(got), l.want) {
			t.Errorf("%q: %q, want %q", l.words, got, l.want)
		}
	}
}

// Zsh completes in its line editor only: what the function hands over to it is
// looked at instead.
func TestZsh(t *testing.T) {
	dir := installed(t)
	path := script(t, dir, "zsh")
	const complete = `
		compdef() { :; }
		_describe() { print -rl -- ${candidates%%:*}; }
		_files() { print -r -- ":files $*"; }
		compset() { :; }
		file=$1; shift
		source $file
		words=("$@") CURRENT=$# PREFIX=${@[-1]}
		_ocibox`
	for _, l := range append(lines(dir+"/state"),
		typed{[]string{"runc", "list", "--format=j"}, []string{"--format=json"}},
		typed{[]string{"runc", "create", "--bundle", "some"}, []string{":files -/"}},
		typed{[]string{"runc", "create", "--pid-file", "some"}, []string{":files "}},
		typed{[]string{"~/runc", "cr"}, []string{"create"}},
	) {
		if got := shell(t, dir, append([]string{"zsh", "-f", "-c", complete, "zsh", path}, l.words...)...); !slices.Equal(sorted(got), l.want) {
			t.Errorf("%q: %q, want %q", l.words, got, l.want)
		}
	}
}

func TestBadCompletion(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "ocibox completion: 0 operands given, 1 needed\n"},
		{[]string{"csh"}, "ocibox completion: csh: there is no script for that shell; there are: bash zsh fish\n"},
		{[]string{"--nonesuch", "bash"}, "ocibox completion: command line: unknown flag: --nonesuch\n"},
	} {
		status, out, errs := call(append([]string{"ocibox", "completion"}, c.args...)...)
		if status != 1 || out != "" || !strings.HasPrefix(errs, c.want) {
			t.Errorf("%q: status %d, %q, %q", c.args, status, out, errs)
		}
	}
}
