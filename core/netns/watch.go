package netns

import (
	"bytes"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// A Change is a name that has come or gone.
type Change struct {
	Name string
	Gone bool
}

// Watch calls tell for each change, until that fails or something else does.
func Watch(tell func(Change) error) error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return fault.Op(err, "make the directory of network namespaces")
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return fault.Op(err, "inotify_init1()")
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, Dir, unix.IN_CREATE|unix.IN_DELETE); err != nil {
		return fault.Op(err, "watch %s", Dir)
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fault.Op(err, "watch %s", Dir)
		}
		for events := buf[:n]; len(events) >= unix.SizeofInotifyEvent; {
			// inotify(7): wd, mask, cookie, len, and a name of len bytes.
			mask := binary.NativeEndian.Uint32(events[4:])
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
			name, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:size], []byte{0})
			events = events[size:]
			if mask&(unix.IN_CREATE|unix.IN_DELETE) == 0 {
				continue
			}
			if err := tell(Change{string(name), mask&unix.IN_DELETE != 0}); err != nil {
				return err
			}
		}
	}
}
