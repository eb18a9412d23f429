package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// num is an unsigned number in decimal.
func num[T ~uint16 | ~uint32 | ~uint64](v T) string { return strconv.FormatUint(uint64(v), 10) }

// file prints what calls on files point to; it is false for another kind, and
// where the memory cannot be read.
func (p *printer) file(kind string, v, length uint64) bool {
	switch kind {
	case "stat":
		return p.stat(v)
	case "statx":
		return p.statx(v)
	case "statfs":
		return p.statfs(v)
	case "dents64", "dents":
		return p.dents(v, kind == "dents64")
	case "openhow":
		b, ok := p.read(v, 24)
		if !ok || length < 24 {
			return false
		}
		p.s("{flags=", names.Open.Format(u64(b)))
		if u64(b)&unix.O_CREAT != 0 || u64(b[8:]) != 0 {
			p.s(", mode=")
			p.oct(u64(b[8:]))
		}
		p.s(", resolve=", names.Resolves.Format(u64(b[16:])))
		if length > 24 {
			p.s(", ...")
		}
		p.s("}")
	case "mountattr":
		b, ok := p.read(v, 32)
		if !ok || length < 32 {
			return false
		}
		p.s("{attr_set=", names.MountAttrs.Format(u64(b)), ", attr_clr=", names.MountAttrs.Format(u64(b[8:])),
			", propagation=", names.Propagation.Format(u64(b[16:])), ", userns_fd=")
		p.fd(u64(b[24:]))
		p.s("}")
	case "xval": // getxattr(2) with no room tells only the length
		if p.c.Args[3] == 0 {
			return false
		}
		p.bytes(v, uint64(p.c.Ret))
	case "epollevent":
		b, ok := p.read(v, epollSize)
		if !ok {
			return false
		}
		p.epollEvent(b)
	case "epollevents":
		p.list(v, uint64(p.c.Ret), epollSize, p.epollEvent)
	case "offset":
		b, ok := p.read(v, 8)
		if !ok {
			return false
		}
		p.s("[", strconv.FormatInt(int64(u64(b)), 10), "]")
	default:
		return false
	}
	return true
}

func (p *printer) epollEvent(b []byte) {
	data := b[epollSize-8:]
	p.s("{events=", names.Find("epollevents").Format(uint64(u32(b))), ", data={u32=", num(u32(data)), ", u64=", num(u64(data)), "}}")
}

// fileMode is a file's type and permissions: S_IFREG|0644.
func (p *printer) fileMode(m uint32) {
	if t := m & unix.S_IFMT; t != 0 {
		p.s(names.FileTypes.Format(uint64(t)), "|")
		m &^= unix.S_IFMT
	}
	p.oct(uint64(m))
}

func (p *printer) makedev(major, minor uint32) {
	p.s("makedev(")
	p.hex(uint64(major))
	p.s(", ")
	p.hex(uint64(minor))
	p.s(")")
}

func (p *printer) dev(d uint64) { p.makedev(unix.Major(d), unix.Minor(d)) }

// stat is struct stat of the 64-bit ABIs, asm/stat.h.
func (p *printer) stat(addr uint64) bool {
	b, ok := p.read(addr, 144)
	if !ok {
		return false
	}
	s := statLayout
	mode, rdev := u32(b[s.mode:]), u64(b[s.rdev:])
	device := mode&unix.S_IFMT == unix.S_IFCHR || mode&unix.S_IFMT == unix.S_IFBLK
	p.s("{")
	if p.Verbose {
		p.s("st_dev=")
		p.dev(u64(b))
		p.s(", st_ino=", num(u64(b[8:])), ", ")
	}
	p.s("st_mode=")
	p.fileMode(mode)
	if p.Verbose {
		nlink := uint64(u32(b[s.nlink:]))
		if s.longLink {
			nlink = u64(b[s.nlink:])
		}
		p.s(", st_nlink=", num(nlink), ", st_uid=", num(u32(b[s.uid:])), ", st_gid=", num(u32(b[s.uid+4:])),
			", st_blksize=", num(u32(b[56:])), ", st_blocks=", num(u64(b[64:])))
	}
	if device {
		p.s(", st_rdev=")
		p.dev(rdev)
	} else {
		p.s(", st_size=", num(u64(b[48:])))
	}
	if !p.Verbose {
		p.s(", ...}")
		return true
	}
	for i, name := range [...]string{"atime", "mtime", "ctime"} {
		at := b[72+16*i:]
		p.s(", st_", name, "=", strconv.FormatInt(int64(u64(at)), 10))
		p.date(int64(u64(at)), u64(at[8:]))
		p.s(", st_", name, "_nsec=", num(u64(at[8:])))
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
	p.s("{stx_mask=", names.Find("statxmask").Format(uint64(u32(b))))
	if p.Verbose {
		p.s(", stx_blksize=", num(u32(b[4:])))
	}
	p.s(", stx_attributes=", names.Find("statxattr").Format(u64(b[8:])))
	if p.Verbose {
		p.s(", stx_nlink=", num(u32(b[16:])), ", stx_uid=", num(u32(b[20:])), ", stx_gid=", num(u32(b[24:])))
	}
	p.s(", stx_mode=")
	p.fileMode(uint32(u16(b[28:])))
	if p.Verbose {
		p.s(", stx_ino=", num(u64(b[32:])))
	}
	p.s(", stx_size=", num(u64(b[40:])))
	if !p.Verbose {
		p.s(", ...}")
		return true
	}
	p.s(", stx_blocks=", num(u64(b[48:])), ", stx_attributes_mask=", names.Find("statxattr").Format(u64(b[56:])))
	for i, name := range [...]string{"atime", "btime", "ctime", "mtime"} {
		at := b[64+16*i:]
		p.s(", stx_", name, "={tv_sec=", strconv.FormatInt(int64(u64(at)), 10), ", tv_nsec=", num(u32(at[8:])), "}")
		p.date(int64(u64(at)), uint64(u32(at[8:])))
	}
	for _, d := range [...]struct {
		name string
		at   int
	}{{"rdev", 128}, {"dev", 136}} {
		p.s(", stx_", d.name, "_major=", num(u32(b[d.at:])), ", stx_", d.name, "_minor=", num(u32(b[d.at+4:])))
	}
	p.s(", stx_mnt_id=")
	p.hex(u64(b[144:]))
	p.s("}")
	return true
}

// statfs is struct statfs, asm-generic/statfs.h.
func (p *printer) statfs(addr uint64) bool {
	b, ok := p.read(addr, 120)
	if !ok {
		return false
	}
	p.s("{f_type=", names.Find("fsmagic").Format(u64(b)))
	for i, name := range [...]string{"bsize", "blocks", "bfree", "bavail", "files", "ffree"} {
		p.s(", f_", name, "=", num(u64(b[8+8*i:])))
	}
	p.s(", f_fsid={val=[")
	p.hex(uint64(u32(b[56:])))
	p.s(", ")
	p.hex(uint64(u32(b[60:])))
	p.s("]}, f_namelen=", num(u64(b[64:])), ", f_frsize=", num(u64(b[72:])), ", f_flags=", names.Find("statfsflags").Format(u64(b[80:])), "}")
	return true
}

// dents are the entries that getdents(2) or getdents64(2) has put at addr.
func (p *printer) dents(addr uint64, is64 bool) bool {
	const most = 1 << 20 // what a directory is read in, at most
	b, ok := p.read(addr, min(uint64(p.c.Ret), most))
	if !ok {
		return false
	}
	var entries [][]byte
	for len(b) > 18 {
		n := int(u16(b[16:]))
		if n <= 18 || n > len(b) {
			break
		}
		entries = append(entries, b[:n])
		b = b[n:]
	}
	if !p.Verbose {
		p.hex(addr)
		p.s(" /* ", strconv.Itoa(len(entries)), " entries */")
		return true
	}
	p.s("[")
	for i, e := range entries {
		if i > 0 {
			p.s(", ")
		}
		name, kind := e[18:len(e)-1], e[len(e)-1]
		if is64 {
			name, kind = e[19:], e[18]
		}
		p.s("{d_ino=", num(u64(e)), ", d_off=", strconv.FormatInt(int64(u64(e[8:])), 10), ", d_reclen=", strconv.Itoa(len(e)))
		if is64 {
			p.s(", d_type=", names.Find("dirtype").Format(uint64(kind)))
		}
		p.s(", d_name=")
		p.b = p.quote(p.b, []byte(unix.ByteSliceToString(name)))
		if !is64 {
			p.s(", d_type=", names.Find("dirtype").Format(uint64(kind)))
		}
		p.s("}")
	}
	p.s("]")
	return true
}

// stat is where struct stat has those of its members that differ.
type stat struct {
	nlink, mode, uid, rdev int
	longLink               bool // st_nlink is a long
}
