/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/spawn.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "netbox-child.h"

#define LOOK_MSEC 200
#define SAID_MAX 16384

void netbox_done(struct netbox *b)
{
	for (size_t i = 0; i < b->n_files; i++) {
		free(b->files[i].at);
		/* It may be a password. */
		explicit_bzero(b->files[i].text, b->files[i].len);
		free(b->files[i].text);
	}
	b->n_files = 0;
}

void netbox_result_done(struct netbox_result *r)
{
	free(r->out);
	free(r->said);
	*r = (struct netbox_result){0};
}

int netbox_add_file(struct netbox *b, const char *at, const char *path, struct cis_error *err)
{
	struct netbox_file f = {0};
	cleanup_close int fd = io_open_given(path);
	int r = fd < 0 ? fd : io_read_fd(fd, NETBOX_FILE_MAX, &f.text, &f.len);

	if (r == -ESPIPE)
		return cis_fail_plain(err, ESPIPE, "%s is a named pipe", path);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0)
		r = str_set(&f.at, at);
	if (r == 0 && b->n_files == NETBOX_FILES_MAX)
		r = -E2BIG;
	if (r < 0) {
		free(f.text);
		free(f.at);
		return cis_fail(err, -r, "read %s", path);
	}
	b->files[b->n_files++] = f;
	return 0;
}

/* ---- what appears in it ------------------------------------------------------------- */

static void trees_done(struct netbox_birth *b)
{
	for (size_t i = 0; i < b->n_trees; i++)
		fd_close(b->trees[i].fd);
}

/* With what is mounted below: containers have /etc/resolv.conf from elsewhere. */
static int clone_readonly(const char *path, bool device)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
			    (device ? 0 : MOUNT_ATTR_NODEV),
		.propagation = MS_PRIVATE,
	};
	cleanup_close int fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE);
	int r = fd < 0 ? fd : sys_mount_setattr(fd, AT_RECURSIVE, &attr);

	return r < 0 ? r : steal_fd(&fd);
}

static void push(struct netbox_birth *b, const char *at, int fd, bool file)
{
	b->trees[b->n_trees++] = (struct netbox_tree){.at = at, .fd = fd, .file = file};
}

static int add_tree(struct netbox_birth *b, const char *path, bool device)
{
	struct stat st;
	int fd;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	fd = clone_readonly(path, device);
	if (fd < 0)
		return fd;
	push(b, path + 1, fd, !S_ISDIR(st.st_mode));
	return 0;
}

/* /bin, /lib and the like: mostly links into /usr. */
static int add_program_dir(struct netbox_birth *b, const char *path)
{
	struct netbox_tree *t = &b->trees[b->n_trees];
	ssize_t n = readlink(path, t->link, sizeof t->link - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : add_tree(b, path, false);
	if (n == sizeof t->link - 1)
		return -ENAMETOOLONG;
	t->link[n] = '\0';
	t->at = path + 1;
	t->fd = -1;
	b->n_trees++;
	return 0;
}

/* Mostly a link to what a resolver keeps below /run, which is not in the box. */
static int add_resolv_conf(struct netbox_birth *b, char path[static PATH_MAX])
{
	if (!realpath("/etc/resolv.conf", path) || str_starts(path, "/etc/") ||
	    str_starts(path, "/usr/"))
		return 0;
	return add_tree(b, path, false);
}

static int add_work(struct netbox_birth *b)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};
	cleanup_close int fd = mount_clone_tree(AT_FDCWD, b->box->dir, false);
	int r = fd < 0 ? fd : sys_mount_setattr(fd, 0, &attr);

	/* A user's files belong to the ids of the user's namespace as they are: plan_root(). */
	if (r >= 0 && !process_is_rootless())
		r = mount_idmap(fd, b->box->ids->userns);
	if (r < 0)
		return r;
	push(b, "work", steal_fd(&fd), false);
	return 0;
}

static int add_trees(struct netbox_birth *b, char resolv[static PATH_MAX],
		     struct cis_error *err)
{
	static const char *const programs[] = {"/bin",	 "/sbin",  "/lib",
					       "/lib32", "/lib64", "/libx32"};
	int r = add_tree(b, "/usr", false);

	for (size_t i = 0; i < ARRAY_SIZE(programs) && r >= 0; i++)
		r = add_program_dir(b, programs[i]);
	if (r >= 0)
		r = add_tree(b, "/etc", false);
	if (r >= 0)
		r = add_tree(b, "/dev/null", true);
	if (r >= 0)
		r = add_tree(b, "/dev/urandom", true);
	if (r >= 0)
		r = add_resolv_conf(b, resolv);
	if (r < 0)
		return cis_fail(err, -r, "clone mounts of the host");
	r = add_work(b);
	return r < 0 ? cis_fail(err, -r, "id-map %s", b->box->dir) : 0;
}

/* ---- its environment ---------------------------------------------------------------- */

/* What @more has, and proxies. */
static int make_env(struct strv *env, const char *const *more)
{
	static const char *const fixed[] = {"PATH=" PROCESS_DEFAULT_PATH, "LC_ALL=C.UTF-8",
					    "HOME=/home", "TMPDIR=/work/tmp",
					    "XDG_RUNTIME_DIR=/run/user"};
	static const char *const proxies[] = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
					      "ALL_PROXY",  "http_proxy",  "https_proxy",
					      "no_proxy",   "all_proxy"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixed) && r == 0; i++)
		r = strv_add(env, fixed[i]);
	for (; more && *more && r == 0; more++)
		r = strv_add(env, *more);
	for (size_t i = 0; i < ARRAY_SIZE(proxies) && r == 0; i++) {
		cleanup_free char *text = NULL;
		const char *value = getenv(proxies[i]);

		if (!value)
			continue;
		r = str_format(&text, "%s=%s", proxies[i], value);
		if (r == 0)
			r = strv_add(env, text);
	}
	return r;
}

/* ---- while it runs ------------------------------------------------------------------ */

struct stream {
	int fd;
	char *text;
	size_t n, max;
};

struct watch {
	const struct netbox_job *job;
	struct stream out, said;
	int pidfd, life, told;
	int64_t got;	/* bytes at the last look */
	uint64_t since; /* when that was more than before */
};

static void watch_done(struct watch *w)
{
	free(w->out.text);
	free(w->said.text);
	fd_close(w->out.fd);
	fd_close(w->said.fd);
	fd_close(w->pidfd);
	fd_close(w->life);
	fd_close(w->told);
}

/* 0 at its end. What is more than there is room for goes over the oldest half, or is -EFBIG. */
static ssize_t take(struct stream *s, bool keep_end)
{
	ssize_t n;

	if (s->n == s->max && keep_end) {
		memmove(s->text, s->text + s->max / 2, s->max - s->max / 2);
		s->n -= s->max / 2;
	}
	/* One byte more than there may be tells that there is more. */
	n = read(s->fd, s->text + s->n, s->max + 1 - s->n);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	s->n += (size_t)n;
	if (s->n > s->max && !keep_end)
		return -EFBIG;
	s->n = MIN(s->n, s->max);
	if (n == 0)
		s->fd = fd_close(s->fd);
	return n;
}

static int look(struct watch *w, struct cis_error *err)
{
	const struct netbox_job *job = w->job;
	uint64_t now = now_msec();
	int64_t got = job->look ? job->look(job->arg, err) : 0;

	if (got < 0)
		return (int)got;
	got += (int64_t)w->out.n;
	if (got != w->got) {
		w->got = got;
		w->since = now;
	}
	if (now >= job->deadline)
		return cis_fail_plain(err, ETIMEDOUT,
				      "it is not done when the timeout is over");
	if (now - w->since >= job->stall_msec)
		return cis_fail_plain(err, ETIMEDOUT, "not a byte has come for %llu s",
				      (unsigned long long)((now - w->since) / 1000));
	return 0;
}

/* Until both streams are at their end, or it is to be ended. */
static int follow(struct watch *w, struct cis_error *err)
{
	uint64_t next = 0;

	while (w->out.fd >= 0 || w->said.fd >= 0) {
		struct pollfd p[] = {{.fd = w->out.fd, .events = POLLIN},
				     {.fd = w->said.fd, .events = POLLIN}};
		ssize_t n = 0;
		int r;

		poll(p, ARRAY_SIZE(p), LOOK_MSEC);
		if (p[0].fd >= 0 && p[0].revents)
			n = take(&w->out, false);
		if (n >= 0 && p[1].fd >= 0 && p[1].revents)
			n = take(&w->said, true);
		if (n == -EFBIG)
			return cis_fail_plain(err, EFBIG, "more than %zu bytes came",
					      w->out.max);
		if (n < 0)
			return cis_fail(err, (int)-n, "read what %s says", w->job->argv[0]);
		if (now_msec() < next)
			continue;
		next = now_msec() + LOOK_MSEC;
		r = look(w, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int explain(const struct netbox_failure *f, const char *name, struct cis_error *err)
{
	static const char *const steps[] = {
		[NETBOX_NAMESPACES] = "make namespaces", [NETBOX_MOUNTS] = "make mounts",
		[NETBOX_FILES] = "write files",		 [NETBOX_ROOT] = "enter its root",
		[NETBOX_CONFINE] = "confine it",	 [NETBOX_EXEC] = "execute it",
	};

	return cis_fail(err, f->error, "run %s in a box: %s", name,
			f->step >= 0 && f->step < (int)ARRAY_SIZE(steps) ? steps[f->step]
									 : "?");
}

/* Everybody in it is dead after that. */
static int finish(struct watch *w, int r, struct netbox_result *ret, struct cis_error *err)
{
	struct netbox_failure f;
	siginfo_t info = {0};

	w->life = fd_close(w->life);
	while (waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (read(w->told, &f, sizeof f) == sizeof f)
		return explain(&f, w->job->argv[0], err);
	if (info.si_code != CLD_EXITED)
		return cis_fail_plain(err, ECANCELED, "%s was ended by signal %d",
				      w->job->argv[0], info.si_status);
	w->out.text[w->out.n] = '\0';
	w->said.text[w->said.n] = '\0';
	ret->out = steal_ptr(&w->out.text);
	ret->out_len = w->out.n;
	ret->said = steal_ptr(&w->said.text);
	ret->status = info.si_status;
	return 0;
}

/* ---- all of it ---------------------------------------------------------------------- */

static int make_pipes(int ends[4][2])
{
	for (size_t i = 0; i < 4; i++)
		if (pipe2(ends[i], O_CLOEXEC) < 0)
			return -errno;
	return 0;
}

static void close_pipes(int ends[4][2], int end)
{
	for (size_t i = 0; i < 4; i++)
		ends[i][end] = fd_close(ends[i][end]);
}

/* What the caller holds of the pipes goes to @w, what the child does to @b. */
static int start(struct watch *w, struct netbox_birth *b)
{
	int ends[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	struct clone_args args = {.flags = CLONE_PIDFD,
				  .pidfd = (uint64_t)(uintptr_t)&w->pidfd};
	int r = make_pipes(ends);

	if (r == 0) {
		b->out = ends[0][1];
		b->err = ends[1][1];
		b->told = ends[2][1];
		b->life = ends[3][0];
		r = process_clone(&args);
		if (r == 0)
			netbox_keeper_main(b);
		if (r < 0)
			w->pidfd = -1;
	}
	if (r > 0) {
		w->out.fd = steal_fd(&ends[0][0]);
		w->said.fd = steal_fd(&ends[1][0]);
		w->told = steal_fd(&ends[2][0]);
		w->life = steal_fd(&ends[3][1]);
	}
	close_pipes(ends, 0);
	close_pipes(ends, 1);
	return MIN(r, 0);
}

static int run(struct netbox_birth *b, const struct netbox_job *job,
	       struct netbox_result *ret, struct cis_error *err)
{
	cleanup(watch_done) struct watch w = {
		.job = job,
		.out = {.fd = -1, .max = job->out_max},
		.said = {.fd = -1, .max = SAID_MAX},
		.pidfd = -1,
		.life = -1,
		.told = -1,
		.since = now_msec(),
	};
	int r;

	w.out.text = malloc(w.out.max + 1);
	w.said.text = malloc(w.said.max + 1);
	r = w.out.text && w.said.text ? start(&w, b) : -ENOMEM;
	if (r < 0)
		return cis_fail(err, -r, "run %s", job->argv[0]);
	r = follow(&w, err);
	return finish(&w, r, ret, err);
}

int netbox_run(const struct netbox *box, const struct netbox_job *job,
	       struct netbox_result *ret, struct cis_error *err)
{
	cleanup_close int low = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* Not one that it takes the place of. */
	cleanup_close int null = fcntl(low, F_DUPFD_CLOEXEC, 3);
	cleanup(trees_done) struct netbox_birth b = {
		.box = box,
		.argv = job->argv,
		.file_max = job->file_max,
		.null = null,
	};
	cleanup(strv_done) struct strv env = {0};
	cleanup_free char *program = NULL;
	char resolv[PATH_MAX];
	int r = spawn_find(job->argv[0], &program);

	if (r == -ENOENT)
		return cis_fail_plain(err, ENOENT, "%s is not installed (apt install %s)",
				      job->argv[0], job->package);
	if (r == 0)
		r = null < 0 ? -EMFILE : make_env(&env, job->env);
	if (r < 0)
		return cis_fail(err, -r, "run %s", job->argv[0]);
	b.program = program;
	b.env = env.v;
	r = add_trees(&b, resolv, err);
	return r < 0 ? r : run(&b, job, ret, err);
}
