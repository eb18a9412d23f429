package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// file prints what calls on files point to; it is false for another kind, and
// where the memory cannot be read.
func (p *printer) file(kind string, v, length uint64) bool {
	switch kind {
	case "stat":
		return p.stat(v)
	case "statx":
		return p.statx(v)
	case "statfs": // asm-generic/statfs.h
		b, ok := p.read(v, 120)
		if !ok {
			return false
		}
		p.s("{")
		p.members(b, "f_type=fsmagic8@0 f_bsize=u8@8 f_blocks=u8@16 f_bfree=u8@24 f_bavail=u8@32 f_files=u8@40 f_ffree=u8@48")
		p.s(", f_fsid={val=[")
		p.hex(number(b[56:60]))
		p.s(", ")
		p.hex(number(b[60:64]))
		p.s("]}, ")
		p.members(b, "f_namelen=u8@64 f_frsize=u8@72 f_flags=statfsflags8@80")
		p.s("}")
	case "dents64", "dents":
		return p.dents(v, kind == "dents64")
	case "openhow":
		b, ok := p.read(v, 24)
		if !ok || length < 24 {
			return false
		}
		p.s("{")
		if number(b[:8])&unix.O_CREAT != 0 || number(b[8:16]) != 0 {
			p.members(b, "flags=open8@0 mode=o8@8 resolve=resolve8@16")
		} else {
			p.members(b, "flags=open8@0 resolve=resolve8@16")
		}
		if length > 24 {
			p.s(", ...")
		}
		p.s("}")
	case "mountattr":
		return length >= 32 && p.structure(v, 32, "attr_set=mountattrs8@0 attr_clr=mountattrs8@8 propagation=propagation8@16 userns_fd=d8@24")
	case "xval": // getxattr(2) with no room tells only the length
		if p.c.Args[3] == 0 {
			return false
		}
		p.bytes(v, uint64(p.c.Ret))
	case "epollevent":
		b, ok := p.read(v, epollSize)
		if ok {
			p.epollEvent(b)
		}
		return ok
	case "epollgot":
		p.list(v, uint64(p.c.Ret), epollSize, p.epollEvent)
	case "offset":
		b, ok := p.read(v, 8)
		if !ok {
			return false
		}
		p.s("[")
		p.d(int64(number(b)))
		p.s("]")
	default:
		return false
	}
	return true
}

func (p *printer) epollEvent(b []byte) {
	p.s("{events=")
	p.named("epollevents", number(b[:4]))
	p.s(", data=")
	p.braces(b[epollSize-8:], "u32=u4@0 u64=u8@0")
	p.s("}")
}

// fileMode is a file's type and permissions: S_IFREG|0644.
func (p *printer) fileMode(m uint64) {
	if t := m & unix.S_IFMT; t != 0 {
		p.s(names.FileTypes.Format(t), "|")
		m &^= unix.S_IFMT
	}
	p.oct(m)
}

func (p *printer) dev(d uint64) {
	p.s("makedev(")
	p.hex(uint64(unix.Major(d)))
	p.s(", ")
	p.hex(uint64(unix.Minor(d)))
	p.s(")")
}

// stat is struct stat of the 64-bit ABIs, asm/stat.h.
func (p *printer) stat(addr uint64) bool {
	b, ok := p.read(addr, 144)
	if !ok {
		return false
	}
	mode := number(b[statMode : statMode+4])
	p.s("{")
	if p.Verbose {
		p.s("st_dev=")
		p.dev(number(b[:8]))
		p.s(", ")
		p.members(b, "st_ino=u8@8")
		p.s(", ")
	}
	p.s("st_mode=")
	p.fileMode(mode)
	if p.Verbose {
		p.s(", ")
		p.members(b, statOwner+" st_blksize=u4@56 st_blocks=u8@64")
	}
	if t := mode & unix.S_IFMT; t == unix.S_IFCHR || t == unix.S_IFBLK {
		p.s(", st_rdev=")
		p.dev(number(b[statRdev : statRdev+8]))
	} else {
		p.s(", ")
		p.members(b, "st_size=u8@48")
	}
	if !p.Verbose {
		p.s(", ...}")
		return true
	}
	for i, name := range [...]string{"atime", "mtime", "ctime"} {
		sec, nsec := number(b[72+16*i:]), number(b[80+16*i:])
		p.s(", st_", name, "=")
		p.d(int64(sec))
		p.date(int64(sec), nsec)
		p.s(", st_", name, "_nsec=")
		p.u(nsec)
	}
	p.s("}")
	return true
}

// statx is struct statx, linux/stat.h.
func (p *printer) statx(addr uint64) bool {
	b, ok := p.read(addr, 256)
	if !ok {
		return false
	}
	p.s("{")
	if !p.Verbose {
		p.members(b, "stx_mask=statxmask4@0 stx_attributes=statxattr8@8")
		p.s(", stx_mode=")
		p.fileMode(number(b[28:30]))
		p.s(", ")
		p.members(b, "stx_size=u8@40")
		p.s(", ...}")
		return true
	}
	p.members(b, "stx_mask=statxmask4@0 stx_blksize=u4@4 stx_attributes=statxattr8@8 stx_nlink=u4@16 stx_uid=u4@20 stx_gid=u4@24")
	p.s(", stx_mode=")
	p.fileMode(number(b[28:30]))
	p.s(", ")
	p.members(b, "stx_ino=u8@32 stx_size=u8@40 stx_blocks=u8@48 stx_attributes_mask=statxattr8@56")
	for i, name := range [...]string{"atime", "btime", "ctime", "mtime"} {
		at := b[64+16*i:]
		if name == "btime" && number(b[:4])&unix.STATX_BTIME == 0 {
			continue
		}
		p.s(", stx_", name, "=")
		p.braces(at, "tv_sec=d8@0 tv_nsec=u4@8")
		p.date(int64(number(at)), number(at[8:12]))
	}
	p.s(", ")
	p.members(b, "stx_rdev_major=u4@128 stx_rdev_minor=u4@132 stx_dev_major=u4@136 stx_dev_minor=u4@140 stx_mnt_id=x8@144")
	p.s("}")
	return true
}

// dents are the entries that getdents(2) or getdents64(2) has put at addr.
func (p *printer) dents(addr uint64, is64 bool) bool {
	const most = 1 << 20 // what a directory is read in, at most
	b, ok := p.read(addr, min(uint64(p.c.Ret), most))
	if !ok && p.c.Ret > 0 {
		return false
	}
	if p.Verbose {
		p.s("[")
	}
	entries := 0
	for len(b) > 18 {
		n := int(number(b[16:18]))
		if n <= 19 || n > len(b) {
			break
		}
		entry := b[:n]
		b = b[n:]
		entries++
		if !p.Verbose {
			continue
		}
		if entries > 1 {
			p.s(", ")
		}
		p.s("{")
		p.members(entry, "d_ino=u8@0 d_off=d8@8 d_reclen=u2@16")
		if is64 {
			p.s(", d_type=")
			p.named("dirtype", uint64(entry[18]))
			p.s(", d_name=")
			p.b = p.quote(p.b, cut(entry[19:]))
		} else {
			p.s(", d_name=")
			p.b = p.quote(p.b, cut(entry[18:n-1]))
			p.s(", d_type=")
			p.named("dirtype", uint64(entry[n-1]))
		}
		p.s("}")
	}
	if p.Verbose {
		p.s("]")
		return true
	}
	p.hex(addr)
	p.s(" /* ", strconv.Itoa(entries), " entries */")
	return true
}
