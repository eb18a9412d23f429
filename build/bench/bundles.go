package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundle"
)

// version is one that all of the peers take.
const version = "1.0.2"

// program is what containers run; pause is one that stays.
var (
	program = []string{"/bin/true"}
	pause   = []string{"/bin/sleep", "1000000"}
)

// rootfs makes a root file system of a static busybox, once.
func (b *bench) rootfs() (string, error) {
	dir := filepath.Join(b.work, "rootfs")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	box, err := exec.LookPath("busybox")
	if err != nil {
		return "", err
	}
	for _, d := range []string{"bin", "etc", "proc", "sys", "dev", "a", "b", "c", "d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return "", err
		}
	}
	data, err := os.ReadFile(box)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "bin/busybox"), data, 0o755)
	}
	for _, name := range []string{"true", "sleep"} {
		if err == nil {
			err = os.Symlink("busybox", filepath.Join(dir, "bin", name))
		}
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "etc", name), []byte("127.0.0.1\tlocalhost\n"), 0o644)
		}
	}
	return dir, err
}

// bundle writes a bundle and returns its folder.
func (b *bench) bundle(name string, s *specs.Spec) (string, error) {
	rootfs, err := b.rootfs()
	if err != nil {
		return "", err
	}
	s.Version = version
	s.Root.Path = rootfs
	s.Process.Terminal = false
	if len(s.Process.Args) == 0 || s.Process.Args[0] == "sh" {
		s.Process.Args = program
	}
	if !b.devices() {
		s.Linux.Resources = nil
	}
	dir := filepath.Join(b.work, "bundle-"+name)
	data, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
	}
	return dir, err
}

// staying is s with a program that stays.
func staying(s *specs.Spec) *specs.Spec {
	s.Process.Args = pause
	return s
}

// dockerCaps are those of Docker's containers by default.
var dockerCaps = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"}

// docker is the config.json of docker run, with three volumes and a tmpfs.
func (b *bench) docker() (*specs.Spec, error) {
	s := bundle.Default()
	s.Root.Readonly = false
	s.Process.NoNewPrivileges = false
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: dockerCaps, Effective: dockerCaps, Permitted: dockerCaps}
	zero := 0
	s.Process.OOMScoreAdj = &zero
	s.Process.Env = append(s.Process.Env, "HOSTNAME=0123456789ab", "HOME=/root")
	rootfs, err := b.rootfs()
	if err != nil {
		return nil, err
	}
	bind := func(to, from string, options ...string) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: to, Type: "bind", Source: from, Options: append(options, "rbind")})
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		bind("/etc/"+name, filepath.Join(rootfs, "etc", name), "rprivate")
	}
	for _, name := range []string{"a", "b", "c"} {
		volume := filepath.Join(b.work, "volume-"+name)
		if err := os.MkdirAll(volume, 0o755); err != nil {
			return nil, err
		}
		bind("/"+name, volume, "rprivate", map[string]string{"a": "rw", "b": "rw", "c": "ro"}[name])
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/d", Type: "tmpfs", Source: "tmpfs", Options: []string{"noexec", "nosuid", "nodev"}})
	l := s.Linux
	l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	l.MaskedPaths = append(l.MaskedPaths, "/proc/interrupts", "/sys/devices/virtual/powercap")
	profile, err := os.ReadFile(filepath.Join(b.profiles, "docker-"+runtime.GOARCH+".json"))
	if err != nil {
		return nil, err
	}
	l.Seccomp = &specs.LinuxSeccomp{}
	return s, json.Unmarshal(profile, l.Seccomp)
}

// devices says whether config.json may restrict devices: crun raises
// RLIMIT_MEMLOCK for the filter, which takes CAP_SYS_RESOURCE.
func (b *bench) devices() bool { return !b.noDevices }
