package mounts

import (
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
)

// A device that every container has (runtime-spec, config-linux.md, "Default
// Devices"); all are character devices with mode 0666.
type device struct {
	name         string
	major, minor uint32
}

var defaultDevices = [...]device{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

const defaultDevice = "default device"

// devLinks are the symlinks of /dev that every container has: "Default
// Devices", and "/dev symbolic links" of runtime-linux.md.
var devLinks = [...]struct{ name, target string }{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
}

// Devices are the detached mounts of the host's device nodes, for a user
// namespace, which may not make nodes.
type Devices []clone.Reg

// DeviceSources clones the host's default devices. Like Sources, it stands
// before the child takes the container's ids.
func DeviceSources(p *clone.Program) Devices {
	var d Devices
	for _, dev := range defaultDevices {
		p.Begin(defaultDevice, "/dev/"+dev.name)
		d = append(d, Clone(p, "/dev/"+dev.name, false, "dev."+dev.name))
	}
	return d
}

// MakeDevices makes the default devices and links in /dev. With sources it
// mounts those, else it makes nodes; a node that is there already has to be
// the right one.
func MakeDevices(p *clone.Program, root clone.Reg, sources Devices) {
	p.Begin(defaultDevice, "/dev")
	dev := p.Reg("dev")
	p.OpenIn(root, "/dev", clone.MakeDir, 0, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, dirMode, dev)
	for i, d := range defaultDevices {
		p.Begin(defaultDevice, "/dev/"+d.name)
		node := p.Reg("node")
		if sources != nil {
			p.OpenIn(dev, d.name, clone.MakeFile, 0, unix.O_PATH|unix.O_NOFOLLOW, 0o666, node)
			attach(p, sources[i], node)
			shut(p, sources[i], node)
			continue
		}
		made := p.Reg("made")
		p.Call(unix.SYS_MKNODAT, clone.In(dev), p.Str(d.name), clone.Num(unix.S_IFCHR|0o666), clone.Num(uintptr(unix.Mkdev(d.major, d.minor)))).Ignore(unix.EEXIST).Save(made)
		p.When(made, errno(unix.EEXIST), func() {
			p.OpenIn(dev, d.name, clone.MustExist, 0, unix.O_PATH|unix.O_NOFOLLOW, 0, node)
			p.Must(node, unix.S_IFCHR, d.major, d.minor, unix.EEXIST)
			shut(p, node)
		})
	}
	for _, l := range devLinks {
		p.Begin(defaultDevice, "/dev/"+l.name)
		if l.name == "ptmx" {
			// An image's own would lead elsewhere.
			p.Call(unix.SYS_UNLINKAT, clone.In(dev), p.Str(l.name), clone.Num(0)).Ignore(unix.ENOENT, unix.EBUSY)
		}
		p.Call(unix.SYS_SYMLINKAT, p.Str(l.target), clone.In(dev), p.Str(l.name)).Ignore(unix.EEXIST)
	}
	shut(p, dev)
}

// errno is what a register holds after an errno that was ignored.
func errno(e unix.Errno) uintptr { return -uintptr(e) }

// BindDevice puts what fd refers to onto a path below root.
func BindDevice(p *clone.Program, root, fd clone.Reg, path string) {
	mount := cloneFD(p, fd, false, "mount")
	target := p.Reg("target")
	p.OpenIn(root, path, clone.MakeFile, 0, unix.O_PATH, 0o600, target)
	attach(p, mount, target)
	shut(p, mount, target)
}
