package clone

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// helperRuns runs a helper with files from descriptor 3 up and returns what it
// prints.
func helperRuns(t *testing.T, name string, env []string, files ...*os.File) string {
	t.Helper()
	cmd := helperCmd(t, name, env...)
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// descriptors prints the process's descriptors and what they refer to.
func descriptors() error {
	fds, err := listFDs(os.Getpid())
	for _, fd := range fds {
		if at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
			fmt.Println(fd, filepath.Base(at))
		}
	}
	return err
}

// The child, and what it executes, has no descriptor of the caller's but 0, 1,
// 2, those to preserve, and those that the program inherits.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	var kept []*os.File
	for i := range 3 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("kept%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		kept = append(kept, f)
	}
	for _, name := range []string{"secret", "inherited"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := helperRuns(t, "sweep", []string{"DIR=" + dir}, kept...)
	for _, want := range []string{"3 kept0\n", "4 kept1\n", "5 kept2\n", " inherited\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not among what is executed has:\n%s", want, out)
		}
	}
	if strings.Contains(out, "secret") {
		t.Errorf("what is executed has:\n%s", out)
	}
}

// sweepHelper has the descriptors to preserve from 3 up. It starts programs
// with a secret in many other places, and executes one at the end.
func sweepHelper() error {
	open := func(name string) (int, error) {
		return unix.Open(filepath.Join(os.Getenv("DIR"), name), unix.O_RDONLY, 0)
	}
	secret, err := open("secret")
	if err != nil {
		return err
	}
	const highest = 900
	for range 100 {
		if _, err := unix.FcntlInt(uintptr(secret), unix.F_DUPFD, 6+rand.IntN(highest)); err != nil {
			return err
		}
	}
	inherited, err := open("inherited")
	if err != nil {
		return err
	}
	for round := range 30 {
		p := New()
		p.Preserve = round % 4
		var regs []FD
		for range rand.IntN(5) {
			fd, err := unix.FcntlInt(uintptr(inherited), unix.F_DUPFD, 3+rand.IntN(highest))
			if err != nil {
				return err
			}
			regs = append(regs, FD{p.Inherit("fd"), fd})
		}
		if round%5 == 0 { // one of those to preserve, too
			regs = append(regs, FD{p.Inherit("fd"), 4})
		}
		if round%7 == 0 && len(regs) > 0 { // neighbours
			fd, err := unix.FcntlInt(uintptr(inherited), unix.F_DUPFD, regs[0].FD+1)
			if err != nil {
				return err
			}
			regs = append(regs, FD{p.Inherit("fd"), fd})
		}
		p.Rendezvous(false)
		l, err := p.Link()
		if err != nil {
			return err
		}
		pr, err := l.Start(regs...)
		if err != nil {
			return err
		}
		if err := pr.Next(); err != nil {
			return err
		}
		want := []int{0, 1, 2, int(l.Value(p.Sync))}
		for n := range p.Preserve {
			want = append(want, 3+n)
		}
		for _, f := range regs {
			want = append(want, f.FD)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		got, err := listFDs(pr.Pid)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the child has %v, want %v", got, want)
		}
		for _, f := range regs {
			if f.FD != 4 {
				unix.Close(f.FD)
			}
		}
		if err := pr.Kill(); err != nil {
			return err
		}
		pr.Release()
		l.Close()
	}
	p := New()
	p.Preserve = 3
	r := p.Inherit("fd")
	p.Exec([]string{"/proc/self/exe"}, []string{"x"}, helperEnviron("descriptors"))
	l, err := p.Link()
	if err != nil {
		return err
	}
	pr, err := l.Start(FD{r, inherited})
	if err != nil {
		return err
	}
	if err := pr.Next(); err != ErrExec {
		return err
	}
	_, err = pr.Wait()
	return err
}

// Where close_range(2) is refused, by a seccomp filter around us or an old
// kernel, that is told like any other failure.
func TestSweepRefused(t *testing.T) {
	if got := helperRuns(t, "no close_range", nil); got != "close_range(): function not implemented\n" {
		t.Errorf("got %q", got)
	}
}

func noCloseRange() error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const load, jumpIfEqual, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // nr of struct seccomp_data
		{Code: jumpIfEqual, Jf: 1, K: unix.SYS_CLOSE_RANGE},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); e != 0 {
		return e
	}
	p := New()
	l, err := p.Link()
	if err != nil {
		return err
	}
	pr, err := l.Start()
	if err != nil {
		return err
	}
	fmt.Println(pr.Next())
	return pr.Kill()
}

func TestCloneFails(t *testing.T) {
	before := openFDs(t, os.Getpid())
	for _, c := range []struct {
		flags uint64
		want  string
	}{
		{unix.CLONE_NEWUSER | unix.CLONE_FS, "clone3(CLONE_FS|CLONE_NEWUSER, SIGCHLD): invalid argument"},
		{unix.CLONE_NEWNS | unix.CLONE_FS, "clone3(CLONE_FS|CLONE_NEWNS, SIGCHLD): invalid argument"},
		{0x400000, "clone3(0x400000 /* CLONE_NEW??? */, SIGCHLD): invalid argument"}, // CLONE_DETACHED
	} {
		p := New()
		p.Flags = c.flags
		l := link(t, p)
		pr, err := l.Start()
		f := failure(t, err)
		if pr != nil || f.Errno != unix.EINVAL || f.Error() != c.want {
			t.Errorf("%v, want %s", f, c.want)
		}
		l.Close()
	}
	if after := openFDs(t, os.Getpid()); !slices.Equal(before, after) {
		t.Errorf("descriptors before %v, after %v", before, after)
	}
	childless(t)
}

// Nothing of a program is left once it is done with, however it went.
func TestSpawnsLeaveNothing(t *testing.T) {
	const spawns, noise = 1000, 20
	missing := filepath.Join(t.TempDir(), "missing")
	once := func(i int) {
		p := New()
		if i%2 == 0 {
			p.Fork(unix.CLONE_PARENT)
		}
		var want func(err error) bool
		switch i % 5 {
		case 0:
			p.Rendezvous(false)
			want = func(err error) bool { return err == nil }
		case 1:
			p.Exec([]string{missing}, []string{"x"}, nil)
			want = func(err error) bool { return errnoOf(t, err) == unix.ENOENT }
		case 2:
			p.Call(unix.SYS_CLOSE, Num(-1))
			want = func(err error) bool { return errnoOf(t, err) == unix.EBADF }
		case 3:
			want = func(err error) bool { return strings.HasSuffix(err.Error(), "(exit status 1)") }
		case 4:
			p.Flags = unix.CLONE_FS | unix.CLONE_NEWNS
		}
		l := link(t, p)
		defer l.Close()
		pr, err := l.Start()
		if want == nil {
			if err == nil {
				t.Error("a clone that cannot be")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer pr.Release()
		if err := pr.Next(); !want(err) {
			t.Errorf("program %d: %v", i%5, err)
		}
		if err := pr.Kill(); err != nil {
			t.Error(err)
		}
	}
	count := func() (fds, maps int) {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return len(openFDs(t, os.Getpid())), strings.Count(string(b), "\n")
	}
	for i := range 20 {
		once(i)
	}
	fds, maps := count()
	for i := range spawns {
		once(i)
	}
	childless(t)
	if fdsNow, mapsNow := count(); fdsNow > fds+noise || mapsNow > maps+noise {
		t.Errorf("%d descriptors and %d mappings before, %d and %d after", fds, maps, fdsNow, mapsNow)
	}
}

// The garbage collector runs and stacks move while processes are cloned.
func TestSpawnsUnderGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	stop := make(chan struct{})
	var noise sync.WaitGroup
	forever := func(f func()) {
		noise.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	var garbage [][]byte
	forever(runtime.GC)
	forever(func() { garbage = append(garbage[:len(garbage)%100], make([]byte, 10_000)) })
	for range 2 {
		forever(func() { deep(rand.IntN(2000)) })
	}
	defer noise.Wait()
	defer close(stop)

	src := newScene(t, "a/b/c", "d/", "l -> d/x").root
	dir := memDir(t)
	const workers, programs = 6, 300
	var work sync.WaitGroup
	next := make(chan int)
	for range workers {
		work.Go(func() {
			for i := range next {
				// On a stack as small as they come.
				err := make(chan error)
				go func() { err <- spawnOne(i, src, dir) }()
				if err := <-err; err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range programs {
		next <- i
	}
	close(next)
	work.Wait()
	childless(t)
}

// spawnOne runs a program that has something of everything.
func spawnOne(i int, src, dir string) error {
	p := New()
	from, to, pid, like := p.Reg("from"), p.Reg("to"), p.Reg("pid"), p.Reg("like")
	p.Call(unix.SYS_OPENAT, Cwd, p.Str(dir), Num(unix.O_PATH|unix.O_CLOEXEC)).Save(to)
	p.Call(unix.SYS_OPENAT, Cwd, p.Str(src), Num(unix.O_PATH|unix.O_CLOEXEC)).Save(from)
	p.OpenIn(from, "l/y", MakeLike, from, unix.O_PATH, 0o755, like)
	if i%2 == 0 {
		p.Fork(unix.CLONE_PARENT)
	}
	p.OpenIn(to, fmt.Sprint(i), MakeDir, 0, unix.O_PATH, 0o700, to)
	p.CopyTree(from, to)
	p.Call(unix.SYS_GETPID).Save(pid)
	p.Rendezvous(false)
	l, err := p.Link()
	if err != nil {
		return err
	}
	defer l.Close()
	pr, err := l.Start()
	if err != nil {
		return err
	}
	defer pr.Release()
	if err := pr.Next(); err != nil {
		pr.Kill()
		return err
	}
	if pr.value(pid) != pr.Pid {
		return fmt.Errorf("process %d says it is %d", pr.Pid, pr.value(pid))
	}
	return pr.Kill()
}

// deep makes its goroutine's stack grow.
func deep(n int) byte {
	var frame [256]byte
	if n == 0 {
		return frame[0]
	}
	return deep(n-1) + frame[n%len(frame)]
}
