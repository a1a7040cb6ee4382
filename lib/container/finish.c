/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last steps of a process that becomes a container's command, at create and at
 * exec: what it is given first, then what is taken from it, then execve.
 */
#include <grp.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/passwd.h"
#include "../isolate/caps.h"
#include "../isolate/lsm.h"
#include "../isolate/sched.h"
#include "../isolate/seccomp-oci.h"
#include "../tty.h"
#include "box.h"
#include "shown-cpus.h"

#define CACHE_NAME ".seccomp" /* below the root of all containers */

/* ---- in the caller ------------------------------------------------------------- */

/*
 * Of the same name the last one counts, and is the only one that is passed on. HOME that is
 * empty counts as none: see fill_home().
 */
static int fill_env(struct finish *f, const struct config_process *p)
{
	for (size_t i = 0; i < p->env.n; i++) {
		size_t n = strcspn(p->env.v[i], "=");
		bool left_out = strcmp(p->env.v[i], "HOME=") == 0;

		for (size_t j = i + 1; j < p->env.n && !left_out; j++)
			left_out = strncmp(p->env.v[i], p->env.v[j], n) == 0 &&
				   p->env.v[j][n] == '=';
		if (!left_out && strv_add(&f->envp, p->env.v[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int fill_home(struct finish *f, const struct config_process *p, int root)
{
	struct passwd_entry user = {0};
	cleanup_free char *home = NULL;
	char name[32];
	int r;

	if (process_env(&f->envp, "HOME"))
		return 0;
	snprintf(name, sizeof name, "%u:%u", p->uid, p->gid);
	/* An image without passwd, or a hostile one: then it is "/". */
	if (passwd_lookup(root, name, &user, NULL) < 0 || !*user.home)
		user.home[0] = '/';
	r = str_format(&home, "HOME=%s", user.home);
	if (r >= 0)
		r = strv_add(&f->envp, home);
	passwd_entry_done(&user);
	return r;
}

int finish_prepare(struct finish *f, const struct config *c, const struct config_process *p,
		   int root, struct cis_error *err)
{
	int r = lsm_apparmor_check(p->apparmor, err);

	if (r >= 0)
		r = lsm_selinux_check(p->selinux, err);
	if (r < 0)
		return r;
	f->c = c;
	f->p = p;
	f->keep_affinity = process_is_in_userns();
	if (!p->args.n || !*p->args.v[0])
		return cis_fail_plain(err, EINVAL, "process.args: no command given");
	r = fill_env(f, p);
	if (r >= 0)
		r = fill_home(f, p, root);
	if (r >= 0)
		r = process_candidates(&f->candidates, p->args.v[0], &f->envp);
	return r < 0 ? cis_fail(err, -r, "process") : 0;
}

int finish_compile(struct finish *f, const char *root, struct cis_error *err)
{
	const struct config_seccomp *s = &f->c->seccomp;
	cleanup_free char *path = NULL;
	cleanup_close int cache = -1;
	struct sock_filter *program;
	uint32_t flags = s->has_flags ? s->flags : seccomp_default_flags();
	int r;

	if (!s->given)
		return 0;
	r = seccomp_check_flags(flags, err);
	if (r < 0)
		return r;
	if (str_format(&path, "%s/" CACHE_NAME, root) >= 0) {
		mkdir(path, 0700);
		cache = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	r = seccomp_from_config(s, cache, &program, &f->n_filter, err);
	if (r < 0)
		return r;
	f->filter = program;
	f->filter_flags = flags;
	f->filter_listens = seccomp_wants_listener(s);
	return 0;
}

int finish_add_listen_fds(struct finish *f, unsigned int n, struct cis_error *err)
{
	char fds[32];
	int r;

	snprintf(fds, sizeof fds, "LISTEN_FDS=%u", n);
	r = strv_add(&f->envp, fds);
	/* Its pid inside, where it is the first. */
	if (r >= 0)
		r = strv_add(&f->envp, "LISTEN_PID=1");
	return r < 0 ? cis_fail(err, -r, "process") : 0;
}

void finish_done(struct finish *f)
{
	strv_done(&f->envp);
	strv_done(&f->candidates);
	free((void *)f->filter);
	fd_close(f->procfd);
	*f = (struct finish){.procfd = -1};
}

/* ---- in the child ---------------------------------------------------------------- */

int finish_limits_child(const struct finish *f, enum box_step *ret_step, int *ret_item)
{
	const struct config_process *p = f->p;
	int r = 0;

	*ret_step = STEP_RLIMIT;
	for (size_t i = 0; i < p->n_rlimits && r >= 0; i++) {
		*ret_item = (int)i;
		r = SYS(prlimit64, 0, p->rlimits[i].resource, &p->rlimits[i].limit, NULL);
	}
	if (r < 0 || !p->has_oom_score)
		return r;
	*ret_step = STEP_OOM_SCORE;
	return sched_oom_score_child(f->procfd, p->oom_score);
}

int finish_terminal_child(const struct finish *f, int sync, bool console)
{
	struct sync_msg m = {.kind = BOX_CONSOLE};
	cleanup_close int master = -1, slave = -1;
	int r = tty_open_child(f->p->rows, f->p->cols, &master, &slave);

	if (r >= 0 && console)
		r = tty_show_as_console_child(master);
	if (r >= 0)
		r = sync_send_fd(sync, &m, master);
	if (r >= 0)
		r = SYS(fchown, slave, f->p->uid, (gid_t)-1);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = SYS(dup3, slave, i, 0);
	return r < 0 ? r : tty_take_child(0);
}

static int apply_scheduling(const struct finish *f, enum box_step *step)
{
	const struct config_process *p = f->p;
	int r = 0;

	*step = STEP_SCHEDULER;
	if (p->scheduler.given)
		r = sched_policy_child(&p->scheduler);
	if (r >= 0 && p->has_ioprio) {
		*step = STEP_IOPRIO;
		r = sched_ioprio_child(p->ioprio);
	}
	/* What the caller was confined to, as services of systemd may be, stays the caller's. */
	if (r >= 0 && !f->keep_affinity)
		sched_affinity_reset_child();
	if (r >= 0 && f->cpus && f->cpus->fewer)
		SYS(sched_setaffinity, 0, sizeof f->cpus->shown, &f->cpus->shown);
	if (r >= 0 && f->use_affinity && p->affinity_final) {
		*step = STEP_AFFINITY;
		r = sched_affinity_child(p->affinity_final);
	}
	if (r >= 0 && f->c->has_mempolicy) {
		*step = STEP_MEMPOLICY;
		r = sched_mempolicy_child(f->c->mempolicy_mode, f->c->mempolicy_nodes);
	}
	if (r >= 0 && f->c->has_personality) {
		*step = STEP_PERSONALITY;
		r = sched_personality_child(f->c->personality);
	}
	return r;
}

static int apply_labels(const struct finish *f)
{
	const struct config_process *p = f->p;
	int r = 0;

	if (p->apparmor)
		r = lsm_apparmor_exec_child(f->procfd, p->apparmor);
	if (r >= 0 && p->selinux)
		r = lsm_selinux_exec_child(f->procfd, p->selinux);
	return r;
}

static int install_filter(const struct finish *f, int sync)
{
	struct sync_msg m = {.kind = BOX_LISTENER};
	cleanup_close int listener = -1;
	int r;

	if (!f->filter)
		return 0;
	r = seccomp_load_child(f->filter, f->n_filter, f->filter_flags, f->filter_listens);
	if (r < 0 || !f->filter_listens)
		return r;
	listener = r;
	/* The caller hands it to the agent; until then calls that notify would wait. */
	r = sync_send_fd(sync, &m, listener);
	return r < 0 ? r : MIN(sync_recv(sync, &m, NULL, 0), 0);
}

static int change_ids(const struct config_process *p)
{
	int r = sys_setgroups(p->n_groups, p->groups);

	/* A joined user namespace may have setgroups denied: then nobody gave any. */
	if (r == -EPERM && p->n_groups == 0)
		r = 0;
	if (r >= 0)
		r = sys_setresgid(p->gid, p->gid, p->gid);
	return r < 0 ? r : sys_setresuid(p->uid, p->uid, p->uid);
}

/* The working directory must be below the root: CVE-2024-21626. */
static int check_cwd(void)
{
	char buf[4096];
	int r = SYS(getcwd, buf, sizeof buf);

	return r < 0 ? r : buf[0] == '/' ? 0 : -ENOENT;
}

static int drop_privilege(const struct finish *f, enum box_step *step)
{
	const struct config_process *p = f->p;
	bool early = SYS(chdir, p->cwd) >= 0;
	int r;

	*step = STEP_CAPS;
	r = p->has_caps ? caps_limit_bounding_child(p->caps[CAPS_BOUNDING]) : 0;
	if (r >= 0)
		r = SYS(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (r < 0)
		return r;
	*step = STEP_IDS;
	r = change_ids(p);
	if (r < 0)
		return r;
	/* Not dumpable until execve, which makes it so again if it should be. */
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	*step = STEP_CAPS;
	if (p->has_caps)
		r = caps_apply_child(p->caps);
	if (r >= 0)
		r = SYS(prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (r < 0)
		return r;
	*step = STEP_CWD;
	/* A directory that only its user may enter. */
	if (!early)
		r = SYS(chdir, p->cwd);
	return r < 0 ? r : check_cwd();
}

int finish_child(const struct finish *f, int sync, enum box_step *ret_step, int *ret_item)
{
	const struct config_process *p = f->p;
	int r = apply_scheduling(f, ret_step);

	*ret_item = 0;
	if (r < 0)
		return r;
	process_reset_signals_child();
	umask(p->has_umask ? p->umask : 022);
	*ret_step = STEP_LABEL;
	r = apply_labels(f);
	if (r < 0)
		return r;
	*ret_step = STEP_NO_NEW_PRIVS;
	if (p->no_new_privs)
		r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (r < 0)
		return r;
	/* Without no_new_privs it takes a capability that is about to go. */
	*ret_step = STEP_SECCOMP;
	if (!p->no_new_privs || f->filter_listens)
		r = install_filter(f, sync);
	return r < 0 ? r : drop_privilege(f, ret_step);
}

int finish_find_child(const struct finish *f)
{
	int result = -ENOENT;

	for (size_t i = 0; i < f->candidates.n; i++) {
		struct stat st;
		int r = SYS(newfstatat, AT_FDCWD, f->candidates.v[i], &st, 0);

		if (r >= 0 && S_ISDIR(st.st_mode))
			r = f->candidates.n == 1 ? -EISDIR : -EACCES;
		else if (r >= 0)
			r = SYS(faccessat2, AT_FDCWD, f->candidates.v[i], X_OK, AT_EACCESS);
		/* A filter older than faccessat2(2), as some engines still send: execve tells. */
		if (r >= 0 || r == -EPERM || r == -ENOSYS)
			return 0;
		/* Of a search only what can be found counts; of a path, all. */
		if (f->candidates.n == 1 || (r != -ENOENT && r != -ENOTDIR))
			result = r;
	}
	return result;
}

int finish_filter_child(const struct finish *f)
{
	if (!f->p->no_new_privs || !f->filter || f->filter_listens)
		return 0;
	return MIN(seccomp_load_child(f->filter, f->n_filter, f->filter_flags, false), 0);
}

int finish_exec_child(const struct finish *f)
{
	int result = -ENOENT, r;

	for (size_t i = 0; i < f->candidates.n; i++) {
		r = SYS(execve, f->candidates.v[i], f->p->args.v, f->envp.v);
		if (r == -EACCES)
			result = r;
		else if (r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	return result;
}
