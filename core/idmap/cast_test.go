package idmap

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// The end-to-end tests have a cast of three, all of them this test binary:
// the test starts a "writer" as some user, the writer starts a "child" in a new
// user namespace without maps, plans and writes its maps, and lets it report.
// A "stage" comes before the writer where its surroundings have to be changed.
const roleEnv, stageEnv = "IDMAP_TEST_ROLE", "IDMAP_TEST_STAGE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "stage":
		err = playStage()
	case "writer":
		err = playWriter()
	case "child":
		err = playChild()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(roleEnv)+":", err)
		os.Exit(1)
	}
}

// scene is what the writer is to do.
type scene struct {
	UID, GID []specs.LinuxIDMapping
	Self     *Self  // in place of Current, for a plan that does not fit
	Paths    *Paths // in place of DefaultPaths
	Child    string // "", "dead", "undumpable", "no namespace"
	Twice    bool   // write the maps a second time, and report that
	Allow    bool   // do not deny setgroups, though the plan says so
}

// outcome is what the writer reports.
type outcome struct {
	NoUserns                  string // why no child could be had
	Err, Field, Hint          string
	Direct                    [2]bool // uid, gid
	InitialUserns             bool    // of the writer
	UIDMap, GIDMap, Setgroups string  // as the child sees them
}

func playWriter() error {
	var s scene
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return err
	}
	var o outcome
	o.InitialUserns, _ = InInitialUserns()
	child := exec.Command("/proc/self/exe")
	child.Env = []string{roleEnv + "=child", "CHILD=" + s.Child}
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.Child != "no namespace" {
		child.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	}
	in, _ := child.StdinPipe()
	out, _ := child.StdoutPipe()
	runtime.LockOSThread() // for Pdeathsig
	if err := child.Start(); err != nil {
		o.NoUserns = err.Error()
		return json.NewEncoder(os.Stdout).Encode(o)
	}
	said := bufio.NewReader(out)
	if _, err := said.ReadString('\n'); err != nil {
		return fmt.Errorf("child not ready: %w", err)
	}
	if s.Child == "dead" {
		child.Process.Kill()
		child.Process.Wait()
	}

	self := Current()
	if s.Self != nil {
		self = *s.Self
	}
	p, err := For(s.UID, s.GID, self)
	if s.Paths != nil {
		p.Paths = *s.Paths
	}
	if s.Allow {
		p.DenySetgroups = false
	}
	if err == nil {
		err = p.Write(child.Process.Pid)
	}
	if err == nil && s.Twice {
		err = p.Write(child.Process.Pid)
	}
	o.Direct = [2]bool{!p.UID.Helper, !p.GID.Helper}
	if err != nil {
		o.Err, o.Hint = err.Error(), fault.Hint(err)
		for _, path := range []string{fmt.Sprint("/proc/", child.Process.Pid), fmt.Sprint("process ", child.Process.Pid)} {
			o.Err = strings.ReplaceAll(o.Err, path, strings.TrimRight(path, "0123456789")+"N")
			o.Hint = strings.ReplaceAll(o.Hint, path, strings.TrimRight(path, "0123456789")+"N")
		}
		var e *fault.Error
		if errors.As(err, &e) {
			o.Field = e.Field
		}
	}
	if s.Child != "dead" {
		in.Close()
		report, _ := io.ReadAll(said)
		for _, dst := range []*string{&o.UIDMap, &o.GIDMap, &o.Setgroups} {
			line, rest, _ := bytes.Cut(report, []byte("\n"))
			*dst, report = string(line), rest
		}
		child.Wait()
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}

// playChild says that it is there, waits for the end of its input, and says
// what it sees, a line each.
func playChild() error {
	if os.Getenv("CHILD") == "undumpable" {
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, f := range []string{"uid_map", "gid_map", "setgroups"} {
		b, _ := os.ReadFile("/proc/self/" + f)
		fmt.Println(oneLine(strings.TrimSpace(string(b))))
	}
	return nil
}

// stage is what changes before the writer; all but NoNewPrivs takes root.
type stage struct {
	UID, GID   int               // of the writer, unless 0
	Bind       map[string]string // what to bind over which path
	Nosuid     string            // folder to remount nosuid
	DropBound  []uintptr         // capabilities to take from the bounding set
	NoNewPrivs bool
}

// playStage stays on one thread, whose attributes the writer gets by execve.
func playStage() error {
	runtime.LockOSThread()
	var s stage
	if err := json.Unmarshal([]byte(os.Getenv(stageEnv)), &s); err != nil {
		return err
	}
	for over, what := range s.Bind {
		if err := unix.Mount(what, over, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s over %s: %w", what, over, err)
		}
	}
	if s.Nosuid != "" {
		if err := errors.Join(unix.Mount(s.Nosuid, s.Nosuid, "", unix.MS_BIND, ""),
			unix.Mount("", s.Nosuid, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOSUID, "")); err != nil {
			return err
		}
	}
	for _, c := range s.DropBound {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return err
		}
	}
	if s.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	if s.UID != 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(s.GID), syscall.Setuid(s.UID)); err != nil {
			return err
		}
	}
	return syscall.Exec("/proc/self/exe", []string{"idmap.test"}, []string{roleEnv + "=writer"})
}

// play runs a scene and skips where the host has no user namespaces. attr may
// be nil; st, where given, comes first, in a mount namespace if this is root.
func play(t *testing.T, s scene, attr *syscall.SysProcAttr, st *stage) outcome {
	t.Helper()
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{roleEnv + "=writer"}
	if st != nil {
		b, _ := json.Marshal(st)
		cmd.Env = []string{roleEnv + "=stage", stageEnv + "=" + string(b)}
		if os.Geteuid() == 0 {
			attr.Unshareflags = syscall.CLONE_NEWNS // Go makes its mounts private
		}
	}
	cmd.SysProcAttr = attr
	in, _ := json.Marshal(s)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		if errors.Is(err, syscall.EPERM) && attr.Cloneflags != 0 {
			t.Skipf("no user namespace to be had: %v", err)
		}
		t.Fatalf("%v: %s", err, &errs)
	}
	var o outcome
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%v: %q %s", err, out, &errs)
	}
	if o.NoUserns != "" {
		t.Skipf("no user namespace to be had: %s", o.NoUserns)
	}
	return o
}

// plainUID is a user that exists nowhere; its gid is another number.
const plainUID, plainGID = 61234, 61235

// plain has the writer run as a plain user: plainUID if this is root, else the
// one that this is.
func plain() (attr *syscall.SysProcAttr, uid, gid uint32) {
	if os.Geteuid() != 0 {
		return nil, uint32(os.Geteuid()), uint32(os.Getegid())
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: plainUID, Gid: plainGID}}, plainUID, plainGID
}

func needRoot(t *testing.T) {
	t.Helper()
	if self := Current(); self.EUID != 0 || !self.CapSetuid || !self.CapSetgid {
		t.Skip("takes root")
	}
}
