package plan

import (
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
)

// fileSystem makes the container's root what it is to be, and enters it.
func (c *compiler) fileSystem(path string, list []*mounts.Mount) {
	p, s := c.p, c.spec
	private := (c.new|c.joined)&unix.CLONE_NEWNS != 0
	masked := len(s.Linux.MaskedPaths) > 0
	// Of a /dev that is the host's own, nothing is changed.
	devBound := path == "/"
	for _, m := range list {
		if m.Dest == "/dev" {
			devBound = m.Bind
		}
	}

	var root, null clone.Reg
	var devices mounts.Devices
	if private {
		p.Begin("", "mount propagation")
		mounts.Isolate(p)
		p.Begin("root.path", path)
		root = mounts.Root(p, path)
		if c.userns() && c.new&unix.CLONE_NEWCGROUP == 0 {
			mounts.CoverCgroups(list)
		}
		mounts.Sources(p, list)
		if c.userns() && !devBound {
			devices = mounts.DeviceSources(p)
		}
		if masked {
			p.Begin("linux.maskedPaths", "")
			null = mounts.Null(p)
		}
	} else {
		p.Begin("root.path", path)
		root = mounts.OpenRoot(p, path, "root")
	}

	c.becomeRoot()
	c.procfs()
	if !c.in.NoKeyring {
		c.keyLabel()
		c.keyring(c.in.ID)
	}
	c.names()
	mounts.Attach(p, root, list)
	switch {
	case devBound:
	case c.userns() && !private:
		c.plan.Warnings = append(c.plan.Warnings, "default devices: cannot be made in a user namespace without a mount namespace")
	default:
		mounts.MakeDevices(p, root, devices)
	}
	cwd := p.Reg("cwd")
	p.Begin("process.cwd", s.Process.Cwd)
	p.OpenIn(root, s.Process.Cwd, clone.MakeDir, 0, unix.O_PATH|unix.O_DIRECTORY, 0o755, cwd)
	if s.Process.Terminal {
		c.terminal(root)
		if private {
			mounts.BindDevice(p, root, c.tty, "/dev/console")
		}
	}
	mounts.ReadOnly(p, root, s.Linux.ReadonlyPaths)
	mounts.Mask(p, root, s.Linux.MaskedPaths, null)
	mounts.Seal(p, list)
	if s.Root.Readonly {
		p.Begin("root.readonly", "")
		mounts.ReadOnlyRoot(p, root)
	}
	c.createHooks(root)
	p.Begin("root.path", "")
	if private {
		mounts.Pivot(p, root)
	} else {
		mounts.Chroot(p, root)
	}
	p.Begin("process.cwd", s.Process.Cwd)
	p.Call(unix.SYS_FCHDIR, clone.In(cwd))
}

// becomeRoot takes the ids 0 of the user namespace, as far as it has them, so
// that what is made from here on belongs to its root.
func (c *compiler) becomeRoot() {
	p := c.p
	zero := clone.Num(0)
	switch {
	case c.newUser:
		p.Begin("linux.uidMappings, linux.gidMappings", "")
		if _, ok := idmap.HostID(c.spec.Linux.GIDMappings, 0); ok {
			p.Call(clone.SysSetresgid, zero, zero, zero)
		}
		if _, ok := idmap.HostID(c.spec.Linux.UIDMappings, 0); ok {
			p.Call(clone.SysSetresuid, zero, zero, zero)
		}
	case c.joined&unix.CLONE_NEWUSER != 0:
		p.Begin("linux.namespaces", "")
		p.Call(clone.SysSetresgid, zero, zero, zero).Ignore(unix.EINVAL)
		p.Call(clone.SysSetresuid, zero, zero, zero).Ignore(unix.EINVAL)
	default:
		return
	}
	c.undumpable()
}

// keyring gives the process a session keyring of its own, keyrings(7).
func (c *compiler) keyring(id string) {
	c.p.Begin("", "session keyring")
	c.p.Call(unix.SYS_KEYCTL, clone.Num(unix.KEYCTL_JOIN_SESSION_KEYRING), c.p.Str("_ses."+id)).Ignore(unix.ENOSYS)
}
