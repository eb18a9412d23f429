// The least that a container like that of the default bundle takes: one program
// without a runtime, configuration, state or error handling beyond an exit makes
// the same namespaces, the same mounts in the same places, pivot_root(2) and a
// cgroup, executes the program in it, and waits for its end.
//
//	limit CGROUP ROOTFS PROGRAM [ARG…]
//
// CGROUP is a directory of version 2 to make, or "" for none.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(call) ((call) == -1 ? (perror(#call), _exit(125)) : (void)0)

static const unsigned long plain = MS_NOSUID | MS_NOEXEC | MS_NODEV;

static const struct {
	const char *type, *target;
	unsigned long flags;
	const char *data;
} mounts[] = {
	{"proc", "proc", 0, NULL},
	{"tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"},
	{"devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
	{"tmpfs", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k"},
	{"mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL},
	{"sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL},
};

static const char *const masked[] = {
	"proc/acpi", "proc/asound", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list",
	"proc/timer_stats", "proc/sched_debug", "proc/scsi", "sys/firmware",
};

static const char *const readonly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void child(const char *group, const char *rootfs, char **argv) {
	CHECK(setsid());
	CHECK(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
	CHECK(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
	CHECK(chdir(rootfs));
	CHECK(sethostname("ocibox", 6));
	for (size_t i = 0; i < COUNT(mounts); i++) {
		mkdir(mounts[i].target, 0755);
		CHECK(mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].data));
	}
	// Its own cgroup: a mount of the whole hierarchy waits for an RCU grace period.
	if (*group) {
		CHECK(mount(group, "sys/fs/cgroup", NULL, MS_BIND, NULL));
		CHECK(mount(NULL, "sys/fs/cgroup", NULL, MS_BIND | MS_REMOUNT | plain | MS_RDONLY | MS_RELATIME, NULL));
	}
	for (size_t i = 0; i < COUNT(readonly); i++)
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			CHECK(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	for (size_t i = 0; i < COUNT(masked); i++) {
		struct stat st;
		if (stat(masked[i], &st) == -1)
			continue;
		if (S_ISDIR(st.st_mode))
			CHECK(mount("tmpfs", masked[i], "tmpfs", plain | MS_RDONLY, NULL));
		else
			CHECK(mount("/dev/null", masked[i], NULL, MS_BIND, NULL));
	}
	CHECK(mount(NULL, ".", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	CHECK(syscall(SYS_pivot_root, ".", "."));
	CHECK(umount2(".", MNT_DETACH));
	CHECK(chdir("/"));
	execv(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv) {
	if (argc < 4) {
		fprintf(stderr, "usage: limit CGROUP ROOTFS PROGRAM [ARG...]\n");
		return 125;
	}
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
		.exit_signal = SIGCHLD,
	};
	if (*argv[1]) {
		int dir;
		CHECK(mkdir(argv[1], 0755));
		CHECK(dir = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC));
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = dir;
	}
	pid_t pid;
	CHECK(pid = syscall(SYS_clone3, &args, sizeof args));
	if (pid == 0)
		child(argv[1], argv[2], argv + 3);
	int status;
	CHECK(waitpid(pid, &status, 0));
	if (*argv[1])
		CHECK(rmdir(argv[1]));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
