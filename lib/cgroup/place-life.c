/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a container's groups while they exist: frozen, asked for their
 * processes, killed, removed. Processes are looked for in every hierarchy: one that was
 * moved out of one of them is still ours.
 */
#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>

#include "../base/array.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/num.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "place.h"
#include "systemd.h"

/* Deeper than any kernel has memory for; our stack is what must last. */
#define WALK_DEPTH 8192

static void nap(unsigned int usec)
{
	nanosleep(&(struct timespec){.tv_nsec = usec * 1000L}, NULL);
}

/* ---- the groups below ---------------------------------------------------- */

static int list_below(int dir, struct strv *ret)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		fd_close(copy);
		return r;
	}
	while (r >= 0 && (e = readdir(d)))
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			r = strv_add(ret, e->d_name);
	closedir(d);
	return r;
}

struct walk {
	int at; /* the only descriptor: goes down by name, up by ".." */
	unsigned int depth;
	place_visit *fn;
	void *arg;
};

static int walk_step(struct walk *w, const char *name, int flags)
{
	int next = openat(w->at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	if (next < 0)
		return -errno;
	fd_close(w->at);
	w->at = next;
	return 0;
}

static int walk_here(struct walk *w)
{
	cleanup(strv_done) struct strv names = {0};
	int r = w->depth < WALK_DEPTH ? list_below(w->at, &names) : -ELOOP;

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		r = walk_step(w, names.v[i], O_NOFOLLOW);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		w->depth++;
		if (r >= 0)
			r = walk_here(w);
		w->depth--;
		if (r >= 0)
			r = walk_step(w, "..", 0);
		if (r >= 0)
			r = w->fn(w->at, names.v[i], w->arg);
	}
	return r;
}

int place_walk(int dir, place_visit *fn, void *arg)
{
	struct walk w = {.fn = fn, .arg = arg};
	int r;

	w.at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w.at < 0)
		return -errno;
	r = walk_here(&w);
	fd_close(w.at);
	return r;
}

/* ---- processes ----------------------------------------------------------- */

struct pids {
	int *v;
	size_t n, room;
};

static int add_pid(struct pids *l, const char *text)
{
	uint64_t pid;
	int *v;

	/* 0: of a pid namespace that we do not see */
	if (str_parse_u64(text, &pid) < 0 || pid == 0 || pid > INT32_MAX)
		return 0;
	v = array_room(l->v, l->n, &l->room, sizeof *v);
	if (!v)
		return -ENOMEM;
	l->v = v;
	l->v[l->n++] = (int)pid;
	return 0;
}

/* Adds those of the group @name in @parent. */
static int read_procs(int parent, const char *name, void *arg)
{
	cleanup_close int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	char *save = NULL;
	int r = dir < 0 ? -errno
			: io_read_file_at(dir, "cgroup.procs", 64 << 20, &text, NULL);

	/* Gone meanwhile; or threads only, whose processes the group above lists. */
	if (r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP)
		return 0;
	for (char *pid = r < 0 ? NULL : strtok_r(text, "\n", &save); r >= 0 && pid;
	     pid = strtok_r(NULL, "\n", &save))
		r = add_pid(arg, pid);
	return r;
}

static int collect(int dir, struct pids *l)
{
	int r = read_procs(dir, ".", l);

	return r < 0 ? r : place_walk(dir, read_procs, l);
}

int place_populated(int dir)
{
	struct pids l = {0};
	int r = collect(dir, &l);

	free(l.v);
	return r < 0 ? r : l.n > 0;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int place_pids(const struct place *p, int **ret, size_t *n, struct cis_error *err)
{
	struct pids l = {0};
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->n; i++)
		if (p->g[i].dir >= 0)
			r = collect(p->g[i].dir, &l);
	if (r < 0) {
		free(l.v);
		return cis_fail(err, -r, "cgroups: list the processes of %s", p->path);
	}
	if (l.n > 0)
		qsort(l.v, l.n, sizeof *l.v, by_number);
	for (size_t i = 0; i < l.n; i++)
		if (i == 0 || l.v[i] != l.v[kept - 1])
			l.v[kept++] = l.v[i];
	*ret = l.v;
	*n = kept;
	return 0;
}

/* ---- freezing ------------------------------------------------------------ */

/* THAWED, FREEZING or FROZEN, by their first letters. */
static int state_v1(int dir, char state[4])
{
	cleanup_free char *text = NULL;
	int r = io_read_file_at(dir, "freezer.state", 64, &text, NULL);

	if (r >= 0)
		snprintf(state, 4, "%.3s", text);
	return r;
}

/*
 * A process that forks or traces while the signal goes round can leave a v1 group at
 * FREEZING for ever: writing again helps, and letting it run for a moment does.
 */
static int freeze_v1(int dir)
{
	char state[4] = "";
	int r = 0;

	for (int tries = 1; tries <= 1000; tries++) {
		if (tries % 50 == 0) {
			io_write_file_at(dir, "freezer.state", "THAWED");
			nap(10000);
		}
		r = io_write_file_at(dir, "freezer.state", "FROZEN");
		if (r >= 0 && tries % 25 == 24)
			nap(10);
		if (r >= 0)
			r = state_v1(dir, state);
		if (r < 0 || strcmp(state, "FRO") == 0)
			break;
		if (tries > 2)
			nap(tries < 20 ? 100 : 1000);
	}
	if (r >= 0 && strcmp(state, "FRO") == 0)
		return 0;
	io_write_file_at(dir, "freezer.state", "THAWED");
	return r < 0 ? r : -EBUSY;
}

/* cgroup.events wakes a poll when it changes. 10 s at most, as in runc. */
static int freeze_v2(int dir)
{
	cleanup_close int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	uint64_t frozen = 0;
	char text[256];
	int r = events < 0 ? -errno : io_write_file_at(dir, "cgroup.freeze", "1");

	for (int tries = 0; r >= 0 && tries < 100; tries++) {
		struct pollfd wait = {.fd = events, .events = POLLPRI};

		/* Reading through this descriptor is what arms the poll. */
		if (pread(events, text, sizeof text, 0) < 0)
			r = -errno;
		if (r >= 0)
			r = io_read_key_at(dir, "cgroup.events", "frozen", &frozen);
		if (r >= 0 && frozen)
			return 0;
		if (r >= 0)
			poll(&wait, 1, 100);
	}
	if (events >= 0)
		io_write_file_at(dir, "cgroup.freeze", "0");
	return r < 0 ? r : -EBUSY;
}

int place_freeze(const struct place *p, bool frozen, struct cis_error *err)
{
	const struct place_group *g = place_of(p, PLACE_FREEZER);
	int r;

	if (!g || g->dir < 0)
		return cis_fail_plain(err, g ? ENOENT : EOPNOTSUPP,
				      g ? "cgroups: freeze %s: the group does not exist"
					: "cgroups: freeze %s: this host has no freezer",
				      p->path);
	if (frozen)
		r = g->v2 ? freeze_v2(g->dir) : freeze_v1(g->dir);
	else if (g->v2)
		r = io_write_file_at(g->dir, "cgroup.freeze", "0");
	else
		r = io_write_file_at(g->dir, "freezer.state", "THAWED");
	if (r < 0)
		return cis_fail(err, -r, "cgroups: %s %s", frozen ? "freeze" : "thaw",
				p->path);
	return 0;
}

int place_is_frozen(const struct place *p)
{
	const struct place_group *g = place_of(p, PLACE_FREEZER);
	uint64_t frozen = 0;
	char state[4];

	if (!g || g->dir < 0)
		return 0;
	if (!g->v2)
		return state_v1(g->dir, state) == 0 && strcmp(state, "THA") != 0;
	if (io_read_key_at(g->dir, "cgroup.events", "frozen", &frozen) < 0)
		io_read_u64_at(g->dir, "cgroup.freeze", &frozen);
	return frozen == 1;
}

/* ---- signals ------------------------------------------------------------- */

static bool has_self(const int *pids, size_t n)
{
	int self = getpid();

	return bsearch(&self, pids, n, sizeof *pids, by_number) != NULL;
}

/* Returns how many there were. */
static int signal_all(const struct place *p, int sig, bool *ret_self,
		      struct cis_error *err)
{
	cleanup_free int *pids = NULL;
	size_t n = 0;
	int r = place_pids(p, &pids, &n, err);

	if (r < 0)
		return r;
	*ret_self = n > 0 && has_self(pids, n);
	for (size_t i = 0; sig >= 0 && i < n; i++)
		if (pids[i] != getpid() && kill(pids[i], sig) < 0 && errno != ESRCH)
			return cis_fail(err, errno, "cgroups: signal process %d of %s",
					pids[i], p->path);
	return (int)n;
}

/* Frozen nobody forks: whoever is listed then is everybody. */
static int signal_frozen(const struct place *p, int sig, struct cis_error *err)
{
	bool was = place_is_frozen(p), self = false, stopped;
	int r = signal_all(p, -1, &self, err), k = 0;

	if (r <= 0)
		return r;
	stopped = was || (!self && place_freeze(p, true, NULL) == 0);
	for (int round = 0; round < (stopped ? 1 : 100); round++) {
		k = signal_all(p, sig, &self, err);
		/* Without a freezer SIGKILL is repeated until no new ones come. */
		if (k <= 0 || sig != SIGKILL || stopped)
			break;
		nap(5000);
	}
	if (stopped && (!was || sig == SIGKILL)) {
		r = place_freeze(p, false, k < 0 ? NULL : err);
		k = k < 0 ? k : r;
	}
	return MIN(k, 0);
}

int place_kill(const struct place *p, int sig, struct cis_error *err)
{
	int dir = place_unified_fd(p);

	/* What is in cgroup2 at one stroke (Linux 5.14); then what is only elsewhere. */
	if (sig == SIGKILL && dir >= 0 &&
	    io_write_file_at(dir, "cgroup.kill", "1") == 0 && place_is_frozen(p))
		place_freeze(p, false, NULL);
	return signal_frozen(p, sig, err);
}

/* ---- removal ------------------------------------------------------------- */

static int remove_one(int parent, const char *name, void *arg)
{
	(void)arg;
	unlinkat(parent, name, AT_REMOVEDIR);
	return 0;
}

/* The last process is gone a moment before the group says so. */
static int remove_in(const struct place *p, int root)
{
	int r = -EBUSY;

	for (int tries = 0; tries < 400; tries++) {
		cleanup_close int dir = -1;

		r = unlinkat(root, p->path, AT_REMOVEDIR) < 0 ? -errno : 0;
		if (r == 0 || r == -ENOENT)
			return 0;
		dir = openat(root, p->path,
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir >= 0)
			place_walk(dir, remove_one, NULL);
		if (tries % 50 == 10)
			place_kill(p, SIGKILL, NULL);
		if (tries > 1)
			nap(tries < 20 ? 500 : 5000);
	}
	return r;
}

int place_remove(const struct place *p, struct cis_error *err)
{
	int result = 0;

	if (*p->unit) {
		/* systemd would ask politely, and wait. */
		place_kill(p, SIGKILL, NULL);
		result = systemd_stop(p, err);
	}
	for (size_t i = 0; *p->path && i < p->n; i++) {
		cleanup_close int root =
			open(p->g[i].mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r = root < 0 ? -errno : remove_in(p, root);
		char where[PLACE_PATH + 192];

		if (r < 0 && result >= 0)
			result = cis_fail(err, -r, "cgroups: remove %s",
					  place_where(p, &p->g[i], where, sizeof where));
		/* With the last container; a hierarchy that is gone has none. */
		if (root >= 0 && str_starts(p->path, PLACE_PARENT "/"))
			unlinkat(root, PLACE_PARENT, AT_REMOVEDIR);
	}
	return result;
}

/* ---- out of memory ------------------------------------------------------- */

static int oom_fd_v1(int dir)
{
	cleanup_close int event = -1;
	cleanup_close int control = openat(dir, "memory.oom_control",
					   O_RDONLY | O_CLOEXEC);
	char text[48] = "";
	int r;

	if (control < 0)
		return -errno;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	num_append(text, sizeof text, (unsigned long long)event);
	strncat(text, " ", sizeof text - strlen(text) - 1);
	num_append(text, sizeof text, (unsigned long long)control);
	r = io_write_file_at(dir, "cgroup.event_control", text);
	return r < 0 ? r : steal_fd(&event);
}

static int oom_fd_v2(const struct place *p, const struct place_group *g)
{
	cleanup_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char where[PLACE_PATH + 192];
	size_t used;

	if (fd < 0)
		return -errno;
	place_where(p, g, where, sizeof where);
	used = strlen(where);
	snprintf(where + used, sizeof where - used, "/memory.events");
	if (inotify_add_watch(fd, where, IN_MODIFY) < 0)
		return -errno;
	return steal_fd(&fd);
}

int place_oom_fd(const struct place *p, struct cis_error *err)
{
	const struct place_group *g = place_of(p, PLACE_MEMORY);
	int r;

	if (!g || g->dir < 0)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "cgroups: %s has no memory controller to report "
				      "running out of it", p->path);
	r = g->v2 ? oom_fd_v2(p, g) : oom_fd_v1(g->dir);
	if (r < 0)
		return cis_fail(err, -r, "cgroups: watch the memory of %s", p->path);
	return r;
}

int place_oom_kills(const struct place *p, uint64_t *ret)
{
	const struct place_group *g = place_of(p, PLACE_MEMORY);

	if (!g || g->dir < 0)
		return -EOPNOTSUPP;
	return io_read_key_at(g->dir, g->v2 ? "memory.events" : "memory.oom_control",
			      "oom_kill", ret);
}

/*
 * v1 counts only what it killed of the group itself, not of those below, and its event
 * does not say why it came. The last one is of the group's end.
 */
static int oom_next_v1(const struct place_group *g, int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof n) < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n && faccessat(g->dir, "memory.oom_control", F_OK, 0) < 0)
		n--;
	return (int)MIN(n, INT_MAX);
}

static int oom_next_v2(const struct place *p, int fd, uint64_t *seen)
{
	uint64_t before = *seen;
	char events[4096];
	int r;

	while (read(fd, events, sizeof events) > 0)
		;
	r = place_oom_kills(p, seen);
	if (r == -ENOENT || r == -ENODEV)
		return 0;
	return r < 0 ? r : *seen > before ? (int)MIN(*seen - before, INT_MAX) : 0;
}

int place_oom_next(const struct place *p, int fd, uint64_t *seen)
{
	const struct place_group *g = place_of(p, PLACE_MEMORY);

	if (!g || g->dir < 0)
		return 0;
	return g->v2 ? oom_next_v2(p, fd, seen) : oom_next_v1(g, fd);
}
