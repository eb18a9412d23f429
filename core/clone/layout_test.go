package clone

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the child lays out itself is what the kernel takes and gives.
func TestLayouts(t *testing.T) {
	var stat unix.Statx_t
	var ent unix.Dirent
	for name, c := range map[string][2]uintptr{
		"stx_uid":              {statxUID, unsafe.Offsetof(stat.Uid)},
		"stx_gid":              {statxGID, unsafe.Offsetof(stat.Gid)},
		"stx_mode":             {statxMode, unsafe.Offsetof(stat.Mode)},
		"stx_atime":            {statxAtime, unsafe.Offsetof(stat.Atime)},
		"stx_mtime":            {statxMtime, unsafe.Offsetof(stat.Mtime)},
		"stx_rdev_major":       {statxMajor, unsafe.Offsetof(stat.Rdev_major)},
		"stx_rdev_minor":       {statxMinor, unsafe.Offsetof(stat.Rdev_minor)},
		"struct statx":         {unsafe.Sizeof(scratch{}.stat), unsafe.Sizeof(stat)},
		"d_reclen":             {direntReclen, unsafe.Offsetof(ent.Reclen)},
		"d_name":               {direntName, unsafe.Offsetof(ent.Name)},
		"struct iovec":         {unsafe.Sizeof(iovec{}), unsafe.Sizeof(unix.Iovec{})},
		"struct msghdr":        {unsafe.Sizeof(msghdr{}), unsafe.Sizeof(unix.Msghdr{})},
		"msg_flags":            {unsafe.Offsetof(msghdr{}.flags), unsafe.Offsetof(unix.Msghdr{}.Flags)},
		"CMSG_LEN":             {unsafe.Offsetof(cmsg{}.fd) + 4, uintptr(unix.CmsgLen(4))},
		"CMSG_SPACE":           {unsafe.Sizeof(cmsg{}), uintptr(unix.CmsgSpace(4))},
		"struct open_how":      {unsafe.Sizeof(openHow{}), unix.SizeofOpenHow},
		"CLONE_ARGS_SIZE_VER2": {unsafe.Sizeof(cloneArgs{}), 88},
		"d_type":               {direntName - 1, unsafe.Offsetof(ent.Type)},
		"two timespecs":        {unsafe.Sizeof(copyState{}.times), 32},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d here, and %d", name, c[0], c[1])
		}
	}
}
