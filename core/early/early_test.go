package early

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/build/binary"
)

// program builds testdata/program as the binary is built, for an architecture.
func program(t *testing.T, arch string, flags []string) string {
	t.Helper()
	gotool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("it takes the go tool: %v", err)
	}
	bin := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command(gotool, append(append([]string{"build"}, flags...), "-o", bin, "./testdata/program")...)
	cmd.Env = append(os.Environ(), "GOEXPERIMENT="+binary.Experiment(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "permission denied") {
			t.Skipf("the go tool's cache belongs to somebody else: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// tell runs the program and gives what it says, by the first word of the line.
func tell(t *testing.T, env []string, args ...string) map[string]string {
	t.Helper()
	cmd := exec.Cmd{Path: args[0], Args: args, Env: env}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q with %q: %v\n%s", args, env, err, out)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		told[name] = value
	}
	return told
}

func TestEntry(t *testing.T) {
	bin := program(t, runtime.GOARCH, binary.Flags)
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("%q", fmt.Sprint(slack, err, list(&all)))
	many := []string{}
	for n := range 3000 {
		many = append(many, fmt.Sprintf("V%d=%s", n, strings.Repeat("x", n%50)))
	}
	for _, env := range [][]string{{}, {"A=1"}, {"A=1", "B="}, {"=", "", "A"}, {"GOMAX=1", "PROCS=2"}, many} {
		for _, args := range [][]string{{bin}, {bin, ""}, {bin, "a", "b c"}} {
			told := tell(t, env, args...)
			want := map[string]string{"procs": "1", "before": `"1"`, "args": fmt.Sprintf("%q", args), "env": fmt.Sprintf("%q", plain(env)), "slack": own, "child": own, "elsewhere": twice(own), "none": "false"}
			if slices.Contains(env, "A=1") {
				want["A"] = `"1"`
			}
			if os.Geteuid() == 0 {
				want["monitor"] = `"5000000"`
			}
			want["processors"], want["stayed"] = "1", `""`
			want["pinned"] = strconv.Quote("1 1 " + unquote(own) + " " + list(&all))
			for name, value := range want {
				if told[name] != value {
					t.Errorf("%q with %.300q: %s %.300s, want %.300s", args, env, name, told[name], value)
				}
			}
		}
	}
	// Who asks for more gets that, and keeps the variable.
	for _, env := range [][]string{{"GOMAXPROCS=2"}, {"A=1", "GOMAXPROCS=2", "B=3"}} {
		told := tell(t, env, bin)
		if told["procs"] != "2" || told["env"] != fmt.Sprintf("%q", env) || told["slack"] != own {
			t.Errorf("with %q: %v", env, told)
		}
	}
	// The limit on open files is what it was, and raised as by any Go program; the runtime
	// has opened nothing, but what is missing of the standard files.
	for shell, want := range map[string]string{
		`exec "$0" limits`:                          "500 500 true\nnow 500",
		`ulimit -Sn 300; exec "$0" limits`:          "300 500 true\nnow 499",
		`ulimit -Sn 300; exec "$0" limits <&- 2>&-`: "300 500 true\nnow 499",
		`ulimit -Sn 2; exec "$0" limits`:            "2 500 true\nnow 499",
	} {
		out, err := exec.Command("/bin/sh", "-c", "ulimit -n 500; "+shell, bin).Output()
		if want = "nofile " + want + " <nil>\nopen 3\nprofile 0\n"; string(out) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", shell, out, err, want)
		}
	}
	// Who was given a processor has that one.
	runtime.LockOSThread() // whose end is that of its affinity
	var last unix.CPUSet
	for cpu := range 1024 {
		if all.IsSet(cpu) {
			last.Zero()
			last.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &last); err != nil {
		t.Fatal(err)
	}
	given := fmt.Sprintf("%q", fmt.Sprint(slack, err, list(&last)))
	for range 20 {
		if told := tell(t, nil, bin); told["slack"] != given || told["child"] != given || told["elsewhere"] != twice(given) {
			t.Fatalf("on %s: %v", list(&last), told)
		}
	}
	if err := unix.SchedSetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	runtime.UnlockOSThread()
	// What it executes of itself keeps what is a thread's, on whatever thread it is.
	runtime.LockOSThread() // whose end would be the parent's
	cmd := exec.Cmd{Path: bin, Args: []string{bin, "again"}, Env: []string{"A=1"}, SysProcAttr: &syscall.SysProcAttr{Pdeathsig: unix.SIGUSR1}}
	out, err := cmd.CombinedOutput()
	runtime.UnlockOSThread()
	if want := fmt.Sprintf("death %d <nil>\nslack %s\nprocs 1\n", unix.SIGUSR1, own); string(out) != want {
		t.Errorf("executed again: %q, %v; want %q", out, err, want)
	}
	// Without the entry it is as any Go program.
	plainly := program(t, runtime.GOARCH, nil)
	if told := tell(t, []string{"A=1"}, plainly); told["before"] != `""` || told["env"] != `["A=1"]` || told["child"] != own || told["elsewhere"] != twice(own) {
		t.Errorf("built without it: %v", told)
	}
}

// unquote is a literal's string, and twice that string again.
func unquote(literal string) string {
	text, err := strconv.Unquote(literal)
	if err != nil {
		panic(err)
	}
	return text
}

func twice(literal string) string {
	return strconv.Quote(unquote(literal) + " " + unquote(literal))
}

// list has the processors of a set.
func list(set *unix.CPUSet) (text string) {
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			text += fmt.Sprint("+", cpu)
		}
	}
	return text
}

// plain is what package os makes of an environment.
func plain(env []string) []string {
	list := []string{}
	for _, v := range env {
		if v != "" {
			list = append(list, v)
		}
	}
	return list
}

// What runs before the Go runtime calls and refers to nothing but its like, in what the compiler
// makes of it for any architecture.
func TestBegin(t *testing.T) {
	gotool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("it takes the go tool: %v", err)
	}
	own := map[string]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), "begin.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		own[fn.Name.Name] = true
		for _, line := range []string{"//go:nosplit", "//go:norace", "//go:nocheckptr"} {
			if fn.Doc == nil || !slices.ContainsFunc(fn.Doc.List, func(c *ast.Comment) bool { return c.Text == line }) {
				t.Errorf("%s lacks %s", fn.Name, line)
			}
		}
	}
	function := regexp.MustCompile(`^TEXT ocibox/core/(early|nofile)\.([\w.]+)\(SB\)`)
	refers := regexp.MustCompile(`\]R_\w+:([^\s<\[+]+)`)
	variables := regexp.MustCompile(`^ocibox/core/(early\.(own|slack|pinned|processors|one|variable|stack|assignment)|nofile\.(limit|lowered))$`)
	for _, arch := range binary.Architectures {
		t.Run(arch, func(t *testing.T) {
			seen := 0
			for _, dir := range []string{".", "../nofile"} {
				object := filepath.Join(t.TempDir(), "object.a")
				build := exec.Command(gotool, "build", "-o", object, dir)
				build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
				if out, err := build.CombinedOutput(); err != nil {
					if strings.Contains(string(out), "permission denied") {
						t.Skipf("the go tool's cache belongs to somebody else: %s", out)
					}
					t.Fatalf("%v\n%s", err, out)
				}
				text, err := exec.Command(gotool, "tool", "objdump", object).Output()
				if err != nil {
					t.Fatal(err)
				}
				in := ""
				for line := range strings.Lines(string(text)) {
					if strings.HasPrefix(line, "TEXT ") {
						in = ""
						if m := function.FindStringSubmatch(line); m != nil && (own[m[2]] || m[2] == "Lower") {
							in = m[2]
							seen++
						}
					}
					m := refers.FindStringSubmatch(line)
					if in == "" || m == nil {
						continue
					}
					name, local := strings.CutPrefix(m[1], "ocibox/core/early.")
					switch {
					case local && own[name], variables.MatchString(m[1]):
					case slices.Contains([]string{"syscall.RawSyscall6", "ocibox/core/nofile.Lower", "runtime.MemProfileRate"}, m[1]):
					default:
						t.Errorf("%s refers to %s", in, m[1])
					}
				}
			}
			if seen < 5 {
				t.Errorf("only %d functions were found", seen)
			}
		})
	}
}

// Nobody asks package os for the environment, or has it pass that on.
func TestEnvironment(t *testing.T) {
	asks := regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ|ExpandEnv)\(|\bsyscall\.(Getenv|Environ)\(`)
	starts := regexp.MustCompile(`\bexec\.(Command|CommandContext)\(|\bexec\.Cmd\{|\bos\.ProcAttr\{`)
	n := 0
	for _, top := range []string{"../../applets", "../../core"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains([]string{"early", "bundletest", "dbustest", "testdata"}, d.Name()):
				return filepath.SkipDir
			case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			data, err := os.ReadFile(path)
			n++
			if at := asks.Find(data); at != nil {
				t.Errorf("%s: %s: this package has it", path, at)
			}
			if starts.Match(data) && !regexp.MustCompile(`\bEnv\b`).Match(data) {
				t.Errorf("%s starts a program without saying with which environment", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 100 {
		t.Errorf("only %d files were looked at", n)
	}
}

// Each architecture's starts, under emulation.
func TestArchitectures(t *testing.T) {
	for _, arch := range binary.Architectures {
		t.Run(arch, func(t *testing.T) {
			if arch == "386" {
				t.Skip("QEMU's emulation of its threads fails with any Go program; it is run as such by scripts/test")
			}
			emulator, err := exec.LookPath(binary.Emulator(arch))
			if err != nil {
				t.Skipf("it takes Debian's qemu-user-static: %v", err)
			}
			bin := program(t, arch, binary.Flags)
			limited := []string{"/bin/sh", "-c", `ulimit -n 500; ulimit -Sn 300; exec "$0" "$1" limits`, emulator, bin}
			if told := tell(t, nil, limited...); told["nofile"] != "300 500 true" || told["now"] != "499 <nil>" || told["profile"] != "0" {
				t.Errorf("with a limit of 300: %v", told)
			}
			for set, want := range map[string]string{"A=1": "1", "GOMAXPROCS=2": "2"} {
				told := tell(t, nil, emulator, "-E", set, bin, "x", "y z")
				if told["procs"] != want || !strings.HasPrefix(told["pinned"], `"1 1 `) || told["before"] != fmt.Sprintf("%q", want) || !strings.Contains(told["args"], `"x" "y z"]`) ||
					strings.Contains(told["env"], "GOMAXPROCS=1") || !strings.Contains(told["env"], `"`+set+`"`) {
					t.Errorf("with %s: %v", set, told)
				}
			}
		})
	}
}
