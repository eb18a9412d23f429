// Run commands, and print what they and all that descends from them took: CPU
// time and wall time in microseconds, and the largest resident set of any one
// process in KiB. Those that lose their parents become this process's own
// (PR_SET_CHILD_SUBREAPER), so a container's init is counted too.
//
//	measure JOBS COUNT COMMAND [ARG…] [, COMMAND [ARG…]]… [/ COMMAND [ARG…] …]…
//
// Every list of commands up to a / is carried out COUNT times, JOBS at a time;
// in the arguments %d is the number of the time. The command @wait waits until no
// process is left. The wall time ends with the last command, the CPU time with
// the last process. Small and static: the resident set of a process that executes
// another counts as that one's, getrusage(2).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long cpu(void) {
	struct rusage r;
	getrusage(RUSAGE_CHILDREN, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000LL + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

static void reap(void) {
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

// run carries out argv, with the number n for each %d.
static void run(char **argv, int n) {
	char *args[64], texts[64][256];
	int i;
	if (!strcmp(argv[0], "@wait")) {
		reap();
		return;
	}
	for (i = 0; argv[i] && i < 63; i++) {
		args[i] = argv[i];
		if (strstr(argv[i], "%d")) {
			char *at = strstr(argv[i], "%d");
			snprintf(texts[i], sizeof texts[i], "%.*s%d%s", (int)(at - argv[i]), argv[i], n, at + 2);
			args[i] = texts[i];
		}
	}
	args[i] = NULL;
	pid_t pid = vfork();
	if (pid == -1)
		fail("vfork");
	if (pid == 0) {
		execv(args[0], args);
		_exit(127);
	}
	int status;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fail("waitpid");
	if (status) {
		fprintf(stderr, "measure:");
		for (i = 0; args[i]; i++)
			fprintf(stderr, " %s", args[i]);
		fprintf(stderr, ": %s %d\n", WIFEXITED(status) ? "exit status" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		_exit(1);
	}
}

// list carries out commands up to a NULL pair, for n.
static void list(char ***commands, int n) {
	for (; *commands; commands++)
		run(*commands, n);
}

int main(int argc, char **argv) {
	if (argc < 4 || atoi(argv[1]) < 1) {
		fprintf(stderr, "usage: measure JOBS COUNT COMMAND [ARG...] ...\n");
		return 125;
	}
	int jobs = atoi(argv[1]), count = atoi(argv[2]);
	// A list ends with a NULL, the last one with two.
	static char **commands[64];
	int n = 0;
	commands[n++] = argv + 3;
	for (int i = 3; i < argc && n < 60; i++) {
		int slash = !strcmp(argv[i], "/");
		if (!slash && strcmp(argv[i], ","))
			continue;
		argv[i] = NULL;
		if (slash)
			commands[n++] = NULL;
		commands[n++] = argv + i + 1;
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		fail("become a subreaper");
	int null = open("/dev/null", O_RDWR);
	if (null == -1 || dup2(null, 0) == -1)
		fail("/dev/null");
	int out = dup(1);
	if (out == -1 || fcntl(out, F_SETFD, FD_CLOEXEC) == -1 || fcntl(null, F_SETFD, FD_CLOEXEC) == -1 || dup2(null, 1) == -1)
		fail("dup");
	long long begin = now(), before = cpu();
	for (char ***l = commands; *l; ) {
		if (jobs == 1) {
			for (int i = 0; i < count; i++)
				list(l, i);
		} else {
			pid_t workers[16];
			for (int w = 0; w < jobs && w < 16; w++) {
				workers[w] = fork();
				if (workers[w] == -1)
					fail("fork");
				if (workers[w] == 0) {
					for (int i = w; i < count; i += jobs)
						list(l, i);
					_exit(0);
				}
			}
			for (int w = 0; w < jobs && w < 16; w++) {
				int status;
				if (waitpid(workers[w], &status, 0) == -1)
					fail("waitpid");
				if (status)
					return 1;
			}
		}
		while (*l)
			l++;
		l++;
	}
	long long wall = now() - begin;
	reap();
	struct rusage r;
	getrusage(RUSAGE_CHILDREN, &r);
	dprintf(out, "%lld %lld %ld\n", cpu() - before, wall, r.ru_maxrss);
	return 0;
}
