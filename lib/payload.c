/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last steps before the user's command: session, streams, directory, ids,
 * filter, execve. Runs in a fresh child of init, or of enter().
 *
 * Should: leave nothing of us behind: no descriptor, signal mask, umask.
 * Mustn't: allocate or format; come back.
 *
 * Success is silent: execve closes the report descriptor and the reader sees
 * the end of it. Failure is one sync_msg on it.
 */
#include <linux/prctl.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/sys.h"
#include "isolate/seccomp.h"
#include "launch.h"
#include "notify/traps.h"
#include "sync.h"
#include "tty.h"

static void fail(int report, enum sync_kind kind, unsigned int step, int r)
{
	struct sync_msg m = {.kind = kind, .index = step, .value = -r};

	SYS(write, report, &m, sizeof m);
	_exit(127);
}

static int set_streams(const struct plan_exec *e, const int stdio[3])
{
	int in = -1, out = -1, r = 0;

	if (e->log) {
		in = SYS(openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
		out = SYS(openat, AT_FDCWD, e->log,
			  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	}
	for (int i = 0; i < 3 && r >= 0; i++) {
		int from = !e->log ? stdio[i] : i == 0 ? in : out;

		/* The copy is without CLOEXEC; the originals are all above 2. */
		r = from < 0 ? from : SYS(dup3, from, i, 0);
	}
	return r;
}

static int set_ids(const struct plan_exec *e)
{
	int r = sys_setgroups(e->n_groups, e->groups);

	if (r >= 0)
		r = sys_setresgid(e->gid, e->gid, e->gid);
	/* From root to another uid: the kernel drops every capability with it. */
	return r < 0 ? r : sys_setresuid(e->uid, e->uid, e->uid);
}

/* The filter needs CAP_SYS_ADMIN or no_new_privs, so it comes before the ids. */
static int set_filter(const struct plan *p)
{
	int r = 0;

	if (p->spec->flags & CIS_NO_NEW_PRIVS)
		r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* With traps it is there already: whoever cloned us installed it. */
	if (r < 0 || p->spec->flags & TRAPS)
		return r;
	return seccomp_install_child(p->filter, p->n_filter);
}

/* As a shell: the first that can be executed; EACCES beats ENOENT in the report. */
static int try_candidates(const struct plan_exec *e)
{
	int result = -ENOENT;

	for (size_t i = 0; i < e->candidates.n; i++) {
		int r = SYS(execve, e->candidates.v[i], e->argv.v, e->envp.v);

		if (r == -EACCES)
			result = r;
		else if (r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	return result;
}

void payload_exec(const struct plan *p, const struct plan_exec *e, const int stdio[3],
		  int report)
{
	int r = SYS(setsid);

	if (r < 0 && r != -EPERM)
		fail(report, SYNC_LOCK_FAILED, LOCK_SESSION, r);
	process_reset_signals_child();
	umask(022);
	r = e->tty ? tty_take_child(stdio[0]) : 0;
	if (r < 0)
		fail(report, SYNC_LOCK_FAILED, LOCK_TTY, r);
	r = set_streams(e, stdio);
	if (r < 0)
		fail(report, SYNC_LOCK_FAILED, LOCK_STDIO, r);
	SYS(prctl, PR_SET_NAME, "cis:exec", 0, 0, 0);
	r = set_filter(p);
	if (r < 0)
		fail(report, SYNC_LOCK_FAILED, LOCK_FILTER, r);
	r = set_ids(e);
	if (r < 0)
		fail(report, SYNC_LOCK_FAILED, LOCK_IDS, r);
	/* With the user's own rights: a directory closed to it is no workdir. */
	r = SYS(chdir, e->cwd);
	if (r < 0)
		fail(report, SYNC_LOCK_FAILED, LOCK_CWD, r);
	sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	fail(report, SYNC_EXEC_FAILED, 0, try_candidates(e));
	__builtin_unreachable();
}
