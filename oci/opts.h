/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options: a table a verb, that parses them and prints --help.
 *
 * A parser of our own because engines call us as they call runc, whose parser is that of Go:
 * one dash or two before a long name, `--x V` and `--x=V` alike, any word as a value,
 * no clusters of letters. getopt_long(3) takes `-no-subreaper` for letters.
 */
#ifndef CIS_OCI_OPTS_H
#define CIS_OCI_OPTS_H

#include <stdbool.h>
#include <stddef.h>

struct call;

/* Values of an option that may be repeated; NULL at the end. */
struct words {
	char **items;
	size_t n;
};

/* What options say, of all verbs and of none. */
struct options {
	bool help;
	/* before the verb */
	const char *root, *log, *log_format, *rootless, *profile, *cgroup_manager;
	bool systemd_cgroup, debug, version;
	/* create run exec */
	const char *bundle, *config, *pid_file, *console_socket, *pidfd_socket;
	unsigned int preserve_fds;
	bool no_pivot, no_new_keyring, no_subreaper, detach, keep;
	/* exec */
	const char *process, *cwd, *user, *process_label, *apparmor;
	struct words env, caps, groups, cgroups;
	bool tty, no_new_privs, ignore_paused;
	/* kill delete list ps events spec */
	bool all, force, quiet, stats, spec_rootless;
	const char *format, *interval;
	/* update */
	const char *resources, *memory, *memory_reservation, *memory_swap;
	const char *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_idle;
	const char *cpu_rt_period, *cpu_rt_runtime, *cpuset_cpus, *cpuset_mems;
	const char *blkio_weight, *pids_limit, *l3_cache, *mem_bw;
	/* install check */
	bool docker, containerd, crio, podman, is_default, dry_run;
	const char *name, *path, *file;
	/* checkpoint restore; lazy_pages and page_server are refused */
	const char *image_path, *work_path, *parent_path, *manage_cgroups, *empty_ns;
	const char *status_fd, *lsm_profile, *lsm_mount_context, *page_server;
	bool leave_running, pre_dump, tcp_established, tcp_skip_in_flight, tcp_close;
	bool ext_unix_sk, shell_job, file_locks, auto_dedup, link_remap, lazy_pages;
};

enum opt_kind {
	OPT_FLAG,  /* bool */
	OPT_TEXT,  /* const char * */
	OPT_MAYBE, /* the same, with a value only as --x=V */
	OPT_COUNT, /* unsigned int */
	OPT_WORDS, /* struct words */
};

struct opt {
	const char *name;
	char letter;
	enum opt_kind kind;
	size_t offset; /* in struct options */
	const char *value;
	const char *help;
};

struct command {
	const char *name;
	int (*run)(struct call *c);
	const char *args; /* as --help shows what stands behind the options */
	const char *help;
	const struct opt *opts; /* up to one without a name */
	int min, max;           /* how many words; max -1: any number */
	bool stop;              /* options end at the first word */
};

/* commands.c; both up to one without a name */
extern const struct command commands[];
extern const struct opt global_opts[];

/*
 * Takes the options out of argv[0..argc-1] and leaves the words in it, *ret_argc of
 * them. 0, or EXIT_FAILED with the error told. @verb is NULL for the global ones.
 */
int opts_parse(const char *verb, const struct opt *table, bool stop, int argc, char **argv,
	       struct options *o, int *ret_argc);
void opts_help(const struct opt *table);
void opts_done(struct options *o);

#endif
