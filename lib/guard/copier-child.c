/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helper that copies; see copier.h. Raw calls only: it is a clone of a
 * program that may be threaded. Nobody is left who could change the tree meanwhile, so what
 * was looked at is what is opened; that links are not followed does not rest on it.
 *
 * Mustn't: follow a link below the path that was asked for; make anything but directories,
 * files and links; keep set-id bits or attributes.
 */
#include <dirent.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../isolate/confine.h"
#include "copier.h"

#define ENTRIES_AT_ONCE 4096
#define BYTES_AT_ONCE 262144
#define BELOW (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
#define INSIDE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

/* A directory that is being copied. */
struct level {
	int from, to;
	struct stat st;
	size_t path_len;
	long at, n; /* of entries */
	char entries[ENTRIES_AT_ONCE] __attribute__((aligned(8)));
};

struct copy {
	const struct copier_job *job;
	const struct copier_order *order;
	struct copier_report *report;
	unsigned int depth; /* levels in use */
	size_t path_len;    /* of report->at; what does not fit is not written */
	struct level levels[COPIER_DEPTH_MAX];
	char bytes[BYTES_AT_ONCE];
};

size_t copier_room(void)
{
	return sizeof(struct copy);
}

/* ---- words ---------------------------------------------------------------------------- */

static void give_up(const struct copy *c, enum copier_step step, int r)
	__attribute__((noreturn));
static void give_up(const struct copy *c, enum copier_step step, int r)
{
	c->report->step = step;
	c->report->error = -r;
	_exit(1);
}

static void append(char *text, size_t room, const char *more)
{
	size_t n = strnlen(text, room);

	strncpy(text + n, more, room - n - 1);
	text[room - 1] = '\0';
}

static size_t push_name(struct copy *c, const char *name)
{
	size_t before = c->path_len;

	append(c->report->at, sizeof c->report->at, "/");
	append(c->report->at, sizeof c->report->at, name);
	c->path_len = strlen(c->report->at);
	return before;
}

static void pop_name(struct copy *c, size_t before)
{
	c->report->at[before] = '\0';
	c->path_len = before;
}

static void leave_out(struct copy *c, const char *kind)
{
	const char *at = c->report->at + 1; /* without its slash */
	char *left = c->report->left;
	const size_t room = sizeof c->report->left;

	/* Whole ones only. */
	if (strlen(left) + strlen(at) + strlen(kind) + 8 < room) {
		if (*left)
			append(left, room, ", ");
		append(left, room, at);
		append(left, room, " (");
		append(left, room, kind);
		append(left, room, ")");
	}
	c->report->left_out++;
}

/* Who started us may be gone: then nobody wants it any more. */
static void look_up(const struct copy *c)
{
	struct pollfd p = {.fd = c->job->go, .events = POLLIN};
	struct timespec now = {0};

	if (SYS(ppoll, &p, 1, &now, NULL, 8) > 0)
		_exit(1);
}

/* ---- one file --------------------------------------------------------------------------- */

static void count(struct copy *c, uint64_t bytes)
{
	if (++c->report->entries > c->order->entries)
		give_up(c, COPIER_ENTRIES, -E2BIG);
	/* Holes count: who unpacks it may not know of them. */
	if (bytes > c->order->max || c->report->bytes > c->order->max - bytes)
		give_up(c, COPIER_SIZE, -EFBIG);
	c->report->bytes += bytes;
}

static void copy_part(struct copy *c, int from, int to, off_t at, off_t end)
{
	while (at < end) {
		size_t n = MIN((size_t)(end - at), sizeof c->bytes), done = 0;
		int r = SYS(pread64, from, c->bytes, n, at);

		if (r == 0)
			return;
		if (r < 0)
			give_up(c, COPIER_READ, r);
		for (n = (size_t)r; done < n; done += (size_t)r) {
			r = SYS(pwrite64, to, c->bytes + done, n - done, at + (off_t)done);
			if (r < 0)
				give_up(c, COPIER_WRITE, r);
		}
		at += (off_t)n;
		look_up(c);
	}
}

/* lseek() itself: SYS() would cut offsets. What knows no holes is one piece of data. */
static void copy_data(struct copy *c, int from, int to, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return;
		if (data < 0)
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		copy_part(c, from, to, data, hole);
		at = MAX(hole, data + 1);
	}
}

/* Else as with a umask of 022, and never closed to who gets it. */
static mode_t mode_of(const struct copy *c, const struct stat *st, mode_t owners)
{
	return c->order->faithful ? st->st_mode & 01777 : (st->st_mode & 0755) | owners;
}

static uid_t owner_of(const struct copy *c, uid_t was)
{
	return c->order->faithful ? was : c->job->owner;
}

static void give_away(const struct copy *c, int fd, const struct stat *st, mode_t owners)
{
	int r = SYS(fchmod, fd, mode_of(c, st, owners));

	if (r >= 0)
		r = SYS(fchown, fd, owner_of(c, st->st_uid), owner_of(c, st->st_gid));
	if (r < 0)
		give_up(c, COPIER_WRITE, r);
}

/* Takes @from. */
static void copy_file(struct copy *c, int from, int dir, const char *name,
		      const struct stat *st)
{
	struct timespec times[2] = {st->st_mtim, st->st_mtim};
	int to, r;

	if (from < 0)
		give_up(c, COPIER_READ, from);
	count(c, (uint64_t)st->st_size);
	to = r = SYS(openat, dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r >= 0)
		r = SYS(ftruncate, to, st->st_size);
	if (r < 0)
		give_up(c, COPIER_WRITE, r);
	copy_data(c, from, to, st->st_size);
	r = SYS(utimensat, to, NULL, times, 0);
	if (r < 0)
		give_up(c, COPIER_WRITE, r);
	give_away(c, to, st, 0600);
	c->report->files++;
	fd_close(from);
	fd_close(to);
}

/*
 * Only up, and then only down: names that are followed by a ".." may be links themselves.
 * Links in what it goes down through obey the same rule.
 */
bool copier_link_stays(const char *target, unsigned int depth)
{
	bool down = false;

	if (*target == '/' || !*target)
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");
		bool up = n == 2 && target[0] == '.' && target[1] == '.';

		if (up && (down || !depth--))
			return false;
		if (n && !up && !(n == 1 && *target == '.'))
			down = true;
		target += n + strspn(target + n, "/");
	}
	return true;
}

static void copy_link(struct copy *c, const struct level *l, const char *name,
		      const struct stat *st)
{
	char target[PATH_MAX];
	int r = SYS(readlinkat, l->from, name, target, sizeof target - 1);

	if (r < 0)
		give_up(c, COPIER_READ, r);
	target[r] = '\0';
	if (!c->order->faithful && !copier_link_stays(target, c->depth - 1)) {
		leave_out(c, "a link that leads elsewhere");
		return;
	}
	count(c, 0);
	r = SYS(symlinkat, target, l->to, name);
	if (r >= 0)
		r = SYS(fchownat, l->to, name, owner_of(c, st->st_uid), owner_of(c, st->st_gid),
			AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		give_up(c, COPIER_WRITE, r);
}

/* ---- the tree -------------------------------------------------------------------------- */

/* Takes @from. */
static void enter(struct copy *c, int from, int dir, const char *name,
		  const struct stat *st, size_t path_len)
{
	struct level *l = &c->levels[c->depth];
	int r;

	if (from < 0)
		give_up(c, COPIER_READ, from);
	if (c->depth == COPIER_DEPTH_MAX)
		give_up(c, COPIER_DEPTH, -ELOOP);
	count(c, 0);
	r = SYS(mkdirat, dir, name, 0700);
	if (r >= 0)
		r = l->to = sys_openat2(dir, name, O_RDONLY | O_DIRECTORY, 0, BELOW);
	if (r < 0)
		give_up(c, COPIER_WRITE, r);
	l->from = from;
	l->st = *st;
	l->path_len = path_len;
	l->at = l->n = 0;
	c->depth++;
}

static void leave(struct copy *c)
{
	struct level *l = &c->levels[--c->depth];

	give_away(c, l->to, &l->st, 0700);
	l->from = fd_close(l->from);
	l->to = fd_close(l->to);
	pop_name(c, l->path_len);
}

static int open_below(const struct level *l, const char *name, uint64_t more)
{
	return sys_openat2(l->from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | more, 0, BELOW);
}

static void copy_entry(struct copy *c, struct level *l, const char *name)
{
	size_t before;
	struct stat st;
	int r;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	look_up(c);
	before = push_name(c, name);
	if (fstatat(l->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = -errno;
		give_up(c, COPIER_READ, r);
	}
	if (S_ISDIR(st.st_mode)) {
		enter(c, open_below(l, name, O_DIRECTORY), l->to, name, &st, before);
		return; /* its name stays until leave() */
	}
	if (S_ISREG(st.st_mode))
		copy_file(c, open_below(l, name, 0), l->to, name, &st);
	else if (S_ISLNK(st.st_mode))
		copy_link(c, l, name, &st);
	else
		leave_out(c, S_ISFIFO(st.st_mode)   ? "a FIFO"
			     : S_ISSOCK(st.st_mode) ? "a socket"
						    : "a device");
	pop_name(c, before);
}

/* No recursion: how deep it goes is the job's choice. */
static void copy_tree(struct copy *c)
{
	while (c->depth) {
		struct level *l = &c->levels[c->depth - 1];
		const struct dirent64 *e;

		if (l->at >= l->n) {
			l->at = 0;
			l->n = SYS(getdents64, l->from, l->entries, sizeof l->entries);
			if (l->n < 0)
				give_up(c, COPIER_READ, (int)l->n);
			if (l->n == 0)
				leave(c);
			continue;
		}
		e = (const struct dirent64 *)(const void *)(l->entries + l->at);
		l->at += e->d_reclen;
		copy_entry(c, l, e->d_name);
	}
}

/* ---- beginning ---------------------------------------------------------------------------- */

static void copy_path(struct copy *c)
{
	const struct copier_order *o = c->order;
	struct stat st;
	int fd = sys_openat2(o->root, o->path, O_PATH, 0, INSIDE), r;

	if (fd < 0)
		give_up(c, COPIER_FIND, fd);
	if (fstat(fd, &st) < 0) {
		r = -errno;
		give_up(c, COPIER_FIND, r);
	}
	fd_close(fd);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		give_up(c, COPIER_KIND, -EINVAL);
	fd = sys_openat2(o->root, o->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, INSIDE);
	if (S_ISREG(st.st_mode)) {
		copy_file(c, fd, c->job->dest, o->top, &st);
		return;
	}
	enter(c, fd, c->job->dest, o->top, &st, 0);
	copy_tree(c);
}

/* Before anything is waited for: in a clone the other end of @go is ours, too. */
static int close_others(const struct copier_job *job)
{
	int keep[3], r;
	size_t n = 0;

	fd_keep(keep, &n, job->go);
	fd_keep(keep, &n, job->order->root);
	fd_keep(keep, &n, job->dest);
	r = fd_close_others(keep, n);
	for (int i = 0; i < 3; i++)
		if (i != job->go && i != job->order->root && i != job->dest)
			fd_close(i);
	return r;
}

static int be_confined(const struct copier_job *job)
{
	const struct confinement all = {
		.id = 0,
		.caps = 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH |
			1ULL << CAP_CHOWN,
		.files = 2 * COPIER_DEPTH_MAX + 64,
		.file_size = job->order->max,
		.filter = SECCOMP_ARTIFACT,
	};
	/* Its ".." is itself: the mount is attached nowhere. */
	int r = SYS(fchdir, job->dest);

	if (r >= 0)
		r = SYS(chroot, ".");
	return r < 0 ? r : confine_child(&all);
}

/*
 * A job that did not wait for its disk never heard that some of it could not be written (the
 * host's was full), and what has left memory since then is read as zeroes. Its overlay is
 * volatile: it writes nothing here, and says whether anything was lost.
 */
static int nothing_was_lost(const struct copier_job *job)
{
	cleanup_close int fd = sys_openat2(job->order->root, ".", O_RDONLY | O_DIRECTORY, 0, BELOW);

	return fd < 0 ? fd : SYS(syncfs, fd);
}

void copier_main(const struct copier_job *job)
{
	struct copy *c = (struct copy *)(void *)job->room;
	char byte;
	int r;

	c->job = job;
	c->order = job->order;
	c->report = job->report;
	SYS(prctl, PR_SET_NAME, "cis:copier", 0, 0, 0);
	umask(0);
	r = close_others(job);
	/* Not before the ids are mapped. */
	if (SYS(read, job->go, &byte, 1) != 1)
		_exit(1);
	if (r >= 0)
		r = be_confined(job);
	if (r < 0)
		give_up(c, COPIER_SETUP, r);
	copy_path(c);
	r = nothing_was_lost(job);
	if (r < 0)
		give_up(c, COPIER_LOST, r);
	/* Not _exit(): in front of that the sanitizers make a call which the filter kills. */
	for (;;)
		SYS(exit_group, 0);
}
