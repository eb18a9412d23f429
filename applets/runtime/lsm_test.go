package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// A host without AppArmor confines nobody, and says so to who asks for it.
func TestNoAppArmor(t *testing.T) {
	if data, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err == nil && strings.HasPrefix(string(data), "Y") {
		t.Skip("AppArmor is in force here")
	}
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, func(s *specs.Spec) { s.Process.ApparmorProfile = "unconfined" })
		same(t, "pid", r.Pid, 1)
	})
	testBad(t, []bad{{name: "profile", edit: set(func(s *specs.Spec) { s.Process.ApparmorProfile = "docker-default" }), want: []string{`process.apparmorProfile: "docker-default": AppArmor is not in force on this host`}}})
}

// A profile that is not loaded is told from other failures.
func TestAppArmor(t *testing.T) {
	if data, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err != nil || !strings.HasPrefix(string(data), "Y") {
		t.Skip("AppArmor is not in force here")
	}
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		k := b.Kernel(func(s *specs.Spec) { s.Process.ApparmorProfile = "unconfined" }, "/proc/self/attr/apparmor/current")
		if label := k.Files["/proc/self/attr/apparmor/current"]; !strings.HasPrefix(label, "unconfined") {
			t.Errorf("it is confined by %q", label)
		}
	})
	testBad(t, []bad{{name: "not loaded", edit: set(func(s *specs.Spec) { s.Process.ApparmorProfile = "no-such-profile" }), want: []string{"process.apparmorProfile: write(exec no-such-profile)", "hint: "}}})
}

func TestNoSELinux(t *testing.T) {
	types, err := os.ReadFile("/proc/filesystems")
	if err != nil || strings.Contains(string(types), "selinuxfs") {
		t.Skip("SELinux is built into this kernel")
	}
	const label = "system_u:system_r:container_t:s0"
	testBad(t, []bad{
		{name: "process", edit: set(func(s *specs.Spec) { s.Process.SelinuxLabel = label }), want: []string{`process.selinuxLabel: "` + label + `": SELinux is not in force on this host`}},
		{name: "mounts", edit: set(func(s *specs.Spec) { s.Linux.MountLabel = label }), want: []string{`linux.mountLabel: "` + label + `": SELinux is not in force on this host`}},
	})
}

func TestBadLabels(t *testing.T) {
	testBad(t, []bad{
		{name: "profile with NUL", edit: set(func(s *specs.Spec) { s.Process.ApparmorProfile = "a\x00" }), want: []string{"process.apparmorProfile", "NUL"}},
		{name: "label with NUL", edit: set(func(s *specs.Spec) { s.Process.SelinuxLabel = "a\x00" }), want: []string{"process.selinuxLabel", "NUL"}},
		{name: "mount label with NUL", edit: set(func(s *specs.Spec) { s.Linux.MountLabel = "a\x00" }), want: []string{"linux.mountLabel", "NUL"}},
		{name: "context type", edit: set(func(s *specs.Spec) { s.Annotations = map[string]string{"run.oci.mount_context_type": "size"} }),
			want: []string{`annotations run.oci.mount_context_type: "size" is none of ["context" "fscontext" "defcontext" "rootcontext"]`}},
	})
}
