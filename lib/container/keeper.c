/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../isolate/confine.h"
#include "../isolate/ids.h"
#include "../sync.h"
#include "profile.h"

#define DOC_KEY "keeper"
#define END_MSEC 5000
#define RETRY_MSEC 1000 /* where there can be no helper now */
/* How often it samples the load; of a container that does nothing ever less often. */
#define LOOK_MSEC 5000
#define LOOK_IDLE_MSEC 20000

void keeper_init(struct keeper *k)
{
	*k = (struct keeper){.mount = -1, .talk = -1, .pidfd = -1, .hears = -1, .tasks = -1};
	vfs_init(&k->vfs);
}

void keeper_done(struct keeper *k)
{
	fd_close(k->mount);
	fd_close(k->talk);
	fd_close(k->pidfd);
	vfs_done(&k->vfs);
	if (k->cpus)
		munmap(k->cpus, sizeof *k->cpus);
	keeper_init(k);
}

/* ---- the process ----------------------------------------------------------------------- */

static void close_others(const struct keeper *k)
{
	int keep[4 + VFS_N_SOURCES + VFS_HOST_FILES_MAX];
	size_t n = 0;

	fd_keep(keep, &n, k->hears);
	fd_keep(keep, &n, k->tasks);
	fd_keep(keep, &n, k->vfs.helper.conn);
	for (size_t i = 0; i < VFS_N_SOURCES; i++)
		fd_keep(keep, &n, k->vfs.sources.fd[i]);
	for (size_t i = 0; i < VFS_HOST_FILES_MAX; i++)
		fd_keep(keep, &n, k->vfs.sources.host[i]);
	fd_close_others(keep, n);
}

/* An engine waits for the end of these pipes. */
static void leave_streams(void)
{
	int null = SYS(openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++) {
		if (null >= 0)
			SYS(dup3, null, i, 0);
		else
			fd_close(i);
	}
	fd_close(null);
}

/* What is left: to make helpers that are somebody else, and to end them. */
static int drop_privilege(void)
{
	const uint32_t wanted = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;
	struct __user_cap_data_struct has[2] = {{0}};
	int r = sys_capget(has);

	return r < 0 ? r : confine_caps_child(has[0].permitted & wanted);
}

static void end(struct keeper *k) __attribute__((noreturn));
static void end(struct keeper *k)
{
	/* First of all the connection: whoever waits for an answer has one. */
	vfs_done(&k->vfs);
	_exit(0);
}

/* Nobody listens to a keeper: the kernel's log is where the host's root looks. */
static void tell_crashes(const struct keeper *k)
{
	cleanup_close int log = SYS(openat, AT_FDCWD, "/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char line[200] = "<4>cisandbox-oci: the helper of the virtual files of container ";

	strncat(line, k->id, 64);
	strcat(line, " dies again and again\n");
	if (log >= 0)
		SYS(write, log, line, strlen(line));
}

/* When the next helper may begin. */
static uint64_t bury(struct keeper *k, bool settled)
{
	int status;
	unsigned int delay = vfs_bury(&k->vfs, &status);

	/* Its file system is gone; or who waits for create would wait for ever. */
	if (status == 0 || (!settled && k->vfs.quick_deaths >= VFS_CRASH_LOOP))
		end(k);
	if (k->vfs.quick_deaths == VFS_CRASH_LOOP)
		tell_crashes(k);
	return now_msec() + delay;
}

/* The descriptor of init; as long as there is none, the conversation's. */
static int hear(struct keeper *k)
{
	struct sync_msg m;
	int init = -1;

	/* create is dead. */
	if (sync_recv(k->hears, &m, &init, 0) <= 0 || init < 0)
		end(k);
	k->hears = fd_close(k->hears);
	return init;
}

/* To be called again so much later. */
static uint64_t sample_load(struct keeper *k, uint64_t now)
{
	uint64_t pause = MAX(k->pause_msec, (uint64_t)LOOK_MSEC);

	vfs_load_note(&k->load, now, vfs_load_cpu_usec(k->tasks), k->tasks,
		      &k->vfs.helper.shared->facts);
	k->pause_msec = k->load.idles ? MIN(2 * pause, (uint64_t)LOOK_IDLE_MSEC) : LOOK_MSEC;
	return k->pause_msec;
}

static void keep(struct keeper *k) __attribute__((noreturn));
static void keep(struct keeper *k)
{
	uint64_t spawn_at = 0, load_at = 0;
	int init = -1;

	for (;;) {
		uint64_t now = now_msec(), next;
		struct pollfd p[2] = {{.fd = init >= 0 ? init : k->hears, .events = POLLIN}};

		if (k->vfs.pidfd < 0 && now >= spawn_at && vfs_spawn(&k->vfs) < 0)
			spawn_at = now + RETRY_MSEC;
		if (now >= load_at)
			load_at = now + sample_load(k, now);
		next = k->vfs.pidfd < 0 ? MIN(spawn_at, load_at) : load_at;
		p[1] = (struct pollfd){.fd = k->vfs.pidfd, .events = POLLIN};
		if (poll(p, 2, (int)(next - MIN(now, next))) <= 0)
			continue;
		if (p[0].revents && init >= 0)
			end(k);
		if (p[0].revents)
			init = hear(k);
		if (p[1].revents)
			spawn_at = bury(k, init >= 0);
	}
}

static void keeper_main(struct keeper *k) __attribute__((noreturn));
static void keeper_main(struct keeper *k)
{
	SYS(prctl, PR_SET_NAME, "cis:keeper", 0, 0, 0);
	args_hide_child(&k->args, "cisandbox-keeper");
	k->talk = k->mount = k->pidfd = -1; /* create's */
	close_others(k);
	leave_streams();
	SYS(setsid);
	SYS(chdir, "/");
	if (drop_privilege() < 0)
		end(k);
	keep(k);
}

/* ---- create: before -------------------------------------------------------------------- */

static int read_choice(const struct config *c, bool by_default, bool *ret_on, bool *ret_asked,
		       struct cis_error *err)
{
	const char *said = config_annotation(c, VFS_ANNOTATION);

	*ret_asked = said && strcmp(said, "on") == 0;
	*ret_on = said ? *ret_asked : by_default;
	if (said && !*ret_asked && strcmp(said, "off") != 0)
		return cis_fail_plain(err, EINVAL,
				      "annotation " VFS_ANNOTATION "=%s: must be on or off", said);
	return 0;
}

static bool has_proc(const struct config *c)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (strcmp(c->mounts[i].type, "proc") == 0 &&
		    strcmp(c->mounts[i].destination, "/proc") == 0)
			return true;
	return false;
}

/*
 * In a user namespace not any number is an id: the last that there is. -EPERM where there is
 * root alone, as for podman of somebody without subordinate ids.
 */
static int id_of_helper(uid_t base, uid_t *ret)
{
	cleanup_free char *map = NULL, *groups = NULL;
	uid_t last = 0;

	*ret = ids_of_helper(base, PROFILE_IDS);
	if (!process_is_in_userns())
		return 0;
	if (io_read_file_at(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL) < 0 ||
	    io_read_file_at(AT_FDCWD, "/proc/self/setgroups", 64, &groups, NULL) < 0)
		return -EPERM;
	for (const char *line = map; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		unsigned int inside, outside, count;

		if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && count)
			last = MAX(last, inside + count - 1);
	}
	*ret = last;
	return last && str_starts(groups, "allow") ? 0 : -EPERM;
}

int keeper_decide(struct keeper *k, const struct config *c, bool by_default, uid_t base,
		  const char *id, struct cis_error *err)
{
	struct vfs_facts facts = {0};
	bool asked;
	uid_t helper;
	void *map;
	int r = read_choice(c, by_default, &k->on, &asked, err);

	if (r < 0 || !k->on)
		return r;
	if (!has_proc(c)) {
		k->on = false;
		return asked ? cis_fail_plain(err, EINVAL,
					      "annotation " VFS_ANNOTATION "=on: config.json "
					      "mounts no proc at /proc")
			     : 0;
	}
	r = id_of_helper(base, &helper);
	if (r < 0)
		cis_fail(err, -r, "virtual files: an id for their helper");
	if (r >= 0 && !asked)
		r = vfs_probe();
	shown_cpus_facts(shown_cpus_turn(base, id), &facts);
	if (r >= 0)
		r = vfs_make(&k->vfs, base, helper, &facts.cpus,
			     "annotation " VFS_ANNOTATION "=off", &k->mount, err);
	/* Inside of a sandbox more can be in the way than a device. */
	if (r < 0 && !asked && (!vfs_is_on(&k->vfs) || process_is_in_userns())) {
		k->on = false;
		k->is_missing = true;
		return 0;
	}
	if (r < 0)
		return r;
	k->vfs.helper.shared->facts.turn = facts.turn;
	map = mmap(NULL, sizeof *k->cpus, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		   0);
	if (map == MAP_FAILED)
		return cis_fail(err, errno, "virtual files");
	k->cpus = map;
	return 0;
}

/* ---- create: beside the stage ------------------------------------------------------------ */

static void open_sources(struct keeper *k, const struct place *p)
{
	struct vfs_groups groups;

	shown_cpus_groups(p, &groups);
	vfs_connect(&k->vfs, &groups);
	k->tasks = groups.unified >= 0 ? groups.unified : groups.cpu.dir;
}

/* Aside of create: the child of its child is nobody's to wait for. */
static int clone_keeper(void *arg)
{
	struct keeper *k = arg;
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&k->pidfd,
		.exit_signal = SIGCHLD,
	};

	k->pid = process_clone(&args);
	if (k->pid == 0)
		keeper_main(k);
	if (k->pid < 0)
		k->pidfd = -1;
	return k->pid;
}

void keeper_look(struct keeper *k, const struct place *p)
{
	if (k->on)
		shown_cpus_read(k->cpus, p, k->vfs.helper.shared->facts.turn);
}

int keeper_start(struct keeper *k, const char *id, const struct place *p, struct cis_error *err)
{
	int pair[2], r;

	if (!k->on)
		return 0;
	k->id = id;
	args_find(&k->args);
	open_sources(k, p);
	/* The stage is there already, and has no copy of it: its end is our end. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cis_fail(err, errno, "virtual files");
	k->talk = pair[0];
	k->hears = pair[1];
	r = process_run_aside(clone_keeper, k);
	k->hears = fd_close(k->hears);
	/* With it, whoever waits for an answer would wait for us. */
	k->vfs.helper.conn = fd_close(k->vfs.helper.conn);
	if (r >= 0)
		r = process_start_time(k->pid, &k->started, NULL);
	return r < 0 ? cis_fail(err, -r, "clone the keeper of the virtual files") : 0;
}

int keeper_settle(struct keeper *k, pid_t init, struct cis_error *err)
{
	cleanup_close int pidfd = -1;
	int r;

	if (!k->on)
		return 0;
	pidfd = r = sys_pidfd_open(init);
	if (r >= 0)
		r = sync_send_fd(k->talk, &(struct sync_msg){.kind = SYNC_GO}, pidfd);
	k->talk = fd_close(k->talk);
	return r < 0 ? cis_fail(err, -r, "the keeper of the virtual files") : 0;
}

/* ---- ends -------------------------------------------------------------------------------- */

static void await_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (poll(&p, 1, END_MSEC) <= 0)
		sys_pidfd_send_signal(pidfd, SIGKILL);
}

void keeper_cancel(struct keeper *k)
{
	k->talk = fd_close(k->talk);
	if (k->pidfd >= 0)
		await_end(k->pidfd);
}

void keeper_save(const struct keeper *k, struct json *doc)
{
	struct json *o;

	if (k->pid <= 0)
		return;
	o = json_object_new();
	json_set_int(o, "pid", k->pid);
	json_set_int(o, "startTime", (int64_t)k->started);
	json_set(doc, DOC_KEY, o);
}

bool keeper_is_in(const struct json *doc)
{
	return doc && json_get(doc, DOC_KEY);
}

void keeper_await(const struct json *doc)
{
	const struct json *o = doc ? json_get(doc, DOC_KEY) : NULL;
	const struct json *pid = o ? json_get(o, "pid") : NULL;
	const struct json *started = o ? json_get(o, "startTime") : NULL;
	cleanup_close int pidfd = -1;
	uint64_t now;

	if (!pid || !started || pid->type != JSON_INT || started->type != JSON_INT)
		return;
	pidfd = sys_pidfd_open((pid_t)pid->integer);
	if (pidfd >= 0 && process_start_time((pid_t)pid->integer, &now, NULL) >= 0 &&
	    now == (uint64_t)started->integer)
		await_end(pidfd);
}
