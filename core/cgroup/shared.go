package cgroup

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/files"
)

// Most containers have the same rules for devices, and the kernel takes longer to
// verify a filter than for anything else about them. So one that was loaded is
// used again, as long as a container has it: a file tells which.

// progInfo is the beginning of struct bpf_prog_info.
type progInfo struct {
	kind, id uint32
	tag      [8]byte // of the SHA-1 of its instructions
}

// note is what the file begins with; the instructions as they were loaded follow.
type note struct {
	id  uint32
	tag [8]byte
}

const noteSize = 4 + 8

// sharedFilter is a descriptor of the filter that the file tells of, if it is prog and
// there still; else a new one, of which the file tells then. file may be "".
func sharedFilter(file string, prog []bpfInsn) (int, error) {
	text := unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), len(prog)*int(unsafe.Sizeof(prog[0])))
	if file != "" {
		if data, err := ownFile(file); err == nil && len(data) > noteSize && bytes.Equal(data[noteSize:], text) {
			n := note{id: binary.NativeEndian.Uint32(data)}
			copy(n.tag[:], data[4:])
			if fd, ok := n.open(); ok {
				return fd, nil
			}
		}
	}
	fd, err := loadFilter(prog)
	if err != nil || file == "" {
		return fd, err
	}
	// Without the file the next container loads its own.
	if info, ok := infoOf(fd); ok {
		data := binary.NativeEndian.AppendUint32(nil, info.id)
		_ = files.Replace(file, append(append(data, info.tag[:]...), text...), 0o600)
	}
	return fd, nil
}

// ownFile reads a file that nobody else can have written.
func ownFile(path string) ([]byte, error) {
	fd, err := files.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != unix.Geteuid() || st.Mode&0o022 != 0 {
		return nil, unix.EPERM
	}
	return files.ReadFD(fd, path, math.MaxInt)
}

// open opens the program, unless its number is another's by now.
func (n note) open() (int, bool) {
	get := struct{ id, next, flags uint32 }{id: n.id}
	fd, err := bpf(bpfProgGetFDByID, &get)
	if err != nil {
		return -1, false
	}
	if info, ok := infoOf(fd); !ok || info.kind != progTypeCgroupDevice || info.tag != n.tag {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

func infoOf(fd int) (info progInfo, ok bool) {
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&info)
	ask := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	_, err := bpf(bpfObjGetInfoByFD, &ask)
	return info, err == nil
}
