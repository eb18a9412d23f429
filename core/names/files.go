package names

import "golang.org/x/sys/unix"

// AccessModes are the values of O_ACCMODE.
var AccessModes = List{Words: "O_RDONLY O_WRONLY O_RDWR O_ACCMODE"}

// openBits are in strace's order. O_TMPFILE holds O_DIRECTORY, and O_SYNC O_DSYNC.
var openBits = List{Names: []Name{
	{unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"}, {unix.O_NOCTTY, "O_NOCTTY"}, {unix.O_TRUNC, "O_TRUNC"},
	{unix.O_APPEND, "O_APPEND"}, {unix.O_NONBLOCK, "O_NONBLOCK"}, {unix.O_SYNC, "O_SYNC"}, {unix.O_DSYNC, "O_DSYNC"},
	{unix.O_DIRECT, "O_DIRECT"}, {largeFile, "O_LARGEFILE"}, {unix.O_NOFOLLOW, "O_NOFOLLOW"}, {unix.O_NOATIME, "O_NOATIME"},
	{unix.O_CLOEXEC, "O_CLOEXEC"}, {unix.O_PATH, "O_PATH"}, {unix.O_TMPFILE, "O_TMPFILE"}, {unix.O_DIRECTORY, "O_DIRECTORY"},
	{unix.O_ASYNC, "FASYNC"},
}}

// Flags of open(2) and its kin.
var (
	Open     = Set{"open", "O_???", unix.O_ACCMODE, AccessModes, openBits}
	OpenBits = Set{"openbits", "O_???", 0, List{}, openBits}
	Resolves = Set{"resolve", "RESOLVE_???", 0, List{}, List{
		Words: "RESOLVE_NO_XDEV RESOLVE_NO_MAGICLINKS RESOLVE_NO_SYMLINKS RESOLVE_BENEATH RESOLVE_IN_ROOT RESOLVE_CACHED"}}
	At = Set{"at", "AT_???", 0, List{}, List{
		First: 8, Words: "AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH - - AT_RECURSIVE"}}
	statxAt = Set{"statxat", "AT_???", 0x6000, List{Names: []Name{
		{unix.AT_STATX_SYNC_AS_STAT, "AT_STATX_SYNC_AS_STAT"}, {unix.AT_STATX_FORCE_SYNC, "AT_STATX_FORCE_SYNC"}, {unix.AT_STATX_DONT_SYNC, "AT_STATX_DONT_SYNC"},
	}}, List{First: 8, Words: "AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH - - AT_RECURSIVE"}}
	accessAt = Set{"accessat", "AT_???", 0, List{}, List{
		First: 8, Words: "AT_SYMLINK_NOFOLLOW AT_EACCESS - - AT_EMPTY_PATH"}}
	statxMask = Set{"statxmask", "STATX_???", 0, List{}, List{
		Names: []Name{{unix.STATX_ALL, "STATX_ALL"}, {unix.STATX_BASIC_STATS, "STATX_BASIC_STATS"}},
		Words: "STATX_TYPE STATX_MODE STATX_NLINK STATX_UID STATX_GID STATX_ATIME STATX_MTIME STATX_CTIME STATX_INO STATX_SIZE STATX_BLOCKS STATX_BTIME STATX_MNT_ID STATX_DIOALIGN"}}
	statxAttr = Set{"statxattr", "STATX_ATTR_???", 0, List{}, List{
		First: 2, Words: "STATX_ATTR_COMPRESSED - STATX_ATTR_IMMUTABLE STATX_ATTR_APPEND STATX_ATTR_NODUMP - - - - STATX_ATTR_ENCRYPTED STATX_ATTR_AUTOMOUNT STATX_ATTR_MOUNT_ROOT - - - - - - STATX_ATTR_VERITY STATX_ATTR_DAX"}}
	access     = Set{"access", "?_OK", 0, List{}, List{Names: []Name{{0, "F_OK"}, {unix.R_OK, "R_OK"}, {unix.W_OK, "W_OK"}, {unix.X_OK, "X_OK"}}}}
	FileTypes  = Set{"filetype", "S_???", all, List{Names: []Name{{unix.S_IFREG, "S_IFREG"}, {unix.S_IFSOCK, "S_IFSOCK"}, {unix.S_IFIFO, "S_IFIFO"}, {unix.S_IFLNK, "S_IFLNK"}, {unix.S_IFDIR, "S_IFDIR"}, {unix.S_IFBLK, "S_IFBLK"}, {unix.S_IFCHR, "S_IFCHR"}}}, List{}}
	dirTypes   = Set{"dirtype", "DT_???", all, List{Words: "DT_UNKNOWN DT_FIFO DT_CHR - DT_DIR - DT_BLK - DT_REG - DT_LNK - DT_SOCK - DT_WHT"}, List{}}
	whences    = Set{"whence", "SEEK_???", all, List{Words: "SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE"}, List{}}
	CloseRange = Set{"closerange", "CLOSE_RANGE_???", 0, List{}, List{First: 1, Words: "CLOSE_RANGE_UNSHARE CLOSE_RANGE_CLOEXEC"}}
	renames    = Set{"rename", "RENAME_???", 0, List{}, List{Words: "RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT"}}
	fallocates = Set{"fallocate", "FALLOC_FL_???", 0, List{}, List{
		Words: "FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_NO_HIDE_STALE FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_ZERO_RANGE FALLOC_FL_INSERT_RANGE FALLOC_FL_UNSHARE_RANGE"}}
	flocks = Set{"flock", "LOCK_???", 0, List{}, List{Words: "LOCK_SH LOCK_EX LOCK_NB LOCK_UN - LOCK_MAND"}}
	xattrs = Set{"xattr", "XATTR_???", 0, List{}, List{Words: "XATTR_CREATE XATTR_REPLACE"}}
	rwfs   = Set{"rwf", "RWF_???", 0, List{}, List{Words: "RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND"}}
	splice = Set{"splice", "SPLICE_F_???", 0, List{}, List{Words: "SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT"}}
	memfds = Set{"memfd", "MFD_???", 0, List{}, List{Words: "MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB MFD_NOEXEC_SEAL MFD_EXEC"}}
	seals  = Set{"seals", "F_SEAL_???", 0, List{}, List{Words: "F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE F_SEAL_FUTURE_WRITE F_SEAL_EXEC"}}
	fcntls = Set{"fcntl", "F_???", all, List{
		Words: "F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG - - - F_SETOWN_EX F_GETOWN_EX",
		Names: []Name{{1024, "F_SETLEASE"}, {1025, "F_GETLEASE"}, {1026, "F_NOTIFY"}, {1029, "F_CANCELLK"}, {unix.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"},
			{unix.F_SETPIPE_SZ, "F_SETPIPE_SZ"}, {unix.F_GETPIPE_SZ, "F_GETPIPE_SZ"}, {unix.F_ADD_SEALS, "F_ADD_SEALS"}, {unix.F_GET_SEALS, "F_GET_SEALS"},
			{36, "F_OFD_GETLK"}, {37, "F_OFD_SETLK"}, {38, "F_OFD_SETLKW"}}}, List{}}
	lockTypes  = Set{"locktype", "F_???", all, List{Words: "F_RDLCK F_WRLCK F_UNLCK"}, List{}}
	fdFlags    = Set{"fdflags", "FD_???", 0, List{}, List{Words: "FD_CLOEXEC"}}
	epolls     = Set{"epollcreate", "EPOLL_???", 0, List{}, List{Names: []Name{{unix.EPOLL_CLOEXEC, "EPOLL_CLOEXEC"}}}}
	epollOps   = Set{"epollop", "EPOLL_CTL_???", all, List{First: 1, Words: "EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD"}, List{}}
	epollBits  = Set{"epollevents", "EPOLL???", 0, List{}, List{Words: "EPOLLIN EPOLLPRI EPOLLOUT EPOLLERR EPOLLHUP EPOLLNVAL EPOLLRDNORM EPOLLRDBAND EPOLLWRNORM EPOLLWRBAND EPOLLMSG - - EPOLLRDHUP - - - - - - - - - - - - - - EPOLLEXCLUSIVE EPOLLWAKEUP EPOLLONESHOT EPOLLET"}}
	pollBits   = Set{"pollevents", "POLL???", 0, List{}, List{Words: "POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND POLLWRNORM POLLWRBAND POLLMSG - POLLREMOVE POLLRDHUP"}}
	eventfds   = Set{"eventfd", "EFD_???", 0, List{}, List{Names: []Name{{unix.EFD_SEMAPHORE, "EFD_SEMAPHORE"}, {unix.EFD_CLOEXEC, "EFD_CLOEXEC"}, {unix.EFD_NONBLOCK, "EFD_NONBLOCK"}}}}
	inotifies  = Set{"inotifyinit", "IN_???", 0, List{}, List{Names: []Name{{unix.IN_NONBLOCK, "IN_NONBLOCK"}, {unix.IN_CLOEXEC, "IN_CLOEXEC"}}}}
	inotifyBit = Set{"inotify", "IN_???", 0, List{}, List{Words: "IN_ACCESS IN_MODIFY IN_ATTRIB IN_CLOSE_WRITE IN_CLOSE_NOWRITE IN_OPEN IN_MOVED_FROM IN_MOVED_TO IN_CREATE IN_DELETE IN_DELETE_SELF IN_MOVE_SELF - IN_UNMOUNT IN_Q_OVERFLOW IN_IGNORED - - - - - - - - IN_ONLYDIR IN_DONT_FOLLOW IN_EXCL_UNLINK - IN_MASK_CREATE IN_MASK_ADD IN_ISDIR IN_ONESHOT"}}
	timerfds   = Set{"timerfd", "TFD_???", 0, List{}, List{Names: []Name{{1, "TFD_TIMER_ABSTIME"}, {2, "TFD_TIMER_CANCEL_ON_SET"}, {unix.TFD_CLOEXEC, "TFD_CLOEXEC"}, {unix.TFD_NONBLOCK, "TFD_NONBLOCK"}}}}
	signalfds  = Set{"signalfd", "SFD_???", 0, List{}, List{Names: []Name{{unix.SFD_CLOEXEC, "SFD_CLOEXEC"}, {unix.SFD_NONBLOCK, "SFD_NONBLOCK"}}}}
	uffds      = Set{"userfaultfd", "UFFD_???", 0, List{}, List{Names: []Name{{1, "UFFD_USER_MODE_ONLY"}, {unix.O_NONBLOCK, "O_NONBLOCK"}, {unix.O_CLOEXEC, "O_CLOEXEC"}}}}
	magics     = Set{"fsmagic", "???", all, List{Names: []Name{
		{unix.EXT4_SUPER_MAGIC, "EXT2_SUPER_MAGIC"}, {unix.TMPFS_MAGIC, "TMPFS_MAGIC"}, {unix.PROC_SUPER_MAGIC, "PROC_SUPER_MAGIC"},
		{unix.SYSFS_MAGIC, "SYSFS_MAGIC"}, {unix.CGROUP_SUPER_MAGIC, "CGROUP_SUPER_MAGIC"}, {unix.CGROUP2_SUPER_MAGIC, "CGROUP2_SUPER_MAGIC"},
		{unix.OVERLAYFS_SUPER_MAGIC, "OVERLAYFS_SUPER_MAGIC"}, {unix.NSFS_MAGIC, "NSFS_MAGIC"}, {unix.BTRFS_SUPER_MAGIC, "BTRFS_SUPER_MAGIC"},
		{unix.XFS_SUPER_MAGIC, "XFS_SUPER_MAGIC"}, {unix.DEVPTS_SUPER_MAGIC, "DEVPTS_SUPER_MAGIC"}, {unix.RAMFS_MAGIC, "RAMFS_MAGIC"},
		{unix.BPF_FS_MAGIC, "BPF_FS_MAGIC"}, {unix.SECURITYFS_MAGIC, "SECURITYFS_MAGIC"}, {unix.SELINUX_MAGIC, "SELINUX_MAGIC"},
		{unix.PIPEFS_MAGIC, "PIPEFS_MAGIC"}, {unix.SOCKFS_MAGIC, "SOCKFS_MAGIC"}, {unix.ANON_INODE_FS_MAGIC, "ANON_INODE_FS_MAGIC"},
		{0x1021997, "V9FS_MAGIC"}, {unix.FUSE_SUPER_MAGIC, "FUSE_SUPER_MAGIC"}, {unix.NFS_SUPER_MAGIC, "NFS_SUPER_MAGIC"},
		{unix.SQUASHFS_MAGIC, "SQUASHFS_MAGIC"}, {unix.HUGETLBFS_MAGIC, "HUGETLBFS_MAGIC"}}}, List{}}
	statfsBits = Set{"statfsflags", "ST_???", 0, List{}, List{Words: "ST_RDONLY ST_NOSUID ST_NODEV ST_NOEXEC ST_SYNCHRONOUS ST_VALID ST_MANDLOCK - - - ST_NOATIME ST_NODIRATIME ST_RELATIME ST_NOSYMFOLLOW"}}
)
