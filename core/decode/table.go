package decode

import "strings"

// table describes every system call of the 64-bit ABIs, and those of the 32-bit
// ones that have a name of their own, sorted by name: the name, a word of the
// classes that it is in (class in classes.go; "-" for none), and the kinds of
// its arguments. A kind is one of kinds (args.go), or a set of core/names; ">"
// before it says that the call writes there, so that it is printed at the exit;
// ":N" behind it names another argument, such as the one that has a length.
// "=" begins the form of a result that is not a number.
const table = `
_llseek d fd x x >p whence
_newselect d d fdset fdset fdset tv =select
_sysctl - p
accept n fd >sockaddr:2 >socklen =fd
accept4 n fd >sockaddr:2 >socklen sockflags =fd
access f path access
acct f path
add_key C str str buf:3 lu keyring
adjtimex k p
afs_syscall - x x x x x
alarm - u
arch_prctl Cp archprctl p
arm_fadvise64_64 d fd x x x x x
arm_sync_file_range d fd x x x x x
bdflush - x x
bind n fd sockaddr:2 d
bpf dC bpf bpfattr:2 u
break m x
brk m p =hex
cachestat d fd p p x
capget c capheader >capdata
capset cC capheader capdata
chdir fC path
chmod f path mode
chown fC path uid uid
chown32 f path uid uid
chroot fC path
clock_adjtime k clock p
clock_adjtime64 k clock p
clock_getres k clock >ts
clock_getres_time64 k clock p
clock_gettime k clock >ts
clock_gettime64 k clock p
clock_nanosleep - clock timer ts >tsrem
clock_nanosleep_time64 - clock timer p p
clock_settime k clock ts
clock_settime64 k clock p
clone pC clonehead >clonetail
clone3 pC cloneargs:1 >cloneout
close d fd
close_range C u u closerange
connect n fd sockaddr:2 d
copy_file_range d fd p fd p lu u
creat df path mode =fd
create_module - x x
delete_module - str openbits
dup d fd =fd
dup2 d fd fd =fd
dup3 d fd fd openbits =fd
epoll_create d d =fd
epoll_create1 d epollcreate =fd
epoll_ctl d fd epollop fd epollevent
epoll_ctl_old - x x x x
epoll_pwait d fd >epollgot d d sigset:5 lu
epoll_pwait2 d fd >epollgot d ts sigset:5 lu
epoll_wait d fd >epollgot d d
epoll_wait_old - x x x x
eventfd d u =fd
eventfd2 d u eventfd =fd
execve fpC path argv envp
execveat dfpC dirfd path argv envp at
exit p d =?
exit_group p d =?
faccessat df dirfd path access
faccessat2 df dirfd path access accessat
fadvise64 d fd ld ld d
fadvise64_64 d fd x x x x x
fallocate d fd fallocate ld ld
fanotify_init d x open =fd
fanotify_mark df fd x x dirfd path
fchdir dC fd
fchmod d fd mode
fchmodat df dirfd path mode
fchmodat2 df dirfd path mode at
fchown dC fd uid uid
fchown32 d fd uid uid
fchownat dfC dirfd path uid uid at
fcntl d fd fcntl >fcntlarg =fcntl
fcntl64 d fd fcntl >fcntlarg =fcntl
fdatasync d fd
fgetxattr d fd str >xval:3 lu
file_getattr df dirfd path p lu at
file_setattr df dirfd path p lu at
finit_module d fd str x
flistxattr d fd >rbuf lu
flock d fd flock
fork p
fremovexattr d fd str
fsconfig dfC fd fsconfig fskey fsvalue fsaux
fsetxattr d fd str buf:3 lu xattr
fsmount dC fd fsmount mountattrs =fd
fsopen dC str fsopen =fd
fspick dfC dirfd path fspick =fd
fstat d fd >stat
fstat64 d fd >p
fstatat64 df dirfd path >p at
fstatfs d fd >statfs
fstatfs64 d fd lu >p
fsync d fd
ftime k p
ftruncate d fd ld
ftruncate64 d fd x x
futex - p futexop futexval futextime futexaddr futexval3
futex_requeue - p x x x
futex_time64 - p futexop futexval p p x
futex_wait - p x x x p clock
futex_waitv - p u x p clock
futex_wake - p x x x
futimesat df dirfd path p
get_kernel_syms - x
get_mempolicy m p p lu p x
get_robust_list - d >p >p
get_thread_area - p
getcpu - >u32 >u32 p
getcwd f >cwd lu
getdents d fd >dents lu
getdents64 d fd >dents64 lu
getegid c
getegid32 c
geteuid c
geteuid32 c
getgid c
getgid32 c
getgroups c d >groups
getgroups32 c d >groups
getitimer - itimer >itv
getpeername n fd >sockaddr:2 >socklen
getpgid - d
getpgrp -
getpid -
getpmsg n x x x x x
getppid -
getpriority - priowho d
getrandom - >random lu getrandom
getresgid c >u32 >u32 >u32
getresgid32 c >u32 >u32 >u32
getresuid c >u32 >u32 >u32
getresuid32 c >u32 >u32 >u32
getrlimit - rlimits >rlimit
getrusage - rusagewho >rusage
getsid - d
getsockname n fd >sockaddr:2 >socklen
getsockopt n fd sol optname >optout:4 >optlen
gettid -
gettimeofday k >tv >p
getuid c
getuid32 c
getxattr f path str >xval:3 lu
getxattrat df dirfd path at str p lu
gtty - x x
idle -
init_module - p lu str
inotify_add_watch df fd path inotify
inotify_init d =fd
inotify_init1 d inotifyinit =fd
inotify_rm_watch d fd d
io_cancel - p p p
io_destroy m p
io_getevents - p ld ld p p
io_pgetevents - p ld ld p p p
io_pgetevents_time64 - p ld ld p p p
io_setup m u p
io_submit - p ld p
io_uring_enter ds fd u u x p lu
io_uring_register dm fd x p u
io_uring_setup d u p =fd
ioctl d fd ioctlcmd >ioctlarg
ioperm - lu lu d
iopl - d
ioprio_get - iowho d =ioprio
ioprio_set - iowho d ioprio
ipc i x x x p p x
kcmp - d d kcmp lu lu
kexec_file_load d fd fd lu str x
kexec_load - p lu p x
keyctl C keyctl keyarg >keyarg >keyarg >keyarg
kill sp d sig
landlock_add_rule dC fd landlockrule landlockattr x
landlock_create_ruleset dC landlockruleset:1 lu landlocknew =ruleset
landlock_restrict_self dC fd x
lchown fC path uid uid
lchown32 f path uid uid
lgetxattr f path str >xval:3 lu
link f path path
linkat df dirfd path dirfd path at
listen n fd d
listmount C p p lu x
listns C p p lu x
listxattr f path >rbuf lu
listxattrat df dirfd path at p lu
llistxattr f path >rbuf lu
lock -
lookup_dcookie f x x x
lremovexattr f path str
lseek d fd ld whence
lsetxattr f path str buf:3 lu xattr
lsm_get_self_attr - u p p x
lsm_list_modules - p p x
lsm_set_self_attr C u p lu x
lstat f path >stat
lstat64 f path >p
madvise m p lu madvise
map_shadow_stack m p lu x =hex
mbind m p lu mempolicy p lu mbind
membarrier - membarrier x d
memfd_create dC str memfd =fd
memfd_secret d x =fd
migrate_pages m d lu p p
mincore m p lu >p
mkdir f path mode
mkdirat df dirfd path mode
mknod fC path modet
mknodat dfC dirfd path modet
mlock m p lu
mlock2 m p lu x
mlockall m mlockall
mmap dm p lu prot map fd x =hex
mmap2 dm p lu prot map fd x =hex
modify_ldt - d p lu
mount fC path path fstype mount mountdata
mount_setattr dfC dirfd path at mountattr:4 lu
move_mount dfC dirfd path dirfd path movemount
move_pages m d lu p p p x
mprotect m p lu prot
mpx -
mq_getsetattr d fd p p
mq_notify d fd p
mq_open - str open openmode:1 p =fd
mq_timedreceive d fd p lu p p
mq_timedreceive_time64 d fd p lu p p
mq_timedsend d fd p lu u p
mq_timedsend_time64 d fd p lu u p
mq_unlink - str
mremap m p lu lu mremap p =hex
mseal m p lu x
msgctl i d ipccmd p
msgget i x ipcget
msgrcv i d p lu ld x
msgsnd i d p lu x
msync m p lu msync
munlock m p lu
munlockall m
munmap m p lu
name_to_handle_at df dirfd path p p at
nanosleep - ts >tsrem
newfstatat df dirfd path >stat at
nfsservctl - x x x
nice - d
oldfstat d fd >p
oldlstat f path >p
oldolduname - >p
oldstat f path >p
olduname - >p
open df path open openmode:1 =fd
open_by_handle_at d fd p open =fd
open_tree dfC dirfd path opentree =fd
open_tree_attr dfC dirfd path opentree mountattr:4 lu =fd
openat df dirfd path open openmode:2 =fd
openat2 dfC dirfd path openhow:3 lu =fd
pause s
perf_event_open d p d d d x =fd
personality C personality =personality
pidfd_getfd dC fd fd x =fd
pidfd_open dC d pidfd =fd
pidfd_send_signal dsp fd sig siginfo x
pipe d >fds
pipe2 d >fds openbits
pivot_root fC path path
pkey_alloc - x x
pkey_free - d
pkey_mprotect m p lu prot d
poll d pollfds:1 lu d =poll
ppoll d pollfds:1 lu ts sigset:4 lu =ppoll
ppoll_time64 d pollfds:1 lu p sigset:4 lu =poll
prctl C prctl >prctlargs =prctl
pread64 d fd >rbuf lu ld
preadv d fd >riov:2 lu ld
preadv2 d fd >riov:2 lu ld none rwf
prlimit64 C d rlimits rlimit64 >rlimit64
process_madvise d fd iov:2 lu madvise x
process_mrelease d fd x
process_vm_readv - d iovs:2 lu iovs:4 lu x
process_vm_writev - d iov:2 lu iovs:4 lu x
prof -
profil -
pselect6 d d fdset fdset fdset ts p =select
pselect6_time64 d d fdset fdset fdset p x
ptrace - ptrace d x x
putpmsg n x x x x x
pwrite64 d fd buf:2 lu ld
pwritev d fd iov:2 lu ld
pwritev2 d fd iov:2 lu ld none rwf
query_module - x x x x x
quotactl f x path d p
quotactl_fd d fd x d p
read d fd >rbuf lu
readahead d fd ld lu
readdir d fd >p u
readlink f path >rbuf lu
readlinkat df dirfd path >rbuf lu
readv d fd >riov:2 lu
reboot C x x x p
recv n fd >rbuf lu msg
recvfrom n fd >rbuf lu msg >sockaddr:5 >socklen
recvmmsg n fd >p u msg p
recvmmsg_time64 n fd >p u msg p
recvmsg n fd >rmsghdr msg
remap_file_pages m p lu x lu x
removexattr f path str
removexattrat df dirfd path at str
rename f path path
renameat df dirfd path dirfd path
renameat2 df dirfd path dirfd path rename
request_key C str str str keyring
restart_syscall - restart
riscv_flush_icache m p p x
riscv_hwprobe - p lu lu p x
rmdir f path
rseq - p x x x
rseq_slice_yield -
rt_sigaction s sig sigaction >sigaction lu
rt_sigpending s >sigset:1 lu
rt_sigprocmask s sighow sigset:3 >sigset:3 lu
rt_sigqueueinfo sp d sig siginfo
rt_sigreturn s sigframe
rt_sigsuspend s sigset:1 lu
rt_sigtimedwait s sigset:3 >siginfo ts lu =sig
rt_sigtimedwait_time64 s sigset:3 >siginfo p lu =sig
rt_tgsigqueueinfo sp d d sig siginfo
sched_get_priority_max - schedpolicy
sched_get_priority_min - schedpolicy
sched_getaffinity - d lu >cpuset
sched_getattr - d >p u u
sched_getparam - d >schedparam
sched_getscheduler - d =schedpolicy
sched_rr_get_interval - d >ts
sched_rr_get_interval_time64 - d >p
sched_setaffinity - d lu cpuset
sched_setattr C d schedattr u
sched_setparam - d schedparam
sched_setscheduler - d schedpolicy schedparam
sched_yield -
seccomp C seccomp seccompbits >seccomparg
security -
select d d fdset fdset fdset tv =select
semctl i d d ipccmd x
semget i x d ipcget
semop i d p lu
semtimedop i d p lu ts
semtimedop_time64 i d p lu p
send n fd buf:2 lu msg
sendfile dn fd fd offset lu
sendfile64 dn fd fd p lu
sendmmsg n fd >p u msg
sendmsg n fd msghdr msg
sendto n fd netbuf:2 lu msg sockaddr:5 d
set_mempolicy m mempolicy p lu
set_mempolicy_home_node m p lu lu x
set_robust_list - p lu
set_thread_area - p
set_tid_address - p
setdomainname C hostname:1 lu
setfsgid cC uid
setfsgid32 cC uid
setfsuid cC uid
setfsuid32 cC uid
setgid cC uid
setgid32 cC uid
setgroups cC lu groups:0
setgroups32 cC lu groups:0
sethostname C hostname:1 lu
setitimer - itimer itv >itv
setns dC fd namespace
setpgid C d d
setpriority - priowho d d
setregid cC uid uid
setregid32 cC uid uid
setresgid cC uid uid uid
setresgid32 cC uid uid uid
setresuid cC uid uid uid
setresuid32 cC uid uid uid
setreuid cC uid uid
setreuid32 cC uid uid
setrlimit C rlimits rlimit
setsid C
setsockopt n fd sol optname optin:4 d
settimeofday k tv p
setuid cC uid
setuid32 cC uid
setxattr f path str buf:3 lu xattr
setxattrat df dirfd path at str p lu
sgetmask s
shmat im d p x =hex
shmctl i d ipccmd p
shmdt im p
shmget i x lu ipcget
shutdown n fd shutdown
sigaction s sig p p
sigaltstack s stack >stack
signal s sig p
signalfd ds fd sigset:2 lu =fd
signalfd4 ds fd sigset:2 lu signalfd =fd
sigpending s >p
sigprocmask s sighow p >p
sigreturn s
sigsuspend s x x x
socket n family socktype sockproto:0 =fd
socketcall n x p
socketpair n family socktype sockproto:0 >fds
splice d fd p fd p lu splice
ssetmask s x
stat f path >stat
stat64 f path >p
statfs f path >statfs
statfs64 f path lu >p
statmount C p p lu x
statx df dirfd path statxat statxmask >statx
stime k p
stty - x x
swapoff f path
swapon f path x
symlink f path path
symlinkat df path dirfd path
sync -
sync_file_range d fd ld ld x
sync_file_range2 d fd x x x x x
syncfs d fd
sysfs - x x x
sysinfo - >sysinfo
syslog - d >rbuf d
tee d fd fd lu splice
tgkill sp d d sig
time k p
timer_create - clock p >p
timer_delete - d
timer_getoverrun - d
timer_gettime - d >its
timer_gettime64 - d >p
timer_settime - d timer its >its
timer_settime64 - d timer p >p
timerfd_create d clock timerfd =fd
timerfd_gettime d fd >its
timerfd_gettime64 d fd >p
timerfd_settime d fd timerfd its >its
timerfd_settime64 d fd timerfd p >p
times - >p
tkill sp d sig
truncate f path ld
truncate64 f path x x
tuxcall -
ugetrlimit - rlimits >p
ulimit - x x
umask - mode =oct
umount fC path
umount2 fC path umount
uname - >utsname
unlink f path
unlinkat df dirfd path at
unshare C namespace
uprobe -
uretprobe -
uselib f path
userfaultfd d userfaultfd =fd
ustat - dev >p
utime f path p
utimensat df dirfd path ts2 at
utimensat_time64 df dirfd path p at
utimes f path p
vfork p
vhangup -
vm86 - x x
vm86old - x
vmsplice d fd iov:2 lu splice
vserver -
wait4 p d >wstatus wait >rusage
waitid p idtype d >waitinfo wait >rusage
waitpid p d >wstatus wait
write d fd buf:2 lu
writev d fd iov:2 lu
`

// describe finds a call's line in the table.
func describe(name string) (string, bool) {
	_, line, ok := strings.Cut(table, "\n"+name+" ")
	if ok {
		line, _, _ = strings.Cut(line, "\n")
	}
	return line, ok
}
