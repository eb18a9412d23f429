package clone

import (
	"bufio"
	"go/ast"
	"os"
	command "os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// childFiles hold the functions that the child runs.
var childFiles = []string{"call.go", "child.go", "open.go", "copy.go", "spawn.go", "image.go"}

const pkgPath = "ocibox/core/clone."

// childFuncs are the functions of childFiles, and whether each is sure to be
// in the object code under its own name.
func childFuncs(t *testing.T) map[string]bool {
	t.Helper()
	funcs := map[string]bool{}
	for _, name := range childFiles {
		for _, d := range parse(t, name).Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				funcs[f.Name.Name] = hasLine(f, "//go:noinline")
			}
		}
	}
	return funcs
}

func hasLine(f *ast.FuncDecl, line string) bool {
	return f.Doc != nil && slices.ContainsFunc(f.Doc.List, func(c *ast.Comment) bool { return c.Text == line })
}

// The source says what keeps instrumentation away, and imports nothing that
// there could be anything to call in.
func TestChildSource(t *testing.T) {
	for _, name := range childFiles {
		f := parse(t, name)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			for _, line := range []string{"//go:norace", "//go:nocheckptr"} {
				if !hasLine(fn, line) {
					t.Errorf("%s: %s lacks %s", name, fn.Name, line)
				}
			}
		}
		for _, i := range f.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains([]string{"syscall", "unsafe", "golang.org/x/sys/unix"}, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// What the compiler makes of the child's functions calls nothing but those
// functions themselves and kernel, which is assembly, refers to no variable, and fits the
// system stack of any thread. What looks for room and asks for more
// (runtime.morestack) is there, but finds it.
func TestChildCalls(t *testing.T) {
	needsGo(t)
	funcs := childFuncs(t)
	// The package's own flags are enough: no other's code is in its object.
	type build struct {
		name, arch string
		flags      []string
	}
	var builds []build
	for _, arch := range []string{"amd64", "arm64"} {
		builds = append(builds, build{arch, arch, nil}, build{arch + ", not optimized", arch, []string{"-gcflags=-N -l"}})
	}
	if _, err := command.LookPath("gcc"); err == nil && slices.Contains([]string{"amd64", "arm64"}, runtime.GOARCH) {
		builds = append(builds, build{"race detector", runtime.GOARCH, []string{"-race"}})
	}
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			cgo := "0"
			if slices.Contains(b.flags, "-race") {
				cgo = "1" // or there is no race detector
			}
			object := filepath.Join(t.TempDir(), "clone.a")
			goRun(t, []string{"GOARCH=" + b.arch, "CGO_ENABLED=" + cgo}, append(append([]string{"build"}, b.flags...), "-o", object, ".")...)
			checkRules(t, funcs, disassemble(t, object))
		})
	}
}

// needsGo skips the test where there is no go tool that can be used.
func needsGo(t *testing.T) {
	t.Helper()
	gotool, err := command.LookPath("go")
	if err != nil {
		t.Skipf("it takes the go tool: %v", err)
	}
	cache, err := command.Command(gotool, "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	if dir := strings.TrimSpace(string(cache)); unix.Access(dir, unix.W_OK) == unix.EACCES {
		t.Skipf("it takes the go tool, whose cache %s belongs to somebody else", dir)
	}
}

func goRun(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := command.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, stderr.String())
	}
	return string(out)
}

// code is a function's object code as far as the rules go.
type code struct {
	file  string
	calls []string // what it calls, "?" where that is in a register
	refs  []string // what else it refers to
	frame int
}

var (
	textLine  = regexp.MustCompile(`^TEXT (.*)\(SB\) (.*)$`)
	relocTo   = regexp.MustCompile(`\]R_(\w+):([^\s\[<]*(?:\[go\.shape)?)`)
	callInsn  = regexp.MustCompile(`\t(CALL|BL)\s`)
	frameInsn = regexp.MustCompile(`\t(?:SUBQ \$(-?\w+), SP|ADDQ \$(-\w+), SP|MOVD\.W R30, -(\w+)\(RSP\)|SUB \$(\w+), RSP, (?:RSP|R20))\s`)
	// arm64's large frames come in two instructions.
	largeFrame  = regexp.MustCompile(`\tMOVD \$(\w+), R27\s`)
	largeFrame2 = regexp.MustCompile(`\tSUB R27, RSP, (?:RSP|R20)\s`)
)

// disassemble gives the functions of this package in an object file by name,
// the instances of a generic one as one.
func disassemble(t *testing.T, object string) map[string]*code {
	t.Helper()
	all := map[string]*code{}
	var at *code
	var large []string
	lines := bufio.NewScanner(strings.NewReader(goRun(t, nil, "tool", "objdump", object)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := textLine.FindStringSubmatch(line); m != nil {
			name, types, _ := strings.Cut(strings.TrimPrefix(m[1], pkgPath), "[")
			if at = nil; types != "" && !strings.HasPrefix(types, "go.shape.") {
				continue // for those who do not know which shape to call
			}
			if at = all[name]; at == nil {
				at = &code{file: filepath.Base(m[2])}
				all[name] = at
			}
			continue
		}
		if at == nil {
			continue
		}
		m := relocTo.FindStringSubmatch(line)
		switch isCall := callInsn.MatchString(line); {
		case m != nil && (isCall || strings.HasPrefix(m[1], "CALL")):
			at.calls = append(at.calls, m[2])
		case m != nil:
			at.refs = append(at.refs, m[2])
		case isCall:
			at.calls = append(at.calls, "?")
		}
		if m := largeFrame.FindStringSubmatch(line); m != nil {
			large = m
		}
		m = frameInsn.FindStringSubmatch(line)
		if largeFrame2.MatchString(line) {
			m = large
		}
		if m != nil {
			n, err := strconv.ParseInt(strings.Join(m[1:], ""), 0, 0)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			at.frame = max(at.frame, int(max(n, -n)))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

const (
	// A frame's return address and saved frame pointer, and more.
	perCall = 32
	// What the linker lets kernel have: nosplit.
	nosplit = 800
)

var jumpTable = regexp.MustCompile(`\.jump\d+$`)

func checkRules(t *testing.T, funcs map[string]bool, all map[string]*code) {
	own := func(symbol string) (string, bool) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(symbol, "[go.shape"), pkgPath)
		_, known := funcs[name]
		return name, ok && known
	}
	sum := nosplit
	for name, f := range all {
		if _, known := funcs[name]; !known {
			if slices.Contains(childFiles, f.file) {
				t.Errorf("%s is in %s, and no function that is declared there", name, f.file)
			}
			continue
		}
		leaf := true
		for _, to := range f.calls {
			if _, ok := own(to); !ok && to != pkgPath+"kernel" && !strings.HasPrefix(to, "runtime.morestack") {
				t.Errorf("%s calls %s", name, to)
			}
			leaf = leaf && strings.HasPrefix(to, "runtime.morestack")
		}
		for _, to := range f.refs {
			if !strings.HasPrefix(to, pkgPath+".dict.") && (!jumpTable.MatchString(to) || name == "step") {
				t.Errorf("%s refers to %s", name, to)
			}
		}
		if !leaf && f.frame == 0 {
			t.Errorf("%s has no frame that this test can see", name)
		}
		sum += f.frame + perCall
	}
	for name, there := range funcs {
		if there && all[name] == nil {
			t.Errorf("%s is not in the object file", name)
		}
	}
	// With each function on the stack once at most.
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if slices.Contains(path, name) {
			t.Errorf("%s calls itself through %v", name, path)
			return
		}
		if all[name] == nil {
			return
		}
		for _, to := range all[name].calls {
			if next, ok := own(to); ok {
				visit(next, append(path, name))
			}
		}
	}
	visit("run", nil)
	if sum > stackRoom*3/4 {
		t.Errorf("all of them take %d bytes of stack, and there are %d", sum, stackRoom)
	}
	t.Logf("%d bytes of stack", sum)

	f := all["forkOnSystemStack"]
	if f == nil {
		t.Error("forkOnSystemStack is not in the object file")
		return
	}
	for _, to := range f.calls {
		if !slices.Contains([]string{pkgPath + "rawSyscall6", pkgPath + "run", pkgPath + "advise"}, to) && !strings.HasPrefix(to, "runtime.morestack") {
			t.Errorf("forkOnSystemStack calls %s", to)
		}
	}
	for _, to := range f.refs {
		if !strings.HasPrefix(to, pkgPath+"forking") {
			t.Errorf("forkOnSystemStack refers to %s", to)
		}
	}
}
