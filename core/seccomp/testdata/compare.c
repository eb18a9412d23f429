/* Compile a profile with libseccomp, for libseccomp_test.go. Standard input,
 * a line each, numbers in C's notation:
 *
 *	default ACTION
 *	arch NAME                                     the first alone is the machine's own
 *	rule ACTION NAME [ARG OP VALUE VALUE2]...     in the profile's order
 *
 * Actions are seccomp(2)'s values, operators those of enum scmp_compare.
 * Standard output is the program; standard error has "ARCH NAME" for every
 * name that this libseccomp does not know there. */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, int rc)
{
	fprintf(stderr, "compare: %s: %s\n", what, strerror(-rc));
	exit(1);
}

int main(void)
{
	static char line[4096];
	scmp_filter_ctx ctx = NULL;
	const char *arches[8];
	int narch = 0, rc;

	while (fgets(line, sizeof line, stdin)) {
		char *word = strtok(line, " \n");
		if (!word)
			continue;
		if (!strcmp(word, "default")) {
			ctx = seccomp_init(strtoul(strtok(NULL, " \n"), NULL, 0));
			if (!ctx)
				fail("seccomp_init", -EINVAL);
			rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
			if (rc < 0)
				fail("badarch", rc);
			/* as runc asks for above 32 rules */
			rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
			if (rc < 0)
				fail("optimize", rc);
		} else if (!strcmp(word, "arch")) {
			const char *name = strdup(strtok(NULL, " \n"));
			uint32_t token = seccomp_arch_resolve_name(name);
			if (narch == 0 && token != seccomp_arch_native()) {
				/* first, as one filter takes one byte order */
				rc = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
				if (rc < 0)
					fail("remove native", rc);
			}
			rc = seccomp_arch_add(ctx, token);
			if (rc < 0 && rc != -EEXIST)
				fail(name, rc);
			arches[narch++] = name;
		} else if (!strcmp(word, "rule")) {
			struct scmp_arg_cmp args[6];
			unsigned n = 0;
			uint32_t action = strtoul(strtok(NULL, " \n"), NULL, 0);
			const char *name = strtok(NULL, " \n"), *arg;
			int nr;
			while ((arg = strtok(NULL, " \n")) && n < 6) {
				args[n].arg = strtoul(arg, NULL, 0);
				args[n].op = strtoul(strtok(NULL, " \n"), NULL, 0);
				args[n].datum_a = strtoull(strtok(NULL, " \n"), NULL, 0);
				args[n].datum_b = strtoull(strtok(NULL, " \n"), NULL, 0);
				n++;
			}
			for (int i = 0; i < narch; i++) {
				nr = seccomp_syscall_resolve_name_arch(seccomp_arch_resolve_name(arches[i]), name);
				/* the calls of socketcall and ipc are -100 to -224 */
				if (nr < -224 || nr == __NR_SCMP_ERROR)
					fprintf(stderr, "%s %s\n", arches[i], name);
			}
			nr = seccomp_syscall_resolve_name(name);
			if (nr == __NR_SCMP_ERROR)
				continue;
			rc = seccomp_rule_add_array(ctx, action, nr, n, args);
			if (rc < 0 && rc != -EEXIST)
				fail(name, rc);
		}
	}
	if ((rc = seccomp_export_bpf(ctx, 1)) < 0)
		fail("seccomp_export_bpf", rc);
	return 0;
}
