package clone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// spawnShell has p run a script with what s says.
func spawnShell(p *Program, script string, s Spawned) *Insn {
	s.Path, s.Argv = "/bin/sh", []string{"sh", "-c", script}
	return p.Spawn(s)
}

// spawnOut runs a script as complete does, and gives its output.
func spawnOut(t *testing.T, script string, s Spawned, edit func(*Program)) (string, *Process) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := New()
	s.Out = p.Inherit("out")
	if edit != nil {
		edit(p)
	}
	spawnShell(p, script, s)
	pr := complete(t, p, FD{s.Out, fdOf(f)})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), pr
}

func TestSpawnStdin(t *testing.T) {
	long := strings.Repeat("long ", 100_000)
	got, pr := spawnOut(t, "cat", Spawned{Stdin: [2]string{"pid ", "!\n" + long}}, nil)
	if want := fmt.Sprintf("pid %d!\n%s", pr.Pid, long); got != want {
		t.Errorf("got %.60q of %d bytes, want %.60q of %d", got, len(got), want, len(want))
	}
}

// The pid is that of the child's own namespace.
func TestSpawnStdinInNamespace(t *testing.T) {
	got, _ := spawnOut(t, "cat", Spawned{}, func(p *Program) { newUser(t, p, unix.CLONE_NEWPID) })
	if got != "1" {
		t.Errorf("pid %q, want 1", got)
	}
}

func TestSpawnEnvironment(t *testing.T) {
	// The fields of a stat line are pid, name, state, parent, group, session.
	script := `echo "$A $B"; cd /proc/$$/fd; for fd in 3 4 5 6 7 8 9; do [ -e $fd ] && echo $fd; done; read pid x x x x session x < ../stat; [ $pid = $session ] && echo leader; while read line; do case $line in SigBlk*) echo "$line";; esac; done < ../status`
	got, _ := spawnOut(t, script, Spawned{Envp: []string{"A=b", "PATH=/usr/bin:/bin"}}, nil)
	if want := "b \nleader\nSigBlk:\t0000000000000000\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// Nothing of the child's is inherited, and what it preserves it keeps.
func TestSpawnDescriptors(t *testing.T) {
	for preserve := range 3 {
		got, _ := spawnOut(t, "cd /proc/$$/fd; for fd in 3 4 5 6 7 8 9 10 11 12; do [ -e $fd ] && echo $fd; done; true", Spawned{}, func(p *Program) {
			p.Preserve = preserve
			for range 4 { // not close-on-exec
				p.Call(unix.SYS_OPENAT, Cwd, p.Str("/"), Num(unix.O_PATH))
			}
		})
		if got != "" {
			t.Errorf("with %d to preserve, it inherits %q", preserve, got)
		}
	}
}

func TestSpawnFails(t *testing.T) {
	for _, c := range []struct {
		name, script, want string
		errno              unix.Errno
		timeout            int
	}{
		{name: "status", script: "exit 7", want: "spawn(/bin/sh): exit status 7"},
		{name: "signal", script: "kill -TERM $$", want: "spawn(/bin/sh): signal SIGTERM"},
		{name: "timeout", script: "sleep 1000 & sleep 1000", timeout: 1, want: "spawn(/bin/sh): has not ended within 1 s, and was killed", errno: unix.ETIMEDOUT},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w := pipe(t)
			p := New()
			out := p.Inherit("out")
			p.Begin("a.field", "")
			spawnShell(p, "true", Spawned{Timeout: 1000})
			spawnShell(p, c.script, Spawned{Timeout: c.timeout, Out: out, Err: out})
			_, err := reach(t, p, FD{out, fdOf(w)})
			f := failure(t, err)
			if f.Error() != c.want || f.Errno != c.errno || f.Step.Field != "a.field" {
				t.Errorf("%q, errno %v, step %v; want %q, %v", f, f.Errno, f.Step, c.want, c.errno)
			}
			w.Close()
			// Whoever else holds it has been killed.
			within("the end of its processes", func() { readAll(t, r) })
		})
	}
}

func TestSpawnNoProgram(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]unix.Errno{dir + "/none": unix.ENOENT, dir: unix.EACCES} {
		p := New()
		p.Spawn(Spawned{Path: path, Argv: []string{"x"}})
		_, err := reach(t, p)
		if got := errnoOf(t, err); got != want || failure(t, err).Call != "spawn("+path+")" {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

// A child that has no standard streams has programs that have an input.
func TestSpawnWithoutStreams(t *testing.T) {
	p := New()
	for fd := range 3 {
		p.Call(unix.SYS_CLOSE, Num(fd))
	}
	spawnShell(p, "read x && [ \"$x\" = ok ]", Spawned{Stdin: [2]string{"ok\n", ""}})
	_, err := reach(t, p)
	// There is nothing to be had for the other two.
	if got := errnoOf(t, err); got != 0 {
		t.Error(err)
	}
}

// A program that was spawned ends with the child that waits for it.
func TestSpawnDiesWithChild(t *testing.T) {
	r, w := pipe(t)
	p := New()
	out := p.Inherit("out")
	spawnShell(p, "echo here; exec sleep 1000", Spawned{Out: out})
	pr := start(t, p, FD{out, fdOf(w)})
	w.Close()
	if _, err := r.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pr.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within("the end of the spawned program", func() { readAll(t, r) })
}

func TestSpawnExplained(t *testing.T) {
	p := New()
	out := p.Inherit("log")
	p.Spawn(Spawned{Path: "/bin/a", Argv: []string{"a", "b c"}, Envp: []string{"X=1"}})
	p.Spawn(Spawned{Path: "/bin/b", Argv: []string{"b"}, Err: out, Timeout: 5})
	l := link(t, p)
	defer l.Close()
	for i, want := range []string{
		`close_range(3, CLOSE_RANGE_CLOEXEC)`, // once for both
		`spawn("/bin/a", ["a", "b c"], {1 variables})`,
		`spawn("/bin/b", ["b"], {0 variables}), standard error to $log, for at most 5 s`,
	} {
		if got := l.Explain()[1+i].Text; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
