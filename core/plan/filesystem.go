package plan

import (
	"fmt"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
)

// files is what the config.json says about the file system.
type files struct {
	mounts  []*mounts.Mount
	devices []*mounts.Device
	prop    *mounts.Prop // of the root, or nil
}

// readFiles checks what the file system is to be.
func (c *compiler) readFiles() (f files, err error) {
	var warnings []string
	if f.mounts, warnings, err = mounts.Read(c.spec, c.in.Bundle); err != nil {
		return f, err
	}
	c.warn(warnings...)
	if f.devices, warnings, err = mounts.ReadDevices(c.spec.Linux.Devices); err != nil {
		return f, err
	}
	c.warn(warnings...)
	if word := c.spec.Linux.RootfsPropagation; word != "" {
		f.prop = mounts.ReadPropagation(word)
		switch {
		case f.prop == nil:
			return f, fault.Field("linux.rootfsPropagation", "%q is none of shared, slave, private, unbindable and rshared, rslave, rprivate, runbindable", word)
		case !c.private():
			return f, fault.Field("linux.rootfsPropagation", "would be the host's: it needs a mount namespace").WithHint(`add {"type": "mount"} to linux.namespaces`)
		case c.in.NoPivot && f.prop.Type == unix.MS_PRIVATE:
			return f, fault.Field("linux.rootfsPropagation", "%s is not safe without pivot_root(2): the host's root stays below", word)
		}
	}
	for _, m := range f.mounts {
		if m.Owners != nil && !c.sysAdmin() {
			return f, fault.Field(m.Field, "mapping the owners of a mount takes CAP_SYS_ADMIN in the user namespace of its file system, which this process lacks")
		}
	}
	if c.userns() && !c.private() {
		c.warn("default devices: cannot be made in a user namespace without a mount namespace")
		for i, d := range c.spec.Linux.Devices {
			if d.Type != "p" {
				return f, fault.Field(fmt.Sprintf("linux.devices[%d]", i), "%s cannot be made in a user namespace, and bound only in a mount namespace", d.Path)
			}
		}
	}
	switch {
	case !c.in.NoPivot:
	case !c.private():
		c.warn("--no-pivot: has no effect without a mount namespace")
	default:
		c.reachable("--no-pivot: the host's root stays below the container's")
	}
	return f, nil
}

func (c *compiler) warn(warnings ...string) {
	c.plan.Warnings = append(c.plan.Warnings, warnings...)
}

// private says whether the container has a mount namespace of its own.
func (c *compiler) private() bool { return (c.new|c.joined)&unix.CLONE_NEWNS != 0 }

// sysAdmin says whether the caller has CAP_SYS_ADMIN.
func (c *compiler) sysAdmin() bool { return c.host.Caps&(1<<unix.CAP_SYS_ADMIN) != 0 }

// fileSystem makes the container's root what it is to be, and enters it.
func (c *compiler) fileSystem(path string, f files) {
	p, s := c.p, c.spec
	// Of a /dev that is the host's own, nothing is changed.
	devBound := path == "/"
	for _, m := range f.mounts {
		if m.Dest == "/dev" {
			devBound = m.Bind
		}
	}
	devices, hosts := f.devices, []*mounts.Device(nil)
	if devBound {
		var warnings []string
		hosts, devices, warnings = mounts.OfHost(devices)
		c.warn(warnings...)
	}
	src := mounts.Sources{Path: path, Prop: f.prop, Mounts: f.mounts, Devices: devices, Masks: len(s.Linux.MaskedPaths) > 0}
	if c.private() {
		if c.userns() {
			c.warn(mounts.BindDevices(devices)...)
			c.bindHost(f.mounts)
		}
		c.open(&src)
	} else {
		p.Begin("root.path", path)
		src.Root = mounts.OpenRoot(p, path, "root")
	}
	root := src.Root

	c.becomeRoot()
	c.procfs()
	if !c.in.NoKeyring {
		c.keyLabel()
		c.keyring(c.in.ID)
	}
	c.names()
	mounts.Attach(p, root, f.mounts)
	mounts.CheckDevices(p, root, hosts)
	mounts.MakeDevices(p, root, devices, devBound)
	cwd := p.Reg("cwd")
	p.Begin("process.cwd", s.Process.Cwd)
	p.OpenIn(root, s.Process.Cwd, clone.MakeDir, 0, unix.O_PATH|unix.O_DIRECTORY, 0o755, cwd)
	if s.Process.Terminal {
		c.terminal(root)
		if c.private() {
			mounts.BindDevice(p, root, c.tty, "/dev/console")
		}
	}
	mounts.ReadOnly(p, root, s.Linux.ReadonlyPaths)
	mounts.Mask(p, root, s.Linux.MaskedPaths, src.Null)
	mounts.Seal(p, f.mounts)
	if s.Root.Readonly {
		p.Begin("root.readonly", "")
		mounts.ReadOnlyRoot(p, root)
	}
	c.createHooks(root)
	p.Begin("root.path", "")
	switch {
	case !c.private():
		mounts.Chroot(p, root)
	case c.in.NoPivot:
		mounts.Uncover(p, c.host.KernelMounts, f.prop.Shared())
		p.Begin("root.path", "")
		mounts.Stack(p, root)
		mounts.Chroot(p, root)
	default:
		mounts.Pivot(p, root, f.prop.Shared())
	}
	if f.prop != nil {
		p.Begin("linux.rootfsPropagation", "")
		mounts.Propagate(p, root, *f.prop)
	}
	p.Begin("process.cwd", s.Process.Cwd)
	p.Call(unix.SYS_FCHDIR, clone.In(cwd))
}

// bindHost binds the host's sysfs and procfs where the user namespace does not
// own the network or the process ids that a new one would show.
func (c *compiler) bindHost(list []*mounts.Mount) {
	if (c.new|c.joined)&unix.CLONE_NEWUSER != 0 {
		// One that is joined together with a user namespace may be its own.
		own := c.new
		if c.joined&unix.CLONE_NEWUSER != 0 {
			own |= c.joined
		}
		if own&unix.CLONE_NEWNET == 0 {
			c.warn(mounts.BindHost(list, "sysfs", "/sys", "network")...)
		}
		if own&unix.CLONE_NEWPID == 0 {
			c.warn(mounts.BindHost(list, "proc", "/proc", "pid")...)
		}
	}
	if c.new&unix.CLONE_NEWCGROUP == 0 {
		mounts.CoverCgroups(list)
	}
}

// becomeRoot takes the ids 0 of the user namespace, as far as it has them, so
// that what is made from here on belongs to its root.
func (c *compiler) becomeRoot() {
	p := c.p
	zero := clone.Num(0)
	switch {
	case c.newUser:
		p.Begin(idMaps, "")
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
