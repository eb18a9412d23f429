package plan

import (
	"encoding/json"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// filtered is a config.json with a filter, which has a listener if notify.
func filtered(noNewPrivs, notify bool) *specs.Spec {
	s := bare(specs.LinuxNamespace{Type: specs.PIDNamespace})
	s.Process.NoNewPrivileges = noNewPrivs
	s.Process.User.UID = 5
	s.Linux.Seccomp = &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86, specs.ArchAARCH64},
		Flags:         []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog},
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"mount", "osf_mount", "breakpoint"}, Action: specs.ActErrno}},
	}
	if notify {
		s.Linux.Seccomp.Syscalls = append(s.Linux.Seccomp.Syscalls, specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.ActNotify})
		s.Annotations = map[string]string{seccompReceiver: "/run/agent"}
	}
	return s
}

func seccompGoldens() []golden {
	target := &Target{Joins: unix.CLONE_NEWPID, RootFS: "/proc/7/root"}
	const arch = "amd64"
	return []golden{
		{name: "seccomp", in: Input{Spec: filtered(true, false), Host: root}, goarch: arch},
		{name: "seccomp-privileged", in: Input{Spec: filtered(false, false), Host: root}, goarch: arch},
		{name: "seccomp-listener", in: Input{Spec: filtered(true, true), Host: root}, goarch: arch},
		{name: "seccomp-listener-privileged", in: Input{Spec: filtered(false, true), Host: root}, goarch: arch},
		{name: "seccomp-exec", in: Input{Spec: filtered(true, true), Host: root}, target: target, goarch: arch},
		{name: "seccomp-exec-privileged", in: Input{Spec: filtered(false, true), Host: root}, target: target, goarch: arch},
	}
}

// What the agent is told has room, whatever the pids and the annotations are.
func TestListenerState(t *testing.T) {
	s := filtered(true, true)
	s.Annotations["quote"] = strings.Repeat("\"\n", 5000)
	s.Linux.Seccomp.ListenerPath, s.Linux.Seccomp.ListenerMetadata = "/agent", "for the agent"
	state := specs.State{Version: "1.0.0", ID: "id", Status: specs.StateRunning, Pid: 4194304, Bundle: "/b", Annotations: s.Annotations}
	p, err := Exec(Input{Spec: s, Host: root}, Target{State: state})
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Program.Link()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := p.Listener.Fill(l, 4194303); err != nil {
		t.Error(err)
	}
	text, err := p.Listener.text(4194303)
	if err != nil {
		t.Fatal(err)
	}
	var got specs.ContainerProcessState
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Pid != 4194303 || got.State.Pid != 4194304 || got.State.Status != specs.StateRunning || got.Metadata != "for the agent" ||
		len(got.Fds) != 1 || got.Fds[0] != "seccompFd" || got.State.Annotations["quote"] != s.Annotations["quote"] {
		t.Errorf("%+v", got)
	}
	if p.Listener.Path != "/agent" || p.Listener.Field != "linux.seccomp.listenerPath" {
		t.Errorf("%+v: the annotation goes before the field", p.Listener)
	}
}
