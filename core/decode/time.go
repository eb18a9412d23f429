package decode

import (
	"time"

	"golang.org/x/sys/unix"
)

// time prints what calls on time point to; it is false for another kind, and
// where the memory cannot be read.
func (p *printer) time(kind string, v uint64) bool {
	size := uint64(16)
	switch kind {
	case "ts", "tv":
	case "itv", "its", "ts2":
		size *= 2
	default:
		return false
	}
	b, ok := p.read(v, size)
	if !ok {
		return false
	}
	switch kind {
	case "ts":
		p.timespec(b, "nsec")
	case "tv":
		p.timespec(b, "usec")
	case "itv", "its":
		part := "usec"
		if kind == "its" {
			part = "nsec"
		}
		p.s("{it_interval=")
		p.timespec(b[:16], part)
		p.s(", it_value=")
		p.timespec(b[16:], part)
		p.s("}")
	case "ts2":
		p.s("[")
		p.fileTime(b)
		p.s(", ")
		p.fileTime(b[16:])
		p.s("]")
	}
	return true
}

func (p *printer) timespec(b []byte, part string) {
	p.s("{")
	p.members(b, "tv_sec=d8@0")
	p.s(", tv_", part, "=")
	p.d(int64(number(b[8:16])))
	p.s("}")
}

// fileTime is a time of utimensat(2).
func (p *printer) fileTime(b []byte) {
	switch number(b[8:16]) {
	case unix.UTIME_NOW:
		p.s("UTIME_NOW")
	case unix.UTIME_OMIT:
		p.s("UTIME_OMIT")
	default:
		p.timespec(b, "nsec")
		p.date(int64(number(b)), number(b[8:16]))
	}
}

// date prints a time as a comment.
func (p *printer) date(sec int64, nsec uint64) {
	if sec == 0 && nsec == 0 {
		return
	}
	layout := "2006-01-02T15:04:05-0700"
	if nsec != 0 {
		layout = "2006-01-02T15:04:05.000000000-0700"
	}
	p.s(" /* ", time.Unix(sec, int64(nsec)).Format(layout), " */")
}
