/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One more process in a running container.
 *
 *	caller   opens and compiles what is needed
 *	joiner   its clone, born in init's group; joins init's namespaces, the user
 *	         namespace last; not dumpable meanwhile (CVE-2016-9962)
 *	command  its clone by CLONE_PARENT: the caller's child, whom nobody stands
 *	         between when the caller is gone
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/record.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../isolate/caps.h"
#include "../isolate/procfd.h"
#include "../isolate/sched.h"
#include "../isolate/userns.h"
#include "box.h"
#include "console.h"
#include "keeper.h"
#include "overlay-root.h"
#include "profile.h"
#include "verbs.h"

#define MAX_CPUS 8192 /* as in sched.c */

struct entering {
	const struct cis_oci *rt;
	const struct cis_oci_exec *how;
	struct container ct;
	struct config config;
	struct config_process own; /* of how->process */
	const struct config_process *p;
	struct finish finish;
	struct shown_cpus cpus;
	struct args_area args;
	int pidfd;    /* of init */
	uint64_t namespaces; /* of init that are not ours */
	int cgroup;   /* init's of cgroup2, or -1 */
	int sync[2];
	pid_t *pid;   /* of the command; shared, as in box.h */
};

/* ---- what it is to be ----------------------------------------------------------------- */

static int read_process(struct entering *e, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	cleanup(json_freep) struct json *doc = NULL;
	size_t len;
	int r = io_read_file_at(AT_FDCWD, e->how->process, JSON_MAX_TEXT, &text, &len);

	if (r < 0)
		return cis_fail(err, -r, "process %s", e->how->process);
	r = json_parse(text, len, JSON_UNSIGNED, "process", &doc, err);
	if (r >= 0)
		r = config_load_process(&e->own, doc, err);
	e->p = &e->own;
	return r;
}

/* "UID[:GID]": nothing else may ever be taken for a number (CVE-2026-30892). */
static int parse_user(const char *text, struct config_process *p, struct cis_error *err)
{
	cleanup_free char *uid = strndup(text, strcspn(text, ":"));
	const char *colon = strchr(text, ':');
	uint64_t u, g = p->gid;

	if (!uid)
		return cis_fail(err, ENOMEM, "user");
	if (str_parse_u64(uid, &u) < 0 || u > UINT32_MAX - 1 ||
	    (colon && (str_parse_u64(colon + 1, &g) < 0 || g > UINT32_MAX - 1)))
		return cis_fail_plain(err, EINVAL, "user \"%s\": must be UID[:GID]", text);
	p->uid = (uid_t)u;
	p->gid = (gid_t)g;
	return 0;
}

/*
 * Ambient ones must be inheritable, and only the config makes some that. Unknown ones grant
 * nothing, as in config.json.
 */
static void add_caps(struct config_process *p, char *const *caps)
{
	for (size_t i = 0; caps && caps[i]; i++) {
		int cap = caps_from_name(caps[i]);

		if (cap < 0)
			continue;
		p->has_caps = true;
		for (int set = 0; set < CAP_SETS; set++)
			if (set != CAPS_INHERITABLE &&
			    (set != CAPS_AMBIENT || p->caps[CAPS_INHERITABLE]))
				p->caps[set] |= 1ULL << cap;
	}
}

static int set_groups(struct config_process *p, const struct cis_oci_exec *how)
{
	if (!how->n_groups)
		return 0;
	free(p->groups);
	p->groups = calloc(how->n_groups, sizeof *p->groups);
	if (!p->groups)
		return -ENOMEM;
	for (size_t i = 0; i < how->n_groups; i++)
		p->groups[i] = how->groups[i];
	p->n_groups = how->n_groups;
	return 0;
}

/* The container's own process is the pattern: what is not said stays as there. */
static int change_process(struct entering *e, struct cis_error *err)
{
	struct config_process *p = &e->config.process;
	const struct cis_oci_exec *how = e->how;
	int r = how->argv ? strv_set(&p->args, how->argv) : -EINVAL;

	for (size_t i = 0; r >= 0 && how->env && how->env[i]; i++)
		r = strv_add(&p->env, how->env[i]);
	if (r >= 0 && how->cwd)
		r = str_set(&p->cwd, how->cwd);
	if (r >= 0 && how->apparmor)
		r = str_set(&p->apparmor, how->apparmor);
	if (r >= 0 && how->process_label)
		r = str_set(&p->selinux, how->process_label);
	if (r >= 0)
		r = set_groups(p, how);
	if (r < 0)
		return cis_fail(err, -r, "exec");
	p->terminal = how->flags & CIS_OCI_EXEC_TTY;
	if (how->flags & CIS_OCI_EXEC_NO_NEW_PRIVS)
		p->no_new_privs = true;
	p->rows = how->rows;
	p->cols = how->cols;
	if (how->user && (r = parse_user(how->user, p, err)) < 0)
		return r;
	add_caps(p, how->caps);
	return 0;
}

/* ---- where it goes ---------------------------------------------------------------------- */

static uint64_t foreign_namespaces(pid_t init)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} all[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},   {"pid", CLONE_NEWPID},
		   {"net", CLONE_NEWNET},   {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
		   {"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP}};
	uint64_t flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct stat ours, its;
		char path[64];

		snprintf(path, sizeof path, "/proc/self/ns/%s", all[i].name);
		if (stat(path, &ours) < 0)
			continue;
		snprintf(path, sizeof path, "/proc/%d/ns/%s", init, all[i].name);
		if (stat(path, &its) == 0 && ours.st_ino != its.st_ino)
			flags |= all[i].flag;
	}
	return flags;
}

/*
 * Of cgroup2 init's own group, not the container's: what runs inside may have moved it
 * to a leaf so that groups can be made beside it, and then the container's takes nobody.
 * Unless one is named: below the container's.
 */
static int open_cgroup(struct entering *e, struct cis_error *err)
{
	const struct place *p = &e->ct.place;
	cleanup_free char *text = NULL, *path = NULL;
	char proc[64], *line;
	int r;

	for (char *const *sub = e->how->cgroups; sub && *sub; sub++) {
		r = place_enter_sub(&e->ct.place, *sub, err);
		if (r < 0)
			return r;
	}
	if (p->unified < 0)
		return 0;
	if (p->g[p->unified].is_sub) {
		e->cgroup = fcntl(p->g[p->unified].dir, F_DUPFD_CLOEXEC, 3);
		return e->cgroup < 0 ? cis_fail(err, errno, "exec") : 0;
	}
	snprintf(proc, sizeof proc, "/proc/%d/cgroup", e->ct.init);
	r = io_read_file_at(AT_FDCWD, proc, 65536, &text, NULL);
	if (r < 0)
		return cis_fail(err, -r, "read %s", proc);
	line = strstr(text, "0::");
	if (!line || (line != text && line[-1] != '\n'))
		return 0;
	line[strcspn(line, "\n")] = '\0';
	r = str_format(&path, "%s%s", p->g[p->unified].mount, line + 3);
	if (r < 0)
		return cis_fail(err, ENOMEM, "exec");
	e->cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return e->cgroup < 0 ? cis_fail(err, errno, "cgroup %s", path) : 0;
}

static int open_rdt(struct entering *e, struct cis_error *err)
{
	cleanup_close int root = -1;

	if (!e->ct.rdt.given)
		return 0;
	root = rdt_open_root(err);
	return root < 0 ? root : rdt_open(&e->ct.rdt, root, e->ct.id, err);
}

static int open_root(const struct entering *e, struct cis_error *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/root", e->ct.init);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* What the engine has written meanwhile shall be seen, and what is written now, by it. */
	if (fd >= 0 && e->ct.sandbox_root) {
		overlay_root_refresh_in(e->ct.init);
		overlay_root_refresh(e->ct.rootfs);
	}
	return fd < 0 ? cis_fail(err, errno, "root of %s", e->ct.id) : fd;
}

static int check_status(struct entering *e, struct cis_error *err)
{
	enum container_status status = container_status(&e->ct);

	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return cis_fail_plain(err, ESRCH, "cannot exec in a stopped container");
	if (status == STATUS_PAUSED && !(e->how->flags & CIS_OCI_EXEC_IGNORE_PAUSED))
		return cis_fail_plain(err, EBUSY,
				      "cannot exec in a paused container (use --ignore-paused "
				      "to override)");
	e->pidfd = container_pidfd(&e->ct);
	return e->pidfd < 0 ? cis_fail_plain(err, ESRCH, "container not running") : 0;
}

static int decide(struct entering *e, struct cis_error *err)
{
	cleanup_close int root = -1;
	int r = check_status(e, err);

	if (r >= 0)
		r = verb_config(&e->ct, &e->config, err);
	if (r < 0)
		return r;
	e->p = &e->config.process;
	r = e->how->process ? read_process(e, err) : change_process(e, err);
	if (r >= 0 && e->ct.sandbox_root)
		r = profile_apply_process(&e->config,
					  e->how->process ? &e->own : &e->config.process, err);
	if (r >= 0)
		r = console_check(e->p->terminal, e->how->console_socket, e->how->ret_console,
				  err);
	if (r >= 0)
		r = root = open_root(e, err);
	if (r >= 0)
		r = finish_prepare(&e->finish, &e->config, e->p, root, err);
	if (r >= 0)
		r = finish_compile(&e->finish, container_root(e->rt), err);
	if (r >= 0 && keeper_is_in(e->ct.doc)) {
		shown_cpus_read(&e->cpus, &e->ct.place,
				shown_cpus_turn(e->ct.sandbox_root, e->ct.id));
		e->finish.cpus = &e->cpus;
	}
	if (r >= 0)
		r = open_cgroup(e, err);
	if (r >= 0)
		r = open_rdt(e, err);
	if (r < 0)
		return r;
	e->namespaces = foreign_namespaces(e->ct.init);
	e->finish.procfd = procfd_open();
	e->finish.preserve = e->how->preserve_fds;
	e->finish.use_affinity = true;
	return e->finish.procfd < 0 ? cis_fail(err, -e->finish.procfd, "open procfs") : 0;
}

/* ---- children ---------------------------------------------------------------------------- */

static void die(const struct entering *e, enum box_step step, int item, int r)
	__attribute__((noreturn));
static void die(const struct entering *e, enum box_step step, int item, int r)
{
	struct sync_msg m = {BOX_FAILED, step, -r, item};

	sync_send(e->sync[1], &m);
	_exit(255);
}

static void command_main(struct entering *e) __attribute__((noreturn));
static void command_main(struct entering *e)
{
	enum box_step step;
	int item = 0, r;

	SYS(setsid);
	r = e->namespaces & CLONE_NEWUSER ? userns_become_root_child() : 0;
	if (r < 0)
		die(e, STEP_BECOME_ROOT, 0, r);
	if (e->p->terminal) {
		r = finish_terminal_child(&e->finish, e->sync[1], false);
		if (r < 0)
			die(e, STEP_CONSOLE, 0, r);
	}
	/* The filter that comes now may forbid it. */
	sys_close_range(3 + e->finish.preserve, ~0U, CLOSE_RANGE_CLOEXEC);
	r = finish_child(&e->finish, e->sync[1], &step, &item);
	if (r < 0)
		die(e, step, item, r);
	r = finish_find_child(&e->finish);
	if (r < 0)
		die(e, STEP_FIND, 0, r);
	r = finish_filter_child(&e->finish);
	if (r < 0)
		die(e, STEP_SECCOMP, 0, r);
	die(e, STEP_EXEC, 0, finish_exec_child(&e->finish));
}

static void joiner_main(struct entering *e) __attribute__((noreturn));
static void joiner_main(struct entering *e)
{
	struct clone_args args = {
		.flags = CLONE_PARENT | CLONE_PARENT_SETTID,
		.parent_tid = (uint64_t)(uintptr_t)e->pid,
	};
	enum box_step step;
	int item = 0, r;

	/* Or we would never hear of the caller's death. */
	fd_close(e->sync[0]);
	r = place_join_child(&e->ct.place);
	if (r < 0)
		die(e, STEP_JOIN_CGROUP, 0, r);
	r = rdt_join_child(&e->ct.rdt);
	if (r < 0)
		die(e, STEP_JOIN_RDT, 0, r);
	SYS(prctl, PR_SET_NAME, "cis:join", 0, 0, 0);
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	args_hide_child(&e->args, "cisandbox-exec");
	r = finish_limits_child(&e->finish, &step, &item);
	if (r < 0)
		die(e, step, item, r);
	if (e->namespaces & ~(uint64_t)CLONE_NEWUSER)
		r = SYS(setns, e->pidfd, e->namespaces & ~(uint64_t)CLONE_NEWUSER);
	if (r >= 0 && e->namespaces & CLONE_NEWUSER)
		r = SYS(setns, e->pidfd, CLONE_NEWUSER);
	if (r < 0)
		die(e, STEP_UNSHARE, 0, r);
	r = sys_clone3(&args);
	if (r < 0)
		die(e, STEP_SPAWN, 0, r);
	if (r == 0)
		command_main(e);
	_exit(0);
}

/*
 * execCPUAffinity.initial is for the way into the container's groups. A clone goes that way
 * in the kernel, so it must have it before: from its parent, which has its own back after.
 */
static int clone_on(const struct entering *e, struct clone_args *args, struct cis_error *err)
{
	const char *cpus = e->p->affinity_initial;
	unsigned long before[MAX_CPUS / 8 / sizeof(long)];
	int r, size = 0;

	if (!cpus) {
		r = process_clone(args);
		return r < 0 ? cis_fail(err, -r, "exec in %s", e->ct.id) : r;
	}
	size = SYS(sched_getaffinity, 0, sizeof before, before);
	r = size < 0 ? size : sched_affinity_child(cpus);
	if (r < 0)
		return cis_fail(err, -r, "process.execCPUAffinity.initial: \"%s\"", cpus);
	r = process_clone(args);
	if (r != 0)
		SYS(sched_setaffinity, 0, size, before);
	return r < 0 ? cis_fail(err, -r, "exec in %s", e->ct.id) : r;
}

/* ---- the caller's half --------------------------------------------------------------------- */

static int clone_joiner(struct entering *e, pid_t *ret, struct cis_error *err)
{
	struct clone_args args = {
		.flags = e->cgroup >= 0 ? CLONE_INTO_CGROUP : 0,
		.exit_signal = SIGCHLD,
		.cgroup = e->cgroup >= 0 ? (uint64_t)e->cgroup : 0,
	};
	int r = clone_on(e, &args, err);

	if (r == 0)
		joiner_main(e);
	if (r < 0)
		return r;
	*ret = r;
	return 0;
}

/* Until the end of the wire, which is the execve. */
static int converse(struct entering *e, struct cis_error *err)
{
	int r = 0;

	while (r >= 0) {
		struct sync_msg m;
		cleanup_close int fd = -1;

		r = sync_recv(e->sync[0], &m, &fd, 0);
		if (r <= 0)
			return r < 0 ? cis_fail(err, -r, "hear from the process")
			       : *e->pid > 0 ? 0
					     : cis_fail_plain(err, ESRCH, "container not running");
		if (m.kind == BOX_CONSOLE) {
			r = console_give(fd, e->how->console_socket, e->how->ret_console, err);
		} else if (m.kind == BOX_LISTENER) {
			r = listener_give(fd, &e->config.seccomp, &e->ct, err);
			if (r >= 0)
				r = sync_send(e->sync[0], &(struct sync_msg){.kind = BOX_GO});
		} else {
			r = box_explain(&e->config, e->p, &m, err);
		}
	}
	return r;
}

static int hand_over(struct entering *e, struct cis_error *err)
{
	int r = 0;

	if (e->how->pidfd_socket)
		r = pidfd_give(*e->pid, e->how->pidfd_socket, err);
	if (r >= 0 && e->how->pid_file)
		r = pid_file_write(e->how->pid_file, *e->pid, err);
	if (r >= 0 && e->how->ret_pid)
		*e->how->ret_pid = *e->pid;
	return r;
}

static int enter(struct entering *e, struct cis_error *err)
{
	void *page = mmap(NULL, sizeof *e->pid, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t joiner = 0;
	int r;

	if (page == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e->sync) < 0)
		return cis_fail(err, errno, "exec in %s", e->ct.id);
	e->pid = page;
	args_find(&e->args);
	r = clone_joiner(e, &joiner, err);
	e->sync[1] = fd_close(e->sync[1]);
	if (r >= 0)
		r = converse(e, err);
	process_wait(joiner);
	if (r >= 0)
		r = hand_over(e, err);
	if (r < 0 && *e->pid > 0) {
		kill(*e->pid, SIGKILL);
		process_wait(*e->pid);
	}
	return r;
}

static void done(struct entering *e)
{
	finish_done(&e->finish);
	config_process_done(&e->own);
	config_done(&e->config);
	container_done(&e->ct);
	fd_close(e->pidfd);
	fd_close(e->cgroup);
	fd_close(e->sync[0]);
	fd_close(e->sync[1]);
	if (e->pid)
		munmap(e->pid, sizeof *e->pid);
}

int cis_oci_exec(const struct cis_oci *rt, const char *id, const struct cis_oci_exec *how,
		 size_t size, struct cis_error *err)
{
	struct cis_oci_exec h;
	struct entering e = {.rt = rt, .how = &h, .pidfd = -1, .cgroup = -1, .sync = {-1, -1}};
	int r = record_in(&h, sizeof h, how, size);

	if (r < 0)
		return cis_fail(err, -r, "exec");
	e.finish.procfd = -1;
	container_init(&e.ct);
	r = container_open(&e.ct, rt, id, false, err);
	if (r >= 0)
		r = decide(&e, err);
	if (r >= 0)
		r = enter(&e, err);
	done(&e);
	return box_error(r, err);
}
