/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of pools: offered by their supervisors, found, taken. See pool.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/record.h"
#include "pool.h"
#include "sandbox.h"

#define LIKE_MAX (1u << 20)
#define CHILDREN_MAX (1u << 20)
#define TAKE_MSEC 5000 /* for its supervisor to say that it has heard */

/* Who asks must be able to trust it; and a path would be too long for some. */
static void address_of(int dir, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/" POOL_SOCKET, dir);
}

/* "NAME\n" and what it is like; or what of it fits. */
static int read_file(const struct state *st, char **ret)
{
	return io_read_file_at(st->dir, POOL_FILE, LIKE_MAX, ret, NULL);
}

void pool_of(const struct state *st, char ret[static 64])
{
	cleanup_free char *text = NULL;

	*ret = '\0';
	if (read_file(st, &text) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(ret, 64, "%s", text);
}

/* ---- the supervisor's side ------------------------------------------------------------- */

static int listen_at(int dir)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;

	address_of(dir, &addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 4) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Last of all, and in one step: who finds it finds the socket. */
static int write_file(const struct state *st, const char *pool, const char *like)
{
	cleanup_close int fd =
		openat(st->dir, POOL_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cleanup_free char *text = NULL;
	int r = fd < 0 ? -errno : str_format(&text, "%s\n%s", pool, like);

	if (r >= 0)
		r = strlen(text) > LIKE_MAX ? -E2BIG : io_write_all(fd, text, strlen(text));
	if (r >= 0 && renameat(st->dir, POOL_FILE ".new", st->dir, POOL_FILE) < 0)
		r = -errno;
	return r;
}

int cis_pool_offer(struct cis_sandbox *sb, const char *pool, const char *like,
		   struct cis_error *err)
{
	cleanup_close int fd = -1;
	int r;

	if (!sb->is_held)
		return cis_fail_plain(err, EBUSY, "only a sandbox that is held can be offered");
	r = fd = listen_at(sb->state.dir);
	if (r >= 0)
		r = write_file(&sb->state, pool, like);
	return r < 0 ? cis_fail(err, -r, "offer %s to pool %s", sb->state.id, pool)
		     : steal_fd(&fd);
}

/*
 * Frozen, init cannot tell that a service has died: but the kernel does. What it would have
 * reaped in a moment without harm is taken for one too, and costs a member.
 */
static bool has_dead(pid_t init)
{
	cleanup_free char *children = NULL;
	char path[64], *save = NULL;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", init, init);
	if (io_read_file_at(AT_FDCWD, path, CHILDREN_MAX, &children, NULL) < 0)
		return false;
	for (char *pid = strtok_r(children, " \n", &save); pid;
	     pid = strtok_r(NULL, " \n", &save)) {
		cleanup_free char *stat = NULL;
		char *state;

		snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
		if (io_read_file_at(AT_FDCWD, path, CHILDREN_MAX, &stat, NULL) < 0)
			return true;
		/* Behind its name, which may have parentheses. */
		state = strrchr(stat, ')');
		if (!state || state[1] != ' ' || state[2] == 'Z' || state[2] == 'X')
			return true;
	}
	return false;
}

int cis_pool_accept(struct cis_sandbox *sb, int listening, struct cis_error *err)
{
	cleanup_close int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR
			       ? -EAGAIN
			       : cis_fail(err, errno, "pool: accept");
	/* Others that have connected see its end, and know that they have come too late. */
	close(listening);
	unlinkat(sb->state.dir, POOL_FILE, 0);
	unlinkat(sb->state.dir, POOL_SOCKET, 0);
	/* Whoever has connected hears nothing, and looks for another. */
	if (has_dead(sb->pid))
		return cis_fail_plain(err, ESRCH, "pool: a service of %s has died", sb->state.id);
	/* From here on it is this one's, and no other's again. */
	if (send(fd, "", 1, MSG_NOSIGNAL) != 1)
		return cis_fail(err, errno, "pool: who took %s is gone", sb->state.id);
	return steal_fd(&fd);
}

/* ---- who has a job ------------------------------------------------------------------ */

enum kind { NOT_OF_IT, READY, STALE };

static enum kind kind_of(const struct state *st, const char *pool, const char *like)
{
	cleanup_free char *text = NULL;
	size_t n = strlen(pool);

	if (read_file(st, &text) < 0 || strncmp(text, pool, n) != 0 || text[n] != '\n')
		return NOT_OF_IT;
	return like && strcmp(text + n + 1, like) == 0 ? READY : STALE;
}

/* The connection, if it is ours now; -EAGAIN: another's, or nobody's. */
static int connect_to(const struct state *st)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct sockaddr_un addr;
	char taken;

	address_of(st->dir, &addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return -EAGAIN;
	if (poll(&p, 1, TAKE_MSEC) <= 0 || recv(fd, &taken, 1, 0) != 1)
		return -EAGAIN;
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int take_one(const char *id, const char *pool, const char *like)
{
	cleanup(state_done) struct state st;

	state_init(&st);
	if (state_open(&st, id, NULL) < 0 || kind_of(&st, pool, like) != READY)
		return -EAGAIN;
	return connect_to(&st);
}

int cis_pool_take(const char *pool, const char *like, struct cis_error *err)
{
	cleanup(strv_done) struct strv ids = {0};
	int r = state_list(&ids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ids.n; i++) {
		r = take_one(ids.v[i], pool, like);
		if (r != -EAGAIN)
			return r < 0 ? cis_fail(err, -r, "take %s of pool %s", ids.v[i], pool) : r;
	}
	return cis_fail_plain(err, EAGAIN, "pool %s is empty", pool);
}

int cis_pool_count(const char *pool, const char *like, struct cis_pool_count *ret, size_t size,
		   struct cis_error *err)
{
	cleanup(strv_done) struct strv ids = {0};
	struct cis_pool_count n = {0};
	int r = state_list(&ids, err);

	for (size_t i = 0; r >= 0 && i < ids.n; i++) {
		cleanup(state_done) struct state st;
		enum kind kind;

		state_init(&st);
		if (state_open(&st, ids.v[i], NULL) < 0 || !state_is_alive(&st))
			continue;
		kind = kind_of(&st, pool, like);
		n.ready += kind == READY;
		n.stale += kind == STALE;
	}
	if (r >= 0)
		record_out(ret, size, &n, sizeof n);
	return MIN(r, 0);
}

/* By taking it, so that nobody has it whose job would be ended. */
static int drop_one(const char *id, const char *pool, const char *like, struct cis_error *err)
{
	cleanup(state_done) struct state st;
	enum kind kind;
	int fd, status;

	state_init(&st);
	if (state_open(&st, id, NULL) < 0)
		return 0;
	kind = kind_of(&st, pool, like);
	if (kind == NOT_OF_IT || kind == READY)
		return 0;
	fd = connect_to(&st);
	/* Of a dead one nothing is left but what is reaped. */
	if (fd < 0)
		return 0;
	fd_close(fd);
	return state_wait_exit(&st, &status, err);
}

int cis_pool_drop(const char *pool, const char *like, struct cis_error *err)
{
	cleanup(strv_done) struct strv ids = {0};
	int r = state_list(&ids, err);

	for (size_t i = 0; r >= 0 && i < ids.n; i++)
		r = drop_one(ids.v[i], pool, like, err);
	return r >= 0 ? cis_reap(NULL, err) : r;
}
