package runtime_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
	"ocibox/core/plan"
)

// hookKind gives a bundle's hook of a kind, and where it is put.
func hookKind(b *bundletest.Bundle, kind, name string, words ...string) specs.Hook {
	if kind == plan.StartContainer {
		return b.InnerHook(name, words...)
	}
	return b.Hook(name, words...)
}

func hookList(t *testing.T, s *specs.Spec, kind string) *[]specs.Hook {
	t.Helper()
	if s.Hooks == nil {
		s.Hooks = &specs.Hooks{}
	}
	switch kind {
	case plan.Prestart:
		//lint:ignore SA1019 Docker still asks for it.
		return &s.Hooks.Prestart
	case plan.CreateRuntime:
		return &s.Hooks.CreateRuntime
	case plan.CreateContainer:
		return &s.Hooks.CreateContainer
	case plan.StartContainer:
		return &s.Hooks.StartContainer
	case plan.Poststart:
		return &s.Hooks.Poststart
	case plan.Poststop:
		return &s.Hooks.Poststop
	}
	t.Fatalf("%s is no kind of hook", kind)
	return nil
}

func addHook(t *testing.T, s *specs.Spec, kind string, h ...specs.Hook) {
	t.Helper()
	list := hookList(t, s, kind)
	*list = append(*list, h...)
}

// allHooks gives each kind two hooks, which only note that they ran.
func allHooks(t *testing.T, b *bundletest.Bundle, s *specs.Spec) {
	t.Helper()
	for _, kind := range plan.HookKinds() {
		for _, n := range []string{" 0", " 1"} {
			addHook(t, s, kind, hookKind(b, kind, kind+n))
		}
	}
}

// ran are the names of the hooks that ran, in order.
func ran(b *bundletest.Bundle) []string {
	var names []string
	for _, r := range b.Hooked() {
		names = append(names, r.Name)
	}
	return names
}

func wantRan(t *testing.T, b *bundletest.Bundle, want ...string) {
	t.Helper()
	if got := ran(b); !slices.Equal(got, want) {
		t.Errorf("hooks that ran: %q, want %q", got, want)
	}
}

// The order of all kinds, at which command each runs, and what each gets to
// know of the container.
func TestHooks(t *testing.T) {
	statuses := map[string]specs.ContainerState{
		plan.Prestart: specs.StateCreating, plan.CreateRuntime: specs.StateCreating, plan.CreateContainer: specs.StateCreating,
		plan.StartContainer: specs.StateCreated, plan.Poststart: specs.StateRunning, plan.Poststop: specs.StateStopped,
	}
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		annotations := map[string]string{"a": "\"pid\":1 \\ ü", "long": strings.Repeat("x", 200<<10)}
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("sleep")
			s.Annotations = annotations
			allHooks(t, b, s)
		})
		var want []string
		up := func(kinds ...string) {
			t.Helper()
			for _, k := range kinds {
				want = append(want, k+" 0", k+" 1")
			}
			wantRan(t, b, want...)
		}
		b.Create()
		up(plan.Prestart, plan.CreateRuntime, plan.CreateContainer)
		pid := b.Query().Pid
		b.Must("start", b.ID)
		up(plan.StartContainer, plan.Poststart)
		// What is in the bundle now is not the container's.
		mkfile(t, configPath(b), "gone")
		b.Must("delete", "--force", b.ID)
		up(plan.Poststop)
		nothingLeft(t, b)
		for _, r := range b.Hooked() {
			kind, _, _ := strings.Cut(r.Name, " ")
			s, wantPid := r.State, pid
			switch kind {
			case plan.CreateContainer, plan.StartContainer:
				wantPid = 1
			case plan.Poststop:
				wantPid = 0
			}
			if s.Status != statuses[kind] || s.Pid != wantPid || s.ID != b.ID || s.Bundle != b.Dir || s.Version != specs.Version {
				t.Errorf("%s: status %s, pid %d, id %s, bundle %s, version %s; want %s, %d", r.Name, s.Status, s.Pid, s.ID, s.Bundle, s.Version, statuses[kind], wantPid)
			}
			same(t, r.Name+": annotations", s.Annotations, annotations)
		}
	})
}

// run has all kinds too, in the foreground and detached.
func TestHooksOfRun(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("echo", "done")
			allHooks(t, b, s)
		})
		var want []string
		for _, kind := range plan.HookKinds() {
			want = append(want, kind+" 0", kind+" 1")
		}
		if got := b.Foreground(); got != "done\n" {
			t.Errorf("output %q", got)
		}
		wantRan(t, b, want...)
		nothingLeft(t, b)
		b.Detach()
		wantRan(t, b, append(slices.Clone(want), want[:10]...)...)
		b.Wait(specs.StateStopped)
		b.Must("delete", b.ID)
		wantRan(t, b, append(slices.Clone(want), want...)...)
		nothingLeft(t, b)
	})
}

// A hook that fails ends the container, and the poststop hooks run
// (runtime.md, "Lifecycle").
func TestHookFails(t *testing.T) {
	for _, kind := range plan.HookKinds() {
		if kind == plan.Poststop {
			continue
		}
		for place, name := range []string{"first", "second"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				bundletest.Each(t, func(t *testing.T, u bundletest.User) {
					for _, command := range []string{"start", "run", "run --detach"} {
						b := bundletest.New(t, u)
						bad := hookKind(b, kind, "bad", "exit", "3", "it", "went\nwrong")
						b.Write(func(s *specs.Spec) {
							s.Process.Args = b.Args("sleep")
							allHooks(t, b, s)
							(*hookList(t, s, kind))[place] = bad
						})
						failHook(t, b, kind, place, command, bad.Path)
					}
				})
			})
		}
	}
}

func failHook(t *testing.T, b *bundletest.Bundle, kind string, place int, command, path string) {
	t.Helper()
	var want []string
	for _, k := range plan.HookKinds() {
		want = append(want, k+" 0", k+" 1")
		if k == kind {
			want = append(want[:len(want)-2+place], "bad", "poststop 0", "poststop 1")
			break
		}
	}
	args := append(strings.Fields(command), "--bundle", b.Dir, b.ID)
	if command == "start" {
		args = []string{"create", "--bundle", b.Dir, b.ID}
		if kind == plan.StartContainer || kind == plan.Poststart {
			b.Create()
			args = []string{"start", b.ID}
		}
	}
	r := b.Runtime(args...)
	lines := strings.Split(strings.TrimSuffix(r.Err, "\n"), "\n")
	last := lines[len(lines)-1]
	words := []string{"hooks." + kind + "[" + string(rune('0'+place)) + "]: ", path, ": exit status 3"}
	if kind != plan.CreateContainer && kind != plan.StartContainer {
		words = append(words, ": wrong")
	}
	for _, w := range words {
		if !strings.Contains(last, w) {
			t.Errorf("%s: error %q does not hold %q", command, last, w)
		}
	}
	if r.Status != 1 {
		t.Errorf("%s: exit status %d", command, r.Status)
	}
	// What it wrote itself, to the caller's standard error or, at start, to
	// the container's.
	if kind != plan.StartContainer && !strings.HasPrefix(r.Err, "it went\nwrong\n") {
		t.Errorf("%s: standard error %q", command, r.Err)
	}
	wantRan(t, b, want...)
	nothingLeft(t, b)
}

// A program that is not there is found out about before a hook is run in the container.
func TestNoHookWithoutProgram(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = []string{"/bin/none"}
			addHook(t, s, plan.StartContainer, b.Hook("never"))
		})
		for _, command := range []string{"create", "run"} {
			b.Fails([]string{"process.args[0]: faccessat(/bin/none): no such file or directory"}, command, "--bundle", b.Dir, b.ID)
			nothingLeft(t, b)
			wantRan(t, b)
		}
	})
}

// A poststop hook that fails is a warning, and the others run.
func TestPoststopFails(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, command := range []string{"delete", "run"} {
			b := bundletest.New(t, u)
			b.Write(func(s *specs.Spec) {
				s.Process.Args = b.Args("exit", "0")
				addHook(t, s, plan.Poststop, b.Hook("bad", "exit", "4", "no"), specs.Hook{Path: "/not/there"}, b.Hook("good"))
			})
			args := []string{"delete", b.ID}
			if command == "run" {
				args = []string{"run", "--bundle", b.Dir, b.ID}
			} else {
				b.Create()
			}
			r := b.Runtime(args...)
			if r.Status != 0 {
				t.Errorf("%q: exit status %d", r.Args, r.Status)
			}
			for _, w := range []string{"warning: hooks.poststop[0]: ", ": exit status 4: no\n", "warning: hooks.poststop[1]: /not/there: no such file or directory\n"} {
				if !strings.Contains(r.Err, w) {
					t.Errorf("%q: standard error %q does not hold %q", r.Args, r.Err, w)
				}
			}
			wantRan(t, b, "bad", "good")
			nothingLeft(t, b)
		}
	})
}

// After its time a hook is killed, with what it has started.
func TestHookTimeout(t *testing.T) {
	for _, kind := range []string{plan.CreateRuntime, plan.CreateContainer, plan.StartContainer, plan.Poststart} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				b.Write(func(s *specs.Spec) {
					s.Process.Args = b.Args("sleep")
					// As long as the caller's PID namespace has them, they
					// only go when they are killed.
					dropNS(s, specs.PIDNamespace)
					s.Mounts[0] = specs.Mount{Destination: "/proc", Source: "/proc", Options: []string{"rbind"}}
					s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
					h, one, long := hookKind(b, kind, "hangs", "hang"), 1, 1000
					h.Timeout = &one
					good := hookKind(b, kind, "good")
					good.Timeout = &long
					addHook(t, s, kind, good, h)
				})
				r := b.Runtime("run", "--detach", "--bundle", b.Dir, b.ID)
				r.Out = "" // a container that ran has said that it is ready
				r.Fails(t, "hooks."+kind+"[1]: ", "has not ended within 1 s, and was killed")
				wantRan(t, b, "good", "hangs")
				bundletest.Until(t, "all processes to be gone", func() bool { return len(b.Processes()) == 0 })
				nothingLeft(t, b)
			})
		})
	}
}

// A signal ends a create that waits for a hook, and the hook.
func TestHookInterrupted(t *testing.T) {
	for _, kind := range []string{plan.CreateRuntime, plan.CreateContainer} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				b.Write(func(s *specs.Spec) {
					addHook(t, s, kind, hookKind(b, kind, "hangs", "hang"))
					addHook(t, s, plan.Poststop, b.Hook("poststop"))
				})
				c := b.Command("create", "--bundle", b.Dir, b.ID)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				bundletest.Until(t, "the hook to run", func() bool { return len(b.Processes()) >= 3 && len(ran(b)) == 1 })
				if err := c.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				c.End().Fails(t, "interrupted by SIGINT")
				wantRan(t, b, "hangs", "poststop")
				bundletest.Until(t, "all processes to be gone", func() bool { return len(b.Processes()) == 0 })
				nothingLeft(t, b)
			})
		})
	}
}

// A create that is killed leaves what delete --force needs to run the poststop
// hooks.
func TestHookAfterKill(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		second := 1
		h := b.Hook("hangs", "hang")
		h.Timeout = &second
		b.Write(func(s *specs.Spec) {
			addHook(t, s, plan.CreateContainer, h)
			addHook(t, s, plan.Poststop, b.Hook("poststop"))
		})
		c := b.Command("create", "--bundle", b.Dir, b.ID)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		bundletest.Until(t, "the hook to run", func() bool { return len(ran(b)) == 1 })
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		b.Must("delete", "--force", b.ID)
		list := b.Hooked()
		wantRan(t, b, "hangs", "poststop")
		if s := list[len(list)-1].State; s.Bundle != b.Dir || s.Status != specs.StateStopped {
			t.Errorf("the poststop hook got %+v", s)
		}
		// The child that has no parent any more ends when its hook has.
		bundletest.Until(t, "all processes to be gone", func() bool { return len(b.Processes()) == 0 })
		nothingLeft(t, b)
	})
}
