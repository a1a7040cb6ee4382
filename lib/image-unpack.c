/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Archives are read by a program of its own, so that no bug of a decompressor is one of the
 * host's root: it is root of a user namespace whose ids nobody else has, in empty network,
 * ipc and mount namespaces of its own, and holds five descriptors (image-wire.h). The
 * directory among them is an id-mapped mount, so that owners on the disk are those inside.
 *
 * The namespace is made by a process that does nothing else, because a mount is id-mapped
 * by a namespace that is there, and the helper is born with the mount.
 */
#include "image-unpack.h"

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

#include "base/fd.h"
#include "base/io.h"
#include "base/num.h"
#include "base/process.h"
#include "base/sys.h"
#include "fs/mount.h"
#include "image-wire.h"
#include "inner.h"
#include "isolate/ids.h"
#include "isolate/userns.h"
#include "state.h"

#define REPORT_MAX (UNPACK_TOLD_MAX + 65536)
#define RECORD_MAX (UNPACK_PATH_MAX + 512)

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
	int fds[WIRE_END - WIRE_ROOT];
	const char *what;
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
	const char *const argv[] = {UNPACK_PROGRAM, b->what, NULL};
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

/* ---- what it says ------------------------------------------------------------------- */

static bool is_hex(const char *s)
{
	return strspn(s, "0123456789abcdef") == UNPACK_HEX - 1 && strlen(s) == UNPACK_HEX - 1;
}

/* Whoever made the archive may have written it. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			*s = '?';
}

static bool is_clean_path(const char *s)
{
	if (!*s)
		return true;
	for (const char *p = s; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
	}
	return true;
}

static int take_hex(char ret[static UNPACK_HEX], const char *text)
{
	if (!is_hex(text))
		return -EBADMSG;
	memcpy(ret, text, UNPACK_HEX);
	return 0;
}

static int take_error(char *text, struct cis_error *err)
{
	int errnum = EIO;
	char *blank = strchr(text, ' ');

	if (!blank)
		return -EBADMSG;
	make_printable(text);
	if (sscanf(text, "%4d", &errnum) != 1 || errnum <= 0 || errnum > 4095)
		errnum = EIO;
	return cis_fail_plain(err, errnum, "%.900s", blank + 1);
}

static int take_path(struct strv *ret, const char *text)
{
	return is_clean_path(text) ? strv_add(ret, text) : -EBADMSG;
}

/* What is being heard. */
struct hearing {
	int fd, go;
	const struct unpack_job *job;
	struct unpacked *got;
	bool told, turned, done; /* err says all; we had our turn; the helper is through */
	size_t total, n;
	char text[2 * RECORD_MAX];
};

static int take_turn(struct hearing *h, struct cis_error *err)
{
	int r = -EBADMSG;

	if (h->job->turn && !h->turned && h->got->links.n % 2 == 0) {
		h->turned = true;
		r = h->job->turn(h->got, h->job->arg, err);
		h->told = r < 0;
	}
	return r < 0 ? r : io_write_all(h->go, "", 1);
}

static int take_record(struct hearing *h, char key, char *text, struct cis_error *err)
{
	struct unpacked *ret = h->got;

	switch (key) {
	case WIRE_BLOB:
		return take_hex(ret->blob, text);
	case WIRE_DIFF:
		return take_hex(ret->diff, text);
	case WIRE_LIST:
		return take_hex(ret->list, text);
	case WIRE_SIZE:
		return str_parse_u64(text, &ret->size);
	case WIRE_FILES:
		return str_parse_u64(text, &ret->files);
	case WIRE_OPAQUE:
		return take_path(&ret->opaque, text);
	case WIRE_IMPLIED:
		return take_path(&ret->implied, text);
	case WIRE_LINK:
		return ret->links.n % 2 ? -EBADMSG : take_path(&ret->links, text);
	case WIRE_TARGET:
		return ret->links.n % 2 ? take_path(&ret->links, text) : -EBADMSG;
	case WIRE_WAIT:
		return take_turn(h, err);
	case WIRE_ERROR:
		h->told = strchr(text, ' ');
		return take_error(text, err);
	case WIRE_DONE:
		h->done = true;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* All whole records of what has been read. */
static int take_records(struct hearing *h, struct cis_error *err)
{
	size_t at = 0;
	int r = 0;

	while (r == 0) {
		char *end = memchr(h->text + at, '\0', h->n - at);

		if (!end)
			break;
		if (h->done || end == h->text + at)
			return -EBADMSG;
		r = take_record(h, h->text[at], h->text + at + 1, err);
		at = (size_t)(end - h->text) + 1;
	}
	memmove(h->text, h->text + at, h->n - at);
	h->n -= at;
	return r;
}

static int hear(struct hearing *h, struct cis_error *err)
{
	for (;;) {
		ssize_t n = read(h->fd, h->text + h->n, sizeof h->text - h->n);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : h->done && !h->n ? 0 : -EBADMSG;
		h->n += (size_t)n;
		h->total += (size_t)n;
		r = h->total > REPORT_MAX ? -EBADMSG : take_records(h, err);
		if (r < 0)
			return r;
		if (h->n == sizeof h->text)
			return -EBADMSG;
	}
}

static int judge(const struct hearing *h, int status, int r, struct cis_error *err)
{
	if (h->told)
		return r;
	if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		return cis_fail_plain(err, ECHILD, UNPACK_PROGRAM " was killed by signal %d",
				      WTERMSIG(status));
	/* The dynamic loader's word; no errno of ours is 27. */
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return cis_fail_plain(err, ENOENT,
				      "run " UNPACK_PROGRAM ": a library of it is missing (ldd "
				      "shows which: libarchive, libcrypto)");
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) >= 100)
		return cis_fail(err, WEXITSTATUS(status) - 100, "run " UNPACK_PROGRAM);
	if (r < 0 || status != 0)
		return cis_fail_plain(err, ECHILD, UNPACK_PROGRAM " ended without a result");
	return 0;
}

/* ---- all of it ---------------------------------------------------------------------- */

static int open_root(const struct unpacker *u, const char *path, bool readonly)
{
	cleanup_close int fd = mount_clone_tree(path, readonly);
	int r = MIN(fd, 0);

	/* A user's files belong to the ids of the user's namespace as they are: plan_root(). */
	if (r >= 0 && !process_is_rootless())
		r = mount_idmap(fd, u->userns);
	return r < 0 ? r : steal_fd(&fd);
}

static int run(const struct unpacker *u, struct birth *b, struct hearing *h,
	       struct cis_error *err)
{
	struct clone_args args = {0};
	cleanup_close int rd = -1, wr = -1, go = -1, gone = -1;
	int told[2], turn[2], r, status;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "run " UNPACK_PROGRAM);
	rd = h->fd = told[0];
	wr = b->fds[WIRE_REPORT - WIRE_ROOT] = told[1];
	if (pipe2(turn, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "run " UNPACK_PROGRAM);
	gone = b->fds[WIRE_GO - WIRE_ROOT] = turn[0];
	go = h->go = turn[1];
	b->caller = getpid();
	b->userns = u->userns;
	pid = process_clone(&args);
	if (pid == 0)
		helper_main(b);
	if (pid < 0)
		return cis_fail(err, -pid, "run " UNPACK_PROGRAM);
	wr = fd_close(wr);
	r = hear(h, err);
	if (r < 0)
		kill(pid, SIGKILL);
	status = process_wait(pid);
	return judge(h, status, r, err);
}

int unpacker_run(const struct unpacker *u, const struct unpack_job *job, struct unpacked *ret,
		 struct cis_error *err)
{
	static const char *const words[] = {"layer", "tree", "verify"};
	cleanup_close int program = open(u->program, O_RDONLY | O_CLOEXEC);
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int root = open_root(u, job->path, job->what == UNPACK_VERIFY);
	cleanup(unpacked_done) struct unpacked got = {0};
	struct birth b = {.program = program, .null = null, .what = words[job->what]};
	struct hearing h = {.job = job, .got = &got};
	int r;

	if (program < 0 || null < 0)
		return cis_fail(err, errno, "run %s", u->program);
	if (root == -EINVAL)
		return cis_fail_plain(err, EINVAL,
				      "the file system of %s cannot be id-mapped", job->path);
	if (root < 0)
		return cis_fail(err, -root, "id-map %s", job->path);
	b.fds[WIRE_ROOT - WIRE_ROOT] = root;
	b.fds[WIRE_IN - WIRE_ROOT] = job->in;
	b.fds[WIRE_LISTING - WIRE_ROOT] = job->listing;
	r = run(u, &b, &h, err);
	if (r < 0)
		return r;
	*ret = got;
	got = (struct unpacked){0};
	return 0;
}
