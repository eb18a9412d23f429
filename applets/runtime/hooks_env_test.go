package runtime_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
	"ocibox/core/plan"
)

// hooked runs a container in the foreground with one hook of each kind, as edit
// changes them, and gives their reports by kind.
func hooked(t *testing.T, b *bundletest.Bundle, edit func(*specs.Spec, *specs.Hook)) map[string]bundletest.HookReport {
	t.Helper()
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("exit", "0")
		for _, kind := range plan.HookKinds() {
			h := hookKind(b, kind, kind)
			edit(s, &h)
			addHook(t, s, kind, h)
		}
	})
	b.Foreground()
	reports := map[string]bundletest.HookReport{}
	for _, r := range b.Hooked() {
		reports[r.Name] = r
	}
	if len(reports) != len(plan.HookKinds()) {
		t.Fatalf("only these hooks ran: %q", ran(b))
	}
	nothingLeft(t, b)
	return reports
}

// A hook has the arguments and the environment that it was given, and nothing
// else of the caller's.
func TestHookProcess(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		env := []string{"A=1", "B= 2 "}
		for kind, r := range hooked(t, b, func(_ *specs.Spec, h *specs.Hook) {
			h.Args[0] = "its own name"
			h.Env = env
		}) {
			if r.Args[0] != "its own name" || r.Args[len(r.Args)-1] != kind {
				t.Errorf("%s: arguments %q", kind, r.Args)
			}
			same(t, kind+": environment", r.Env, env)
			if len(r.FDs) != 3 {
				t.Errorf("%s: descriptors %v", kind, r.FDs)
			}
			for _, set := range []string{"SigBlk", "SigIgn"} {
				if strings.Trim(r.Status[set], "0") != "" {
					t.Errorf("%s: %s %s", kind, set, r.Status[set])
				}
			}
			if r.TTY || r.Session != r.Pid {
				t.Errorf("%s: process %d in session %d, terminal %v", kind, r.Pid, r.Session, r.TTY)
			}
		}
		b = bundletest.New(t, u)
		for kind, r := range hooked(t, b, func(*specs.Spec, *specs.Hook) {}) {
			if len(r.Env) != 0 {
				t.Errorf("%s: environment %q, none was given", kind, r.Env)
			}
		}
	})
}

// Where each kind runs, and as whom.
func TestHookPlace(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		reports := hooked(t, b, func(s *specs.Spec, _ *specs.Hook) {
			s.Process.Cwd = "/work"
			s.Process.User.Umask = new(uint32)
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}}
		})
		host := bundletest.Namespaces(os.Getpid())
		mounted := b.Path("proc") // seen from the host's root
		for kind, r := range reports {
			inner := kind == plan.CreateContainer || kind == plan.StartContainer
			for _, ns := range []string{"mnt", "pid", "uts", "ipc"} {
				if inner == (r.Namespaces[ns] == host[ns]) && r.Namespaces[ns] != "" {
					t.Errorf("%s: namespace %s, the host's is %s", kind, r.Namespaces[ns], host[ns])
				}
			}
			cwd, privileged, umask := b.Dir, true, r.Umask
			switch kind {
			case plan.CreateContainer:
				cwd, umask = b.Path(), 0o022
				if !slices.ContainsFunc(r.Mounts, func(m bundletest.Mount) bool { return m.Point == mounted && m.Type == "proc" }) && len(r.Mounts) > 0 {
					t.Errorf("%s: nothing is mounted at %s", kind, mounted)
				}
			case plan.StartContainer:
				cwd, privileged, umask = "/work", false, 0
				if got := r.Mount(t, "/proc").Type; got != "proc" {
					t.Errorf("%s: %s at /proc", kind, got)
				}
				if got := r.Status["CapBnd"]; got != "0000000000000020" {
					t.Errorf("%s: bounding set %s", kind, got)
				}
			}
			if r.Cwd != cwd || r.Umask != umask {
				t.Errorf("%s: working directory %s, umask %#o; want %s, %#o", kind, r.Cwd, r.Umask, cwd, umask)
			}
			if got := r.Status["CapEff"]; inner && got != "" && privileged == (got == "0000000000000000") {
				t.Errorf("%s: effective capabilities %s", kind, got)
			}
		}
	})
}

// A hook without arguments has its path as the first one; its path is found in
// the host's root, where the container has no such program.
func TestHookScript(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		script, log := b.Beside("script"), b.Path("log")
		b.File("/log", "", 0o666)
		if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $#\" >> "+log+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("exit", "0")
			for _, kind := range []string{plan.Prestart, plan.CreateContainer, plan.Poststop} {
				addHook(t, s, kind, specs.Hook{Path: script})
			}
		})
		b.Foreground()
		got, err := os.ReadFile(log)
		if want := strings.Repeat(script+" 0\n", 3); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	})
}

// A hook need not read what it is told, however long that is.
func TestHookUnread(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		hooked(t, b, func(s *specs.Spec, h *specs.Hook) {
			h.Args = append(h.Args, "unread")
			s.Annotations = map[string]string{"long": strings.Repeat("x", 1<<20)}
		})
	})
}

// Output of hooks goes where the caller's does, or to the files of the
// annotations.
func TestHookOutput(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		write := func(annotations map[string]string) {
			b.Write(func(s *specs.Spec) {
				s.Process.Args = b.Args("exit", "0")
				s.Annotations = annotations
				for _, kind := range plan.HookKinds() {
					addHook(t, s, kind, hookKind(b, kind, "out", "say", kind), hookKind(b, kind, "err", "exit", "0", kind))
				}
			})
		}
		all := strings.Join(plan.HookKinds(), "\n") + "\n"
		write(nil)
		r := b.Runtime("run", "--bundle", b.Dir, b.ID)
		if r.Status != 0 || r.Out != all || r.Err != all {
			t.Errorf("%+v", r)
		}
		out, err := b.Beside("out"), b.Beside("err")
		write(map[string]string{plan.HooksStdout: out, plan.HooksStderr: err})
		if got := b.Foreground(); got != "" {
			t.Errorf("output %q", got)
		}
		for _, path := range []string{out, err} {
			if got, err := os.ReadFile(path); err != nil || string(got) != all {
				t.Errorf("%s: %q, %v; want %q", filepath.Base(path), got, err, all)
			}
		}
	})
}

func TestBadHooks(t *testing.T) {
	zero, minus := 0, -1
	with := func(kind string, h specs.Hook) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) { addHook(t, s, kind, h) })
	}
	nowhere := map[string]string{plan.HooksStderr: "/not/there/file"}
	testBad(t, []bad{
		{name: "no path", edit: with(plan.Prestart, specs.Hook{}), want: []string{"hooks.prestart[0].path: is missing"}},
		{name: "relative path", edit: with(plan.Poststop, specs.Hook{Path: "bin/true"}), want: []string{`hooks.poststop[0].path: "bin/true" is not an absolute path`}},
		{name: "NUL in the path", edit: with(plan.Poststart, specs.Hook{Path: "/\x00"}), want: []string{"hooks.poststart[0].path", "NUL"}},
		{name: "NUL in args", edit: with(plan.CreateContainer, specs.Hook{Path: "/x", Args: []string{"a", "\x00"}}), want: []string{"hooks.createContainer[0].args[1]", "NUL"}},
		{name: "NUL in env", edit: with(plan.StartContainer, specs.Hook{Path: "/x", Env: []string{"\x00"}}), want: []string{"hooks.startContainer[0].env[0]", "NUL"}},
		{name: "timeout 0", edit: with(plan.CreateRuntime, specs.Hook{Path: "/x", Timeout: &zero}), want: []string{"hooks.createRuntime[0].timeout: 0 s is not more than zero"}},
		{name: "timeout below 0", edit: with(plan.Poststop, specs.Hook{Path: "/x", Timeout: &minus}), want: []string{"hooks.poststop[0].timeout: -1 s"}},
		{name: "prestart missing", edit: with(plan.Prestart, specs.Hook{Path: "/not/there"}), want: []string{"hooks.prestart[0]: /not/there: no such file or directory"}},
		{name: "createRuntime not a program", edit: with(plan.CreateRuntime, specs.Hook{Path: "/proc"}), want: []string{"hooks.createRuntime[0]: /proc: permission denied"}},
		{name: "createContainer missing", edit: with(plan.CreateContainer, specs.Hook{Path: "/not/there"}), want: []string{"hooks.createContainer[0]: spawn(/not/there): no such file or directory"}},
		{name: "file for output", edit: set(func(s *specs.Spec) {
			s.Annotations = nowhere
			addHook(t, s, plan.Prestart, specs.Hook{Path: "/bin/sh"})
		}), want: []string{"annotations " + plan.HooksStderr, "/not/there/file: no such file or directory"}},
		{name: "file for output inside", edit: set(func(s *specs.Spec) {
			s.Annotations = nowhere
			addHook(t, s, plan.StartContainer, specs.Hook{Path: "/bin/sh"})
		}), want: []string{"annotations " + plan.HooksStderr, "/not/there/file: no such file or directory"}},
	})
}

// Only start comes to what startContainer names.
func TestStartHookMissing(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) { addHook(t, s, plan.StartContainer, specs.Hook{Path: "/bin/sh"}) })
		b.Create()
		b.Fails([]string{"hooks.startContainer[0]: spawn(/bin/sh): no such file or directory"}, "start", b.ID)
		nothingLeft(t, b)
	})
}
