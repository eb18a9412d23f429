package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// helperEnv makes the test binary execute its arguments in the network namespace
// of that name.
const helperEnv = "OCIBOX_NETNS_TEST"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		os.Unsetenv(helperEnv)
		fmt.Fprintln(os.Stderr, Exec(name, os.Args[1:], os.Environ(), func(w string) { fmt.Fprintln(os.Stderr, w) }))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// executed is a command that executes a program there.
func executed(t *testing.T, name string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", argv...)
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	return cmd
}

// own says whether the test has a network and a mount namespace to itself, with
// an empty /run and an empty /etc/netns.
func own(t *testing.T) bool {
	t.Helper()
	if !bundletest.OwnNetwork(t) {
		return false
	}
	bundletest.Tmpfs(t, "/run")
	return true
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names are those that are there, sorted.
func names(t *testing.T) []string {
	t.Helper()
	list, err := Names()
	must(t, err)
	slices.Sort(list)
	return list
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// process starts one that ends with the test, in a namespace of its own.
func process(t *testing.T, flags uintptr, script string) (cmd *exec.Cmd, in io.Writer, out io.Reader) {
	t.Helper()
	cmd = exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, stdin, stdout
}

func TestNames(t *testing.T) {
	if !own(t) {
		return
	}
	same(t, "without the directory", names(t), []string{})
	must(t, Add("one"))
	must(t, Add("with blank\n"))
	same(t, "names", names(t), []string{"one", "with blank\n"})
	here, err := identity(processFile(0))
	must(t, err)
	one, err := identity(file("one"))
	must(t, err)
	two, err := identity(file("with blank\n"))
	must(t, err)
	if one == two || one == here || two == here {
		t.Errorf("here %v, one %v, two %v", here, one, two)
	}
	if after, err := identity(processFile(0)); err != nil || after != here {
		t.Errorf("this is another namespace now: %v, %v", after, err)
	}
	if err := Add("one"); !errors.Is(err, os.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	cmd, _, _ := process(t, unix.CLONE_NEWNET, "read line")
	pid := cmd.Process.Pid
	must(t, Attach("its", pid))
	got, err := NamesOf(pid)
	same(t, "names of the process", got, []string{"its"})
	must(t, err)
	got, err = NamesOf(0)
	same(t, "names of the own", got, []string{})
	must(t, err)
	pids, err := Pids("its")
	same(t, "processes", pids, []int{pid})
	must(t, err)
	pids, err = Pids("one")
	same(t, "processes", pids, []int{})
	must(t, err)
	for _, name := range []string{"one", "its", "with blank\n"} {
		must(t, Delete(name))
	}
	same(t, "in the end", names(t), []string{})
}

// What is added or deleted shows up in other mount namespaces.
func TestShared(t *testing.T) {
	if !own(t) {
		return
	}
	must(t, Add("first"))
	_, in, out := process(t, unix.CLONE_NEWNS, "while read path; do stat -f -c %T $path 2>/dev/null || echo none; done")
	seen := func(what, want string) {
		t.Helper()
		fmt.Fprintln(in, file("second"))
		buf := make([]byte, 100)
		n, err := out.Read(buf)
		must(t, err)
		same(t, what, strings.TrimSpace(string(buf[:n])), want)
	}
	must(t, Add("second"))
	seen("added", "nsfs")
	must(t, Delete("second"))
	seen("deleted", "none")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if n := strings.Count(string(mounts), " "+Dir+" "); n != 1 {
		t.Errorf("%s is mounted %d times:\n%s", Dir, n, mounts)
	}
}

func TestBad(t *testing.T) {
	if !own(t) {
		return
	}
	must(t, Add("there"))
	must(t, os.WriteFile(file("plain"), nil, 0o600))
	must(t, os.Mkdir(file("dir"), 0o700))
	_, exited := exec.Command("false").CombinedOutput()
	gone := exited.(*exec.ExitError).Pid()
	for what, err := range map[string]error{
		"empty":            Add(""),
		"dot":              Add("."),
		"dots":             Add(".."),
		"slash":            Add("a/b"),
		"NUL":              Add("a\x00b"),
		"long":             Add(strings.Repeat("x", 256)),
		"there":            Add("there"),
		"attach there":     Attach("there", os.Getpid()),
		"gone":             Attach("new", gone),
		"attach slash":     Attach("../x", os.Getpid()),
		"delete none":      Delete("none"),
		"delete slash":     Delete("../run"),
		"delete dots":      Delete(".."),
		"delete empty":     Delete(""),
		"delete directory": Delete("dir"),
		"open plain":       second(Open("plain")),
		"open none":        second(Open("none")),
		"open slash":       second(Open("../netns/there")),
		"pids none":        second(Pids("none")),
		"pids slash":       second(Pids("../netns/there")),
		"names of gone":    second(NamesOf(gone)),
		"find none":        second(Find("none")),
		"find empty":       second(Find("")),
		"find gone":        second(Find(fmt.Sprint(gone))),
		"find negative":    second(Find("-1")),
		"find much":        second(Find("99999999999")),
		"exec none":        Exec("none", []string{"true"}, nil, nil),
		"exec plain":       Exec("plain", []string{"true"}, nil, nil),
		"exec no program":  Exec("there", []string{"/none"}, nil, nil),
		"exec directory":   Exec("there", []string{"/"}, nil, nil),
	} {
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "names", names(t), []string{"dir", "plain", "there"})
	must(t, Delete("plain"))
}

func second[T any](_ T, err error) error { return err }

// Of what the kernel refuses, no name remains.
func TestRefused(t *testing.T) {
	if !own(t) {
		return
	}
	const limit = "/proc/sys/user/max_net_namespaces"
	ids, err := os.ReadFile("/proc/self/uid_map")
	must(t, err)
	if strings.Contains(string(ids), "4294967295") {
		t.Skip("the limit of the whole machine is not this test's")
	}
	must(t, os.WriteFile(limit, []byte("0"), 0))
	if err := Add("one"); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("above the limit: %v", err)
	}
	same(t, "names", names(t), []string{})
}

func TestFind(t *testing.T) {
	if !own(t) {
		return
	}
	cmd, _, _ := process(t, unix.CLONE_NEWNET, "read line")
	number := fmt.Sprint(cmd.Process.Pid)
	for word, want := range map[string]string{"./x": "./x", "/proc/1/ns/net": "/proc/1/ns/net", number: processFile(cmd.Process.Pid)} {
		path, err := Find(word)
		same(t, word, path, want)
		must(t, err)
	}
	must(t, Add(number))
	path, err := Find(number)
	same(t, "a name goes before a pid", path, file(number))
	must(t, err)
}

func TestWatch(t *testing.T) {
	if !own(t) {
		return
	}
	must(t, Add("zero"))
	changes, enough := make(chan Change, 10), errors.New("enough")
	ended := make(chan error)
	go func() {
		ended <- Watch(func(c Change) error {
			changes <- c
			if c.Gone {
				return enough
			}
			return nil
		})
	}()
	// Until the first shows that somebody is watching.
	for i := 0; len(changes) == 0; i++ {
		must(t, Add(fmt.Sprint("try", i)))
		time.Sleep(10 * time.Millisecond)
	}
	must(t, Add("a name"))
	must(t, Delete("a name"))
	if err := <-ended; err != enough {
		t.Error(err)
	}
	close(changes)
	var last []Change
	for c := range changes {
		last = append(last, c)
	}
	same(t, "changes", last[len(last)-2:], []Change{{"a name", false}, {"a name", true}})
}

// What is executed sees the namespace in /sys, has its files in /etc, and
// leaves the caller's mounts as they are.
func TestExec(t *testing.T) {
	if !own(t) {
		return
	}
	bundletest.Veth(t, "v0", "v1")
	bundletest.Tmpfs(t, "/etc")
	must(t, Add("one"))
	must(t, os.MkdirAll("/etc/netns/one/dir", 0o755))
	must(t, os.Mkdir("/etc/dir", 0o755))
	for path, text := range map[string]string{"hosts": "old", "netns/one/hosts": "new", "netns/one/dir/in": "in", "netns/one/none": "x", "netns/one/odd": "x", "target": "old", "netns/one/link": "linked"} {
		must(t, os.WriteFile(filepath.Join("/etc", path), []byte(text+"\n"), 0o644))
	}
	must(t, os.Mkdir("/etc/odd", 0o755))
	must(t, os.Symlink("target", "/etc/link"))
	before, err := os.ReadFile("/proc/thread-self/mountinfo")
	must(t, err)
	script := `ls /sys/class/net; cat /etc/hosts /etc/dir/in /etc/link; echo $A; echo $0; readlink /proc/self/ns/net; echo $$; cat <&3; kill -USR1 $$`
	r, w, err := os.Pipe()
	must(t, err)
	w.WriteString("inherited\n")
	w.Close()
	cmd := executed(t, "one", "sh", "-c", script, "zero")
	cmd.Env = append(cmd.Env, "A=x y")
	cmd.ExtraFiles = []*os.File{r}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != unix.SIGUSR1 {
		t.Errorf("%v, want the signal", err)
	}
	id, err := identity(file("one"))
	must(t, err)
	same(t, "output", stdout.String(), fmt.Sprintf("lo\nnew\nin\nlinked\nx y\nzero\nnet:[%d]\n%d\ninherited\n", id.Ino, cmd.Process.Pid))
	same(t, "warnings", stderr.String(), "/etc/netns/one/none is not bound over /etc/none: move_mount(/etc/none): no such file or directory\n"+
		"/etc/netns/one/odd is not bound over /etc/odd: move_mount(/etc/odd): invalid argument\n")
	state, err := Run("one", []string{"sh", "-c", `[ "$A$(readlink /proc/self/ns/net)" = "b` + fmt.Sprintf("net:[%d]", id.Ino) + `" ] && exit 7`}, append(os.Environ(), "A=b"), func(string) {})
	must(t, err)
	same(t, "exit status", state.ExitCode(), 7)
	after, err := os.ReadFile("/proc/thread-self/mountinfo")
	must(t, err)
	same(t, "mounts of the caller", string(after), string(before))
	if now, err := NamesOf(0); err != nil || len(now) != 0 {
		t.Errorf("the caller is in the namespace %q, %v", now, err)
	}
}
