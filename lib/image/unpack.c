/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Archives are read by a program of its own, so that no bug of a decompressor is one of the
 * host's root: it is root of a user namespace whose ids nobody else has, in empty network,
 * ipc and mount namespaces of its own, and holds six descriptors (wire.h). The
 * directory among them is an id-mapped mount, so that owners on the disk are those inside.
 *
 * A layer passes through four processes of it, one after the other:
 *
 *	file -> sum -> plain -> sum -> layer
 *
 * The sums compare nothing and read nothing, so nobody can take them over by what they pass on:
 * whatever becomes of the decompressor, what it hands on has the digest that the layer is
 * named by, or the layer is thrown away. And whoever takes over the last one by the bytes of
 * a layer has but that layer's tree, which these bytes decide about anyway.
 * Rejected: hashes of AF_ALG (kernels lack it), of our own (slow, or ours to keep); a name
 * made of blobs' digests (one layer would be kept once for each way to compress it).
 *
 * The namespace is made by a process that does nothing else, because a mount is id-mapped
 * by a namespace that is there, and the helper is born with the mount.
 */
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "../inner.h"
#include "../isolate/ids.h"
#include "../isolate/userns.h"
#include "../state.h"
#include "hear.h"
#include "wire.h"

/* ---- the namespace ------------------------------------------------------------------ */

static int make_userns(uint32_t base)
{
	struct clone_args args = {.flags = CLONE_NEWUSER};
	cleanup_close int userns = -1;
	pid_t caller = getpid();
	int r, pid = process_clone(&args);

	if (pid < 0)
		return pid;
	if (pid == 0) {
		SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		while (SYS(getppid) == caller)
			SYS(pause);
		SYS(exit_group, 1);
	}
	r = userns = userns_open(pid);
	if (r >= 0 && process_is_rootless())
		r = userns_write_same_maps(pid, UNPACK_IDS);
	else if (r >= 0)
		r = userns_write_maps(pid, base, UNPACK_IDS);
	kill(pid, SIGKILL);
	process_wait(pid);
	return r < 0 ? r : steal_fd(&userns);
}

int unpacker_init(struct unpacker *u, const char *owner, struct cis_error *err)
{
	cleanup_close int ids = -1;
	int r;

	*u = (struct unpacker){.userns = -1};
	r = inner_find_helper(UNPACK_PROGRAM, &u->program, err);
	if (r < 0)
		return r;
	ids = r = state_open_ids(err);
	if (r >= 0)
		r = ids_alloc(ids, owner, UNPACK_IDS, &u->base, err);
	if (r < 0)
		return r;
	snprintf(u->owner, sizeof u->owner, "%s", owner);
	r = u->userns = make_userns(u->base);
	return r < 0 ? cis_fail(err, -r, "make a user namespace to unpack in") : 0;
}

void unpacker_release(const char *owner)
{
	cleanup_close int ids = state_open_ids(NULL);

	if (ids >= 0)
		ids_release(ids, owner);
}

void unpacker_done(struct unpacker *u)
{
	if (*u->owner)
		unpacker_release(u->owner);
	u->owner[0] = '\0';
	u->userns = fd_close(u->userns);
	free(u->program);
	u->program = NULL;
}

void unpacked_done(struct unpacked *u)
{
	strv_done(&u->opaque);
	strv_done(&u->implied);
	strv_done(&u->links);
}

/* ---- the helper's first steps --------------------------------------------------------- */

struct birth {
	int program, userns, null;
	int fds[WIRE_END - WIRE_ROOT]; /* -1: none */
	const char *part;
	pid_t caller;
};

/* Out of the way of the numbers that they are to have. */
static int put_fds(struct birth *b)
{
	int r;

	r = b->program = SYS(fcntl, b->program, F_DUPFD_CLOEXEC, WIRE_END);
	for (size_t i = 0; i < ARRAY_SIZE(b->fds) && r >= 0; i++)
		r = b->fds[i] = SYS(fcntl, b->fds[i] < 0 ? b->null : b->fds[i],
				    F_DUPFD_CLOEXEC, WIRE_END);
	for (int i = 0; i < WIRE_ROOT && r >= 0; i++)
		r = SYS(dup3, b->null, i, 0);
	for (size_t i = 0; i < ARRAY_SIZE(b->fds) && r >= 0; i++)
		r = SYS(dup3, b->fds[i], WIRE_ROOT + (int)i, 0);
	/* And what the caller did not mark: nothing of it is left. */
	return r < 0 ? r : sys_close_range(WIRE_END, ~0U, CLOSE_RANGE_CLOEXEC);
}

static void helper_main(struct birth *b)
{
	static const char *const envp[] = {"LC_ALL=C.UTF-8", NULL};
	const char *const argv[] = {UNPACK_PROGRAM, b->part, NULL};
	int r;

	process_reset_signals_child();
	SYS(setpgid, 0, 0);
	/* /dev/null is the last thing that is opened as who we were. */
	r = SYS(setns, b->userns, CLONE_NEWUSER);
	if (r >= 0)
		r = SYS(unshare, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
	if (r >= 0)
		r = userns_become_root_child();
	if (r >= 0)
		r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r >= 0)
		r = SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (r >= 0 && SYS(getppid) != b->caller)
		r = -ESRCH;
	if (r >= 0)
		r = put_fds(b);
	if (r >= 0)
		r = SYS(execveat, b->program, "", argv, envp, AT_EMPTY_PATH);
	SYS(exit_group, 100 + (-r & 63));
}

/* ---- its parts ------------------------------------------------------------------------- */

enum role { ROLE_NONE, ROLE_SUM, ROLE_PLAIN, ROLE_LAYER, ROLE_TREE, ROLE_VERIFY };

#define LINE_MAX_PARTS 4

static const enum role lines[][LINE_MAX_PARTS + 1] = {
	[UNPACK_LAYER] = {ROLE_SUM, ROLE_PLAIN, ROLE_SUM, ROLE_LAYER},
	[UNPACK_TREE] = {ROLE_PLAIN, ROLE_TREE},
	[UNPACK_VERIFY] = {ROLE_VERIFY},
};

/* Only who reads no archive is believed about digests. */
static const char sum_says[] = {WIRE_SUM, WIRE_SIZE, WIRE_ERROR, WIRE_DONE, '\0'};
static const char plain_says[] = {WIRE_ERROR, WIRE_DONE, '\0'};
static const char tree_says[] = {WIRE_LIST, WIRE_FILES,  WIRE_VERITY, WIRE_OPAQUE, WIRE_IMPLIED,
				 WIRE_LINK, WIRE_TARGET, WIRE_WAIT,   WIRE_ERROR,  WIRE_DONE,
				 '\0'};

static const struct {
	const char *name, *says;
} roles[] = {
	[ROLE_SUM] = {"sum", sum_says},	    [ROLE_PLAIN] = {"plain", plain_says},
	[ROLE_LAYER] = {"layer", tree_says}, [ROLE_TREE] = {"tree", tree_says},
	[ROLE_VERIFY] = {"verify", tree_says},
};

struct part {
	pid_t pid;
	int status, r, report, go, gone; /* gone: kept, or to answer a dead one were SIGPIPE */
	struct cis_error error;
	struct hearing h;
};

struct line {
	struct part parts[LINE_MAX_PARTS];
	size_t n;
};

/* The caller's copies of what the part was born with are the caller's to close. */
static int start_part(struct part *p, enum role role, struct birth *b)
{
	cleanup_close int told = -1;
	struct clone_args args = {0};
	int report[2], turn[2];
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	p->report = report[0];
	told = b->fds[WIRE_REPORT - WIRE_ROOT] = report[1];
	if (pipe2(turn, O_CLOEXEC) < 0)
		return -errno;
	p->gone = b->fds[WIRE_GO - WIRE_ROOT] = turn[0];
	p->go = turn[1];
	b->part = roles[role].name;
	pid = process_clone(&args);
	if (pid == 0)
		helper_main(b);
	if (pid < 0)
		return pid;
	p->pid = pid;
	p->h.fd = p->report;
	p->h.go = p->go;
	p->h.keys = roles[role].says;
	return 0;
}

/* What one writes, the next reads; only the last has the directory. */
static int start_line(struct line *l, const struct unpack_job *job, int root, struct birth *b)
{
	const enum role *line = lines[job->what];
	cleanup_close int in = -1;

	for (size_t i = 0; line[i]; i++) {
		cleanup_close int next = -1, out = -1;
		bool is_last = !line[i + 1];
		int fds[2], r;

		if (!is_last) {
			if (pipe2(fds, O_CLOEXEC) < 0)
				return -errno;
			next = fds[0];
			out = fds[1];
			fcntl(out, F_SETPIPE_SZ, 1 << 20); /* fewer turns */
		}
		b->fds[WIRE_IN - WIRE_ROOT] = i == 0 ? job->in : in;
		b->fds[WIRE_OUT - WIRE_ROOT] = out;
		b->fds[WIRE_ROOT - WIRE_ROOT] = is_last ? root : -1;
		b->fds[WIRE_LISTING - WIRE_ROOT] = is_last ? job->listing : -1;
		l->parts[i] = (struct part){.report = -1, .go = -1, .gone = -1};
		l->n = i + 1;
		r = start_part(&l->parts[i], line[i], b);
		if (r < 0)
			return r;
		fd_close(in);
		in = steal_fd(&next);
	}
	return 0;
}

static void kill_line(const struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->parts[i].pid > 0)
			kill(l->parts[i].pid, SIGKILL);
}

static void end_line(struct line *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct part *p = &l->parts[i];

		p->status = p->pid > 0 ? process_wait(p->pid) : 0;
		p->report = fd_close(p->report);
		p->go = fd_close(p->go);
		p->gone = fd_close(p->gone);
	}
}

/* The last one first: it ends when all before it have. What these say waits in their pipes. */
static void hear_line(struct line *l)
{
	for (size_t i = l->n; i-- > 0;) {
		struct part *p = &l->parts[i];

		p->r = hearing_take(&p->h, &p->error);
		if (p->r < 0 && i == l->n - 1)
			kill_line(l);
	}
}

/* ---- what became of it ----------------------------------------------------------------- */

static bool has_failed(const struct part *p)
{
	return p->r < 0 || p->status != 0;
}

/* By us, or because the next one ended before it. */
static bool was_stopped(const struct part *p)
{
	return p->status >= 0 && WIFSIGNALED(p->status) &&
	       (WTERMSIG(p->status) == SIGKILL || WTERMSIG(p->status) == SIGPIPE);
}

static int explain(const struct part *p, struct cis_error *err)
{
	int status = p->status;

	if (status >= 0 && WIFSIGNALED(status) && !was_stopped(p))
		return cis_fail_plain(err, ECHILD, UNPACK_PROGRAM " was killed by signal %d",
				      WTERMSIG(status));
	/* The dynamic loader's word; no errno of ours is 27. */
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return cis_fail_plain(err, ENOENT,
				      "run " UNPACK_PROGRAM ": a library of it is missing (ldd "
				      "shows which: libarchive, libcrypto)");
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) >= 100)
		return cis_fail(err, WEXITSTATUS(status) - 100, "run " UNPACK_PROGRAM);
	return cis_fail_plain(err, ECHILD, UNPACK_PROGRAM " ended without a result");
}

/*
 * Whoever comes first knows the cause: a decompressor that failed is, for who reads the
 * tar, an archive that ends too early.
 */
static int judge(const struct line *l, struct cis_error *err)
{
	const struct part *end = l->parts + l->n;

	for (const struct part *p = l->parts; p < end; p++)
		if (p->h.told) {
			if (err)
				*err = p->error;
			return p->r;
		}
	for (const struct part *p = l->parts; p < end; p++)
		if (has_failed(p) && !was_stopped(p))
			return explain(p, err);
	for (const struct part *p = l->parts; p < end; p++)
		if (has_failed(p))
			return explain(p, err);
	return 0;
}

static int take_sums(const struct line *l, struct unpacked *got, struct cis_error *err)
{
	const struct hearing *blob = &l->parts[0].h, *diff = &l->parts[2].h;

	if (!*blob->sum || !*diff->sum)
		return cis_fail_plain(err, ECHILD, UNPACK_PROGRAM " said no digest");
	memcpy(got->blob, blob->sum, UNPACK_HEX);
	memcpy(got->diff, diff->sum, UNPACK_HEX);
	got->size = blob->size;
	return 0;
}

/* ---- all of it ---------------------------------------------------------------------- */

static int open_root(const struct unpacker *u, const char *path, bool readonly)
{
	cleanup_close int fd = mount_clone_tree(AT_FDCWD, path, readonly);
	int r = MIN(fd, 0);

	/* A user's files belong to the ids of the user's namespace as they are: plan_root(). */
	if (r >= 0 && !process_is_rootless())
		r = mount_idmap(fd, u->userns);
	return r < 0 ? r : steal_fd(&fd);
}

/* Who reads it has our own descriptor's place in it. */
static void tell(void *arg)
{
	const struct unpack_job *job = arg;
	off_t done = lseek(job->in, 0, SEEK_CUR);

	if (done >= 0)
		job->tell((uint64_t)done, job->tell_arg);
}

static int run(const struct unpack_job *job, int root, struct birth *b, struct unpacked *got,
	       struct cis_error *err)
{
	struct line l = {.n = 0};
	struct hearing *last;
	int r = start_line(&l, job, root, b);

	if (r < 0) {
		kill_line(&l);
		end_line(&l);
		return cis_fail(err, -r, "run " UNPACK_PROGRAM);
	}
	last = &l.parts[l.n - 1].h;
	last->turn = job->turn;
	last->arg = job->arg;
	last->wait = job->tell ? tell : NULL;
	last->wait_arg = (void *)job;
	last->got = got;
	hear_line(&l);
	end_line(&l);
	r = judge(&l, err);
	return r == 0 && job->what == UNPACK_LAYER ? take_sums(&l, got, err) : r;
}

int unpacker_run(const struct unpacker *u, const struct unpack_job *job, struct unpacked *ret,
		 struct cis_error *err)
{
	cleanup_close int program = open(u->program, O_RDONLY | O_CLOEXEC);
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int root = open_root(u, job->path, job->what == UNPACK_VERIFY);
	cleanup(unpacked_done) struct unpacked got = {0};
	struct birth b = {.program = program, .null = null, .userns = u->userns,
			  .caller = getpid()};
	int r;

	if (program < 0 || null < 0)
		return cis_fail(err, errno, "run %s", u->program);
	if (root == -EINVAL)
		return cis_fail_plain(err, EINVAL,
				      "the file system of %s cannot be id-mapped", job->path);
	if (root < 0)
		return cis_fail(err, -root, "id-map %s", job->path);
	r = run(job, root, &b, &got, err);
	if (r < 0)
		return r;
	*ret = got;
	got = (struct unpacked){0};
	return 0;
}
