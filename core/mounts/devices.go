package mounts

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

const (
	defaultDevice = "default device"
	noID          = ^uint32(0) // chown(2) takes it for no change
)

// A Device is a device node or a fifo of the container.
type Device struct {
	Field        string // "linux.devices[2]", or "default device"
	Path         string // absolute and clean
	Type         uint32 // S_IFCHR, S_IFBLK or S_IFIFO
	Major, Minor uint32
	Mode         uint32 // permission bits
	UID, GID     uint32 // of the container; noID: as it is made
	// Exact says that the config.json names a mode or an owner: a node that is
	// there already has to have them too.
	Exact bool
	// Bind has the host's node of that path bound, for a user namespace, which
	// may not make nodes.
	Bind bool
	from clone.Reg // detached mount of the host's node
}

// defaultDevices are those that every container has (runtime-spec,
// config-linux.md, "Default Devices"), as character devices.
var defaultDevices = [...]struct {
	path         string
	major, minor uint32
}{
	{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
}

// devLinks are the symlinks of /dev that every container has: "Default
// Devices", and "/dev symbolic links" of runtime-linux.md.
var devLinks = [...]struct{ name, target string }{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
}

// Bits of a device number, as mknod(2) takes them.
const (
	majorBits = 12
	minorBits = 20
)

// ReadDevices checks linux.devices, and adds the default devices that it does
// not name. The second result is what has no effect.
func ReadDevices(list []specs.LinuxDevice) ([]*Device, []string, error) {
	var devices []*Device
	var warnings []string
	for i, d := range list {
		field := fault.At("linux.devices", i)
		dev, err := readDevice(d, field)
		if err != nil {
			return nil, nil, err
		}
		if at := slices.IndexFunc(devices, func(o *Device) bool { return o.Path == dev.Path }); at >= 0 {
			return nil, nil, fault.Field(field+".path", "%s is there already, as %s", dev.Path, devices[at].Field)
		}
		if dev.Type == unix.S_IFIFO && (d.Major != 0 || d.Minor != 0) {
			warnings = append(warnings, fmt.Sprintf("%s: major and minor have no effect on a fifo", field))
		}
		devices = append(devices, dev)
	}
	var defaults []*Device
	for _, d := range defaultDevices {
		if !slices.ContainsFunc(devices, func(o *Device) bool { return o.Path == d.path }) {
			defaults = append(defaults, &Device{Field: defaultDevice, Path: d.path, Type: unix.S_IFCHR, Major: d.major, Minor: d.minor, Mode: 0o666, UID: noID, GID: noID})
		}
	}
	return append(defaults, devices...), warnings, nil
}

func readDevice(d specs.LinuxDevice, field string) (*Device, error) {
	dev := &Device{Field: field, Path: path.Clean(d.Path), Mode: 0o666, UID: noID, GID: noID}
	switch d.Type {
	case "c", "u":
		dev.Type = unix.S_IFCHR
	case "b":
		dev.Type = unix.S_IFBLK
	case "p":
		dev.Type = unix.S_IFIFO
	case "":
		return nil, fault.Field(field+".type", "is missing")
	default:
		return nil, fault.Field(field+".type", "%q is none of c, b, u and p", d.Type)
	}
	switch {
	case d.Path == "":
		return nil, fault.Field(field+".path", "is missing")
	case !path.IsAbs(d.Path):
		return nil, fault.Field(field+".path", "%q is not an absolute path", d.Path)
	case dev.Path == "/":
		return nil, fault.Field(field+".path", "is the container's root itself")
	case len(d.Path) >= unix.PathMax:
		return nil, fault.Field(field+".path", "%d bytes are longer than PATH_MAX (%d)", len(d.Path), unix.PathMax)
	case strings.ContainsRune(d.Path, 0):
		return nil, fault.Field(field+".path", "%q holds a NUL byte", d.Path)
	case dev.Type == unix.S_IFIFO:
	case d.Major < 0 || d.Major >= 1<<majorBits:
		return nil, fault.Field(field+".major", "%d is not in 0…%d", d.Major, 1<<majorBits-1)
	case d.Minor < 0 || d.Minor >= 1<<minorBits:
		return nil, fault.Field(field+".minor", "%d is not in 0…%d", d.Minor, 1<<minorBits-1)
	case d.Major == 0 && d.Minor == 0:
		return nil, fault.Field(field+".major", "is missing, and so is minor: 0:0 is no device")
	default:
		dev.Major, dev.Minor = uint32(d.Major), uint32(d.Minor)
	}
	if d.FileMode != nil {
		// Engines pass st_mode on as it is, with the type.
		dev.Mode = uint32(*d.FileMode) &^ unix.S_IFMT
		if dev.Mode > 0o7777 {
			return nil, fault.Field(field+".fileMode", "%#o is more than 07777", dev.Mode)
		}
	}
	for _, id := range []struct {
		name string
		from *uint32
		to   *uint32
	}{{"uid", d.UID, &dev.UID}, {"gid", d.GID, &dev.GID}} {
		if id.from == nil {
			continue
		}
		if *id.from == noID {
			return nil, fault.Field(field+"."+id.name, "%d is no id: it means none", *id.from)
		}
		*id.to = *id.from
	}
	dev.Exact = d.FileMode != nil || d.UID != nil || d.GID != nil
	return dev, nil
}

// BindDevices has the host's nodes bound, and returns a warning for each whose
// mode or owner is not the container's to set then.
func BindDevices(devices []*Device) (warnings []string) {
	for _, d := range devices {
		if d.Type == unix.S_IFIFO {
			continue // anybody may make one
		}
		d.Bind = true
		if d.Exact {
			warnings = append(warnings, d.Field+": fileMode, uid and gid have no effect in a user namespace: the host's own node is bound")
		}
	}
	return warnings
}

func (d *Device) name() string           { return path.Base(d.Path) }
func (d *Device) begin(p *clone.Program) { p.Begin(d.Field, d.Path) }
func (d *Device) must(p *clone.Program, fd clone.Reg, e unix.Errno) {
	p.Must(fd, d.Type, d.Major, d.Minor, e)
}

func (d *Device) open(p *clone.Program) {
	d.from = Clone(p, d.Path, 0, "dev."+d.name())
	if d.Field != defaultDevice {
		d.must(p, d.from, unix.ENODEV)
	}
}

// OfHost parts the devices below a /dev that is the host's own from the others.
// Nothing is changed there: the default devices are left out, and a warning
// says that no mode or owner is set.
func OfHost(devices []*Device) (host, others []*Device, warnings []string) {
	for _, d := range devices {
		switch {
		case !strings.HasPrefix(d.Path, "/dev/"):
			others = append(others, d)
		case d.Field != defaultDevice:
			host = append(host, d)
			if d.Exact {
				warnings = append(warnings, d.Field+": fileMode, uid and gid have no effect on a /dev that is the host's own")
			}
		}
	}
	return host, others, warnings
}

// CheckDevices makes sure that the devices are there.
func CheckDevices(p *clone.Program, root clone.Reg, devices []*Device) {
	for _, d := range devices {
		d.begin(p)
		node := p.Reg("node")
		p.OpenIn(root, d.Path, clone.MustExist, 0, unix.O_PATH|unix.O_NOFOLLOW, 0, node)
		d.must(p, node, unix.EEXIST)
		shut(p, node)
	}
}

// MakeDevices makes the devices, and the symlinks of /dev unless that is the
// host's own.
func MakeDevices(p *clone.Program, root clone.Reg, devices []*Device, devBound bool) {
	var dev clone.Reg
	if !devBound {
		p.Begin(defaultDevice, "/dev")
		dev = p.Reg("dev")
		p.OpenIn(root, "/dev", clone.MakeDir, 0, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, dirMode, dev)
	}
	for _, d := range devices {
		d.begin(p)
		parent := dev
		if dir := path.Dir(d.Path); dir != "/dev" || devBound {
			parent = p.Reg("parent")
			p.OpenIn(root, dir, clone.MakeDir, 0, unix.O_PATH|unix.O_DIRECTORY, dirMode, parent)
		}
		if d.Bind {
			node := p.Reg("node")
			p.OpenIn(parent, d.name(), clone.MakeFile, 0, unix.O_PATH|unix.O_NOFOLLOW, 0o666, node)
			attach(p, d.from, node)
			shut(p, d.from, node)
		} else {
			d.mknod(p, parent)
		}
		if parent != dev {
			shut(p, parent)
		}
	}
	if !devBound {
		makeLinks(p, dev)
		shut(p, dev)
	}
}

// mknod makes the node in the directory parent. One that is there has to be the
// right one; to give it the mode and the owner, it is made anew, as chmod(2)
// of a descriptor opens the device or takes Linux 6.6.
func (d *Device) mknod(p *clone.Program, parent clone.Reg) {
	made, node := p.Reg("made"), p.Reg("node")
	mknod := func() *clone.Insn {
		return p.Call(unix.SYS_MKNODAT, clone.In(parent), p.Str(d.name()), clone.Num(d.Type|d.Mode), clone.Num(uintptr(unix.Mkdev(d.Major, d.Minor))))
	}
	mknod().Ignore(unix.EEXIST).Save(made)
	p.When(made, errno(unix.EEXIST), func() {
		d.find(p, parent, node)
		shut(p, node)
		if d.Exact {
			p.Call(unix.SYS_UNLINKAT, clone.In(parent), p.Str(d.name()), clone.Num(0))
			mknod()
		}
	})
	if d.UID != noID || d.GID != noID {
		d.find(p, parent, node)
		p.Call(unix.SYS_FCHOWNAT, clone.In(node), p.Str(""), clone.Num(d.UID), clone.Num(d.GID), clone.Num(unix.AT_EMPTY_PATH))
		shut(p, node)
	}
}

// find opens the node in the directory parent, which has to be the right one.
func (d *Device) find(p *clone.Program, parent, node clone.Reg) {
	p.OpenIn(parent, d.name(), clone.MustExist, 0, unix.O_PATH|unix.O_NOFOLLOW, 0, node)
	d.must(p, node, unix.EEXIST)
}

func makeLinks(p *clone.Program, dev clone.Reg) {
	for _, l := range devLinks {
		p.Begin(defaultDevice, "/dev/"+l.name)
		if l.name == "ptmx" {
			// An image's own would lead elsewhere.
			p.Call(unix.SYS_UNLINKAT, clone.In(dev), p.Str(l.name), clone.Num(0)).Ignore(unix.ENOENT, unix.EBUSY)
		}
		p.Call(unix.SYS_SYMLINKAT, p.Str(l.target), clone.In(dev), p.Str(l.name)).Ignore(unix.EEXIST)
	}
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
