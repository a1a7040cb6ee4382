/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generations.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/array.h"
#include "../base/fd.h"
#include "../base/str.h"
#include "../image/tree.h"
#include "../state.h"

#define NUMBER_MAX 20 /* digits, and the end */

static int check_name(const char *kind, const char *name, struct cis_error *err)
{
	if (store_is_name(name))
		return 0;
	return cis_fail_plain(err, EINVAL,
			      "%s name \"%.*s\": not 1 to %d of a-z, 0-9, \".\", \"_\" and "
			      "\"-\", the first a letter or digit",
			      kind, IMAGE_NAME_LEN, name, IMAGE_NAME_LEN);
}

static int no_such(const char *kind, const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, ENOENT, "no %s \"%s\" (cisandbox %s list shows them)", kind,
			      name, kind);
}

int generations_open(struct store *s, const char *kind, struct cis_error *err)
{
	char dir[32];

	snprintf(dir, sizeof dir, "%ss", kind);
	return store_open_other(s, dir, err);
}

void generation_done(struct generation *g)
{
	g->fd = fd_close(g->fd);
	free(g->path);
	g->path = NULL;
}

/* ---- numbers ------------------------------------------------------------------------ */

/* As we write them: one text for each number. */
static uint64_t parse_number(const char *text)
{
	uint64_t n;

	if (text[0] < '1' || text[0] > '9' || strlen(text) >= NUMBER_MAX ||
	    str_parse_u64(text, &n) < 0)
		return 0;
	return n;
}

/* The highest in @dir; 0: there is none. */
static int find_newest(int dir, uint64_t *ret)
{
	cleanup(dir_closep) DIR *list = tree_list(dir);
	struct dirent *e;

	if (!list)
		return -errno;
	*ret = 0;
	while ((e = readdir(list)))
		*ret = MAX(*ret, parse_number(e->d_name));
	return 0;
}

/* ---- using one ---------------------------------------------------------------------- */

/* 1: another was published, or it was removed, since it was looked for. */
static int try_open(const char *base, struct generation *g)
{
	cleanup_close int dir = tree_open_dir(AT_FDCWD, base);
	char number[NUMBER_MAX + 1];
	int r = dir < 0 ? dir : find_newest(dir, &g->number);

	if (r < 0)
		return r;
	if (!g->number)
		return -ENOENT;
	snprintf(number, sizeof number, "%llu", (unsigned long long)g->number);
	g->fd = tree_open_dir(dir, number);
	if (g->fd < 0)
		return g->fd == -ENOENT ? 1 : g->fd;
	r = store_lock_fd(g->fd, LOCK_SH);
	if (r < 0)
		return r;
	if (!store_is_still(g->fd, dir, number) || !store_is_still(dir, AT_FDCWD, base))
		return 1;
	return str_format(&g->path, "%s/%s", base, number);
}

int generation_open(const char *kind, const char *name, struct generation *ret,
		    struct cis_error *err)
{
	cleanup_free char *base = NULL;
	int r = check_name(kind, name, err);

	if (r < 0)
		return r;
	if (str_format(&base, "%s/%ss/%s", state_data_root(), kind, name) < 0)
		return cis_fail(err, ENOMEM, "%s \"%s\"", kind, name);
	do {
		cleanup(generation_done) struct generation g = GENERATION_CLOSED;

		r = try_open(base, &g);
		if (r == 0) {
			*ret = g;
			g = (struct generation)GENERATION_CLOSED;
		}
	} while (r == 1);
	if (r == -ENOENT)
		return no_such(kind, name, err);
	return r < 0 ? cis_fail(err, -r, "%s \"%s\"", kind, name) : 0;
}

/* ---- removing ----------------------------------------------------------------------- */

/* -EWOULDBLOCK: it is in use. */
static int move_away(const struct work *w, int dir, const char *name, const char *as)
{
	cleanup_close int fd = tree_open_dir(dir, name);
	int r = fd < 0 ? fd : store_lock_fd(fd, LOCK_EX | LOCK_NB);

	return r == 0 && renameat(dir, name, w->fd, as) < 0 ? -errno : r;
}

/*
 * Under the lock of the store: those of @name but the number @but go into @w, and with it.
 * What is in use, or cannot be moved, stays for another time.
 */
static void drop_old(const struct work *w, const char *name, uint64_t but, uint64_t *count)
{
	cleanup_close int dir = tree_open_dir(w->store->fd, name);
	cleanup(dir_closep) DIR *list = dir < 0 ? NULL : tree_list(dir);
	struct dirent *e;

	while (list && (e = readdir(list))) {
		uint64_t n = parse_number(e->d_name);
		char as[IMAGE_NAME_LEN + NUMBER_MAX + 16];

		if (!n || n == but)
			continue;
		snprintf(as, sizeof as, "old-%.*s-%llu", IMAGE_NAME_LEN, name,
			 (unsigned long long)n);
		if (move_away(w, dir, e->d_name, as) == 0)
			++*count;
	}
}

/* To be held until the name is gone: who opens one without the store's lock looks at both. */
struct locks {
	int *fds;
	size_t n, room;
};

static void locks_done(struct locks *l)
{
	while (l->n)
		fd_close(l->fds[--l->n]);
	free(l->fds);
}

static int lock_one(struct locks *l, int dir, const char *name)
{
	cleanup_close int fd = tree_open_dir(dir, name);
	int *fds = array_room(l->fds, l->n, &l->room, sizeof *fds);
	int r = !fds ? -ENOMEM : fd < 0 ? fd : store_lock_fd(fd, LOCK_EX | LOCK_NB);

	if (fds)
		l->fds = fds;
	if (r >= 0)
		l->fds[l->n++] = steal_fd(&fd);
	return r;
}

/* Under the lock of the store. */
static int hide_all(const struct store *s, const char *kind, const char *name, uint64_t newest,
		    const char *as, struct cis_error *err)
{
	cleanup_close int dir = tree_open_dir(s->fd, name);
	cleanup(dir_closep) DIR *list = dir < 0 ? NULL : tree_list(dir);
	cleanup(locks_done) struct locks held = {0};
	struct dirent *e;
	uint64_t n;
	int r = dir;

	if (r == -ENOENT)
		return no_such(kind, name, err);
	if (r >= 0 && newest != GENERATION_ANY && (find_newest(dir, &n) < 0 || n != newest))
		return -ESTALE;
	while (r >= 0 && list && (e = readdir(list)))
		if (parse_number(e->d_name))
			r = lock_one(&held, dir, e->d_name);
	/* Whoever opens one from now on finds, once it is locked, that it is there no more. */
	if (r >= 0)
		r = store_lock_fd(dir, LOCK_EX | LOCK_NB);
	if (r >= 0 && renameat(s->fd, name, s->fd, as) < 0)
		r = -errno;
	if (r == -EWOULDBLOCK)
		return cis_fail_plain(err, EBUSY,
				      "%s \"%s\": a sandbox uses it (cisandbox list shows them)",
				      kind, name);
	return r < 0 ? cis_fail(err, -r, "%s \"%s\"", kind, name) : steal_fd(&dir);
}

int generations_remove(const char *kind, const char *name, uint64_t newest,
		       struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	char as[IMAGE_NAME_LEN + 16];
	cleanup_close int hidden = -1;
	int r = check_name(kind, name, err);

	if (r == 0)
		r = generations_open(&s, kind, err);
	if (r == 0)
		r = store_lock(&s, err);
	if (r < 0)
		return r;
	store_sweep(&s);
	snprintf(as, sizeof as, ".tmp-rm-%s", name);
	r = hidden = hide_all(&s, kind, name, newest, as, err);
	store_unlock(&s);
	if (r < 0)
		return r;
	r = tree_remove(s.fd, as);
	return r < 0 ? cis_fail(err, -r, "delete what was %s \"%s\"", kind, name) : 0;
}

void generation_note_use(const struct generation *g)
{
	futimens(g->fd, NULL);
}

int64_t generation_used(const struct generation *g)
{
	struct stat st;

	return fstat(g->fd, &st) == 0 ? st.st_mtim.tv_sec : 0;
}

static int prune(const struct work *w, uint64_t *ret, struct cis_error *err)
{
	cleanup(dir_closep) DIR *list = tree_list(w->store->fd);
	struct dirent *e;

	while (list && (e = readdir(list))) {
		cleanup_close int dir = -1;
		uint64_t newest;

		if (!store_is_name(e->d_name))
			continue;
		dir = tree_open_dir(w->store->fd, e->d_name);
		if (dir >= 0 && find_newest(dir, &newest) == 0)
			drop_old(w, e->d_name, newest, ret);
	}
	return list ? 0 : cis_fail(err, errno, "store %s", w->store->path);
}

int generations_prune(const char *kind, uint64_t *ret, struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	cleanup(work_done) struct work w = {.fd = -1};
	int r = generations_open(&s, kind, err);

	*ret = 0;
	if (r == 0)
		r = work_begin(&w, &s, err);
	if (r == 0)
		r = store_lock(&s, err);
	if (r < 0)
		return r;
	r = prune(&w, ret, err);
	store_unlock(&s);
	if (r < 0)
		return r;
	r = work_finish(&w);
	return r < 0 ? cis_fail(err, -r, "delete what was in %s", s.path) : 0;
}

/* ---- making ------------------------------------------------------------------------- */

/* Under the lock of the store. */
static int put(const struct work *w, const char *from, const char *name, uint64_t after,
	       uint64_t *ret)
{
	cleanup_close int dir = -1;
	char number[NUMBER_MAX + 1];
	int r;

	if (after == GENERATION_ANY && mkdirat(w->store->fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = dir = tree_open_dir(w->store->fd, name);
	if (r == -ENOENT)
		return -ESTALE;
	if (r >= 0)
		r = find_newest(dir, ret);
	if (r < 0)
		return r;
	if (after != GENERATION_ANY && *ret != after)
		return -ESTALE;
	snprintf(number, sizeof number, "%llu", (unsigned long long)++*ret);
	return renameat(w->fd, from, dir, number) < 0 ? -errno : 0;
}

int generation_put(const struct work *w, const char *from, const char *name, uint64_t after,
		   struct generation *seen, uint64_t *ret, struct cis_error *err)
{
	uint64_t dropped = 0;
	int r = put(w, from, name, after, ret);

	/* Or the caller's, which is in the way, would stay until the next one is published. */
	if (r == 0 && seen)
		generation_done(seen);
	if (r == 0)
		drop_old(w, name, *ret, &dropped);
	if (r == -ESTALE)
		return r;
	return r < 0 ? cis_fail(err, -r, "rename to %s/%s", w->store->path, name) : 0;
}

int generation_publish(const struct work *w, const char *from, const char *kind,
		       const char *name, uint64_t after, struct generation *seen,
		       uint64_t *ret, struct cis_error *err)
{
	int r = check_name(kind, name, err);

	/* Or else a power cut could leave a number over empty files. */
	if (r == 0 && syncfs(w->fd) < 0)
		r = cis_fail(err, errno, "write to %s", w->store->path);
	if (r == 0)
		r = store_lock(w->store, err);
	if (r < 0)
		return r;
	r = generation_put(w, from, name, after, seen, ret, err);
	store_unlock(w->store);
	return r;
}

/* ---- looking ------------------------------------------------------------------------ */

struct entries {
	char *all;
	size_t n, unreadable;
};

static void entries_done(struct entries *l)
{
	free(l->all);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b); /* they begin with it */
}

static int add_entry(struct entries *l, const struct generations_entry *e, const char *name,
		     const struct generation *g, struct cis_error *why)
{
	char *bigger = reallocarray(l->all, l->n + 1, e->size), *entry;
	int r;

	if (!bigger)
		return -ENOMEM;
	l->all = bigger;
	entry = l->all + l->n * e->size;
	memset(entry, 0, e->size);
	r = e->look(name, g, entry, why);
	if (r > 0)
		return 0;
	l->n++;
	if (r == 0)
		return 0;
	memset(entry, 0, e->size);
	memcpy(entry, name, strnlen(name, GENERATIONS_NAME_LEN - 1));
	snprintf(entry + e->error_at, GENERATIONS_ERROR_LEN, "%s", why->message);
	l->unreadable++;
	return 0;
}

int generations_list(const char *kind, const struct generations_entry *e, void **ret,
		     size_t *ret_n, struct cis_error *err)
{
	cleanup(entries_done) struct entries l = {.all = calloc(1, e->size)};
	cleanup_free char *path = NULL;
	cleanup(dir_closep) DIR *list = NULL;
	struct dirent *d;
	int r = 0;

	if (!l.all || str_format(&path, "%s/%ss", state_data_root(), kind) < 0)
		return cis_fail(err, ENOMEM, "%s list", kind);
	list = opendir(path);
	if (!list && errno != ENOENT)
		return cis_fail(err, errno, "store %s", path);
	while (list && r >= 0 && (d = readdir(list))) {
		cleanup(generation_done) struct generation g = GENERATION_CLOSED;
		struct cis_error why = {0};

		if (!store_is_name(d->d_name))
			continue;
		r = generation_open(kind, d->d_name, &g, &why);
		if (r < 0)
			g.fd = r;
		r = 0;
		/* Gone meanwhile is none that there is. */
		if (faccessat(dirfd(list), d->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			r = add_entry(&l, e, d->d_name, &g, &why);
	}
	if (r < 0)
		return cis_fail(err, -r, "%s list", kind);
	qsort(l.all, l.n, e->size, by_name);
	*ret = steal_ptr(&l.all);
	*ret_n = l.n;
	return (int)l.unreadable;
}
