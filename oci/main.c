/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cisandbox-oci: the command line of runc, in front of cis_oci_*() of <cisandbox.h>. Whatever
 * it does, another C program can do by the library. What engines send and read back stands in
 * cisandbox-oci(1).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "oci.h"

#ifndef CISANDBOX_COMMIT
#define CISANDBOX_COMMIT cis_version()
#endif

static void usage(FILE *f)
{
	fprintf(f,
		"Usage: " PROGRAM " [OPTION]... VERB [OPTION]... [ARG]...\n"
		"Run OCI bundles, for docker, containerd, CRI-O and podman.\n\n");
	for (const struct command *c = commands; c->name; c++)
		fprintf(f, "  %-10s %s\n", c->name, c->help);
	fputc('\n', f);
}

static int help(const struct command *c)
{
	if (!c) {
		usage(stdout);
		opts_help(global_opts);
		printf("\n" PROGRAM " VERB --help says more of each; so does " PROGRAM
		       "(1).\n");
		return finish_output();
	}
	printf("Usage: " PROGRAM " %s [OPTION]...%s%s\n\n%s.\n\n", c->name,
	       *c->args ? " " : "", c->args, c->help);
	opts_help(c->opts);
	return finish_output();
}

static int version(void)
{
	printf(PROGRAM " version %s\ncommit: %s\nspec: " SPEC_VERSION "\n", cis_version(),
	       CISANDBOX_COMMIT);
	return finish_output();
}

/* Descriptors 0 to 2 must be something, or what we open next takes their place. */
static void open_missing_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

static int failed(const struct command *c)
{
	return c->run == verb_exec ? EXIT_EXEC_FAILED : EXIT_FAILED;
}

static int call(struct call *c, int argc, char **argv)
{
	const struct command *cmd = c->command;

	if (opts_parse(cmd->name, cmd->opts, cmd->stop, argc, argv, &c->o, &c->argc))
		return failed(cmd);
	if (c->o.help)
		return help(cmd);
	c->argv = argv;
	argv[c->argc] = NULL;
	if (c->argc < cmd->min) {
		oci_fail_usage(cmd->name, "no container named");
		return failed(cmd);
	}
	if (cmd->max >= 0 && c->argc > cmd->max) {
		oci_fail_usage(cmd->name, "one word too many: %s", argv[cmd->max]);
		return failed(cmd);
	}
	return cmd->run(c);
}

static const struct command *find(const char *name)
{
	const struct command *c = commands;

	while (c->name && strcmp(c->name, name) != 0)
		c++;
	return c->name ? c : NULL;
}

static bool is_rootless_word(const char *v)
{
	return !v || !*v || strcmp(v, "true") == 0 || strcmp(v, "false") == 0 ||
	       strcmp(v, "auto") == 0;
}

/* 0: we ourselves; 1: systemd; -1: nobody we know. */
static int manager_of(const struct options *o)
{
	if (!o->cgroup_manager)
		return o->systemd_cgroup;
	if (strcmp(o->cgroup_manager, "cgroupfs") == 0)
		return 0;
	return strcmp(o->cgroup_manager, "systemd") == 0 ? 1 : -1;
}

/* Whose children are inside, and for a moment run this program's code there. */
static bool makes_processes(const struct command *cmd)
{
	return cmd->run == verb_create || cmd->run == verb_run || cmd->run == verb_exec;
}

static bool wants_help(int argc, char **argv)
{
	return argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
}

/*
 * As runc: somebody's own, where /run is another's. Podman without privilege is root of a
 * user namespace of its own. NULL: the usual one.
 */
static const char *own_root(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	static char path[4096];

	if (!dir || *dir != '/' || access("/run", W_OK) == 0 ||
	    (size_t)snprintf(path, sizeof path, "%s/" PROGRAM, dir) >= sizeof path)
		return NULL;
	return path;
}

static int dispatch(struct call *c, int argc, char **argv)
{
	const struct options *o = &c->o;
	struct cis_error err = {0};
	bool asks = argc > 0 && strcmp(argv[0], "help") == 0;
	int manager;

	if (log_open(o->log, o->log_format))
		return EXIT_FAILED;
	if (!is_rootless_word(o->rootless))
		return oci_fail_usage(NULL, "--rootless=%s: not true, false or auto",
				      o->rootless);
	if (o->version)
		return version();
	if (o->help || (asks && argc == 1))
		return help(NULL);
	if (argc == 0) {
		usage(stderr);
		return EXIT_FAILED;
	}
	c->command = find(argv[asks]);
	if (!c->command && (asks || wants_help(argc, argv)))
		return oci_fail_usage(NULL, "No help topic for '%s'", argv[asks]);
	if (!c->command)
		return oci_fail_usage(NULL, "no such verb: %s", argv[asks]);
	if (asks)
		return help(c->command);
	c->root_given = o->root != NULL;
	c->rt.root = o->root ? o->root : own_root();
	if (o->profile)
		c->rt.profile = o->profile;
	if (makes_processes(c->command) && cis_oci_seal(c->all, &err) < 0)
		return oci_fail_err(&err);
	manager = manager_of(o);
	if (manager < 0)
		return oci_fail_usage(NULL, "--cgroup-manager %s: neither cgroupfs nor systemd",
				      o->cgroup_manager);
	if (manager)
		c->rt.flags |= CIS_OCI_SYSTEMD_CGROUP;
	return call(c, argc - 1, argv + 1);
}

/* Engines that can pass no options can still call us by another name. */
static const char *profile_of_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	name = slash ? slash + 1 : name;
	return strncmp(name, PROGRAM "-", strlen(PROGRAM "-")) == 0
		       ? name + strlen(PROGRAM "-")
		       : NULL;
}

int main(int argc, char **argv)
{
	struct call c = {0};
	int status;

	open_missing_streams();
	prctl(PR_SET_NAME, PROGRAM); /* of a copy it would be a number */
	/* As it was given: opts_parse() changes its order. */
	c.all = calloc((size_t)argc + 1, sizeof *c.all);
	if (!c.all)
		return oci_fail("out of memory");
	memcpy(c.all, argv, (size_t)argc * sizeof *c.all);
	c.rt.profile = argc > 0 ? profile_of_name(argv[0]) : NULL;
	argc = argc > 0 ? argc - 1 : 0;
	argv = argc > 0 ? argv + 1 : argv;
	status = opts_parse(NULL, global_opts, true, argc, argv, &c.o, &argc);
	if (status == 0)
		status = dispatch(&c, argc, argv);
	opts_done(&c.o);
	free(c.all);
	return status;
}
