/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs on a container that exists, but exec (exec.c). */
#include "verbs.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../sync.h"
#include "box.h"
#include "engine-dirs.h"
#include "hooks.h"
#include "keeper.h"
#include "network.h"
#include "profile.h"
#include "systemd-init.h"

#define LEAF "init.scope"
#define END_MSEC 10000 /* for processes that were killed to be gone */

int verb_config(const struct container *ct, struct config *ret, struct cis_error *err)
{
	return config_load(ret, ct->dir, "config.json", err);
}

static int state_text(const struct container *ct, enum container_status status, char **ret)
{
	struct json *o = container_state(ct, status);
	int r = json_write(o, 0, ret);

	json_free(o);
	return r;
}

/* ---- start ---------------------------------------------------------------------------- */

static int connect_start(const struct container *ct, struct cis_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char path[64];

	container_socket_path(ct, path);
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return cis_fail(err, errno, "start %s", ct->id);
	return steal_fd(&fd);
}

/*
 * Until now init was in the group that the engine named, so that it looked there for
 * what is used. Groups can only be made beside a process that is in a leaf.
 */
static int enter_leaf(const struct container *ct, struct cis_error *err)
{
	static const char *const files[] = {".", "cgroup.procs", "cgroup.threads",
					    "cgroup.subtree_control"};
	const struct place *p = &ct->place;
	cleanup_close int leaf = -1;
	char pid[32];
	int r = 0;

	if (!ct->sandbox_root || p->unified < 0)
		return 0;
	if (mkdirat(p->g[p->unified].dir, LEAF, 0755) < 0 && errno != EEXIST)
		return cis_fail(err, errno, "make the group " LEAF);
	leaf = openat(p->g[p->unified].dir, LEAF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (leaf < 0)
		return cis_fail(err, errno, "open the group " LEAF);
	for (size_t i = 0; i < ARRAY_SIZE(files) && r >= 0; i++)
		if (fchownat(leaf, files[i], ct->sandbox_root, ct->sandbox_root,
			     AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
	snprintf(pid, sizeof pid, "%d", ct->init);
	if (r >= 0)
		r = io_write_file_at(leaf, "cgroup.procs", pid);
	return r < 0 ? cis_fail(err, -r, "move init to the group " LEAF) : 0;
}

/* Memory of the container's: what its hooks write counts against its limit. */
static int send_words(int conn)
{
	const struct sync_msg m = {.kind = BOX_WORDS};
	cleanup_close int words = memfd_create("hook", MFD_CLOEXEC);
	int r = words < 0 ? -errno : sync_send_fd(conn, &m, words);

	return r < 0 ? r : steal_fd(&words);
}

/* Silence is success: the socket closes when the command is executed. */
static int tell_init(const struct container *ct, const struct config *c, struct cis_error *err)
{
	cleanup_close int conn = connect_start(ct, err);
	cleanup_close int words = -1;
	cleanup_free char *state = NULL;
	struct sync_msg m;
	int r;

	if (conn < 0)
		return conn;
	/* The word to go on is the state: hooks that init runs want to read it. */
	r = state_text(ct, STATUS_CREATED, &state);
	if (r >= 0 && send(conn, state, strlen(state), MSG_NOSIGNAL) < 0)
		r = -errno;
	if (r >= 0 && c->hooks[HOOK_START_CONTAINER].n)
		r = words = send_words(conn);
	if (r >= 0)
		r = sync_recv(conn, &m, NULL, 0);
	unlinkat(ct->dir, CONTAINER_SOCKET, 0);
	if (r < 0)
		return cis_fail(err, -r, "start %s", ct->id);
	if (r > 0 && m.kind == BOX_HOOK_FAILED)
		return hooks_explain_start(c, m.index, m.status, words, err);
	return r == 0 ? 0 : box_explain(c, &c->process, &m, err);
}

static int run_poststart(const struct container *ct, const struct config *c,
			 struct cis_error *err)
{
	cleanup_free char *state = NULL;

	if (!c->hooks[HOOK_POSTSTART].n)
		return 0;
	if (state_text(ct, STATUS_RUNNING, &state) < 0)
		return cis_fail(err, ENOMEM, "start %s", ct->id);
	return hooks_run(c, HOOK_POSTSTART, state, NULL, err);
}

/* Without groups of its own (create.c), init, with which its pid namespace ends. */
static int kill_all(const struct container *ct, int sig, struct cis_error *err)
{
	cleanup_close int pidfd = ct->place.n ? -1 : container_pidfd(ct);
	int r = pidfd < 0 ? place_kill(&ct->place, sig, err)
			  : sys_pidfd_send_signal(pidfd, sig);

	return r == -ENOENT || r == -ESRCH ? 0 : r;
}

static int start(struct container *ct, struct cis_error *err)
{
	enum container_status status = container_status(ct);
	cleanup(config_done) struct config c = {0};
	int r;

	if (status == STATUS_STOPPED)
		return cis_fail_plain(err, EINVAL, "cannot start a container that has stopped");
	if (status != STATUS_CREATED)
		return cis_fail_plain(err, EINVAL, "cannot start an already running container");
	r = verb_config(ct, &c, err);
	if (r >= 0)
		r = enter_leaf(ct, err);
	if (r >= 0)
		r = tell_init(ct, &c, err);
	if (r >= 0)
		r = run_poststart(ct, &c, err);
	/* A hook that failed ends the container; a command that failed has ended. */
	if (r < 0)
		kill_all(ct, SIGKILL, NULL);
	return r;
}

int cis_oci_start(const struct cis_oci *rt, const char *id, struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, true, err);
	return box_error(r < 0 ? r : start(&ct, err), err);
}

/* ---- kill ------------------------------------------------------------------------------ */


/* Without a pid namespace of its own the end of init is not the end of the rest. */
static bool has_own_pids(const struct container *ct)
{
	cleanup(config_done) struct config c = {0};

	return verb_config(ct, &c, NULL) < 0 || config_namespace(&c, CLONE_NEWPID);
}

static bool has_processes(const struct container *ct)
{
	cleanup_free int *pids = NULL;
	size_t n = 0;

	return ct->doc && place_pids(&ct->place, &pids, &n, NULL) >= 0 && n > 0;
}

static int signal_init(struct container *ct, int sig, struct cis_error *err)
{
	enum container_status status = container_status(ct);
	cleanup_close int pidfd = -1;
	int r;

	/* Without a pid namespace the others outlive init. */
	if (sig == SIGKILL && !has_own_pids(ct) && has_processes(ct))
		return kill_all(ct, sig, err);
	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return cis_fail_plain(err, ESRCH, "container not running");
	pidfd = container_pidfd(ct);
	if (ct->systemd)
		sig = systemd_init_signal(sig);
	r = pidfd < 0 ? pidfd : sys_pidfd_send_signal(pidfd, sig);
	if (r == -ESRCH)
		return cis_fail_plain(err, ESRCH, "container not running");
	if (r < 0)
		return cis_fail(err, -r, "signal %d to container %s", sig, ct->id);
	/* A frozen process does not even die. */
	if (sig == SIGKILL && status == STATUS_PAUSED)
		return place_freeze(&ct->place, false, err);
	return 0;
}

int cis_oci_kill(const struct cis_oci *rt, const char *id, int sig, int all,
		 struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, false, err);
	if (r >= 0)
		r = all ? kill_all(&ct, sig, err) : signal_init(&ct, sig, err);
	return box_error(r, err);
}

/* ---- delete ---------------------------------------------------------------------------- */

static void await_end(const struct container *ct)
{
	cleanup_close int pidfd = container_pidfd(ct);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd >= 0)
		poll(&p, 1, END_MSEC);
}

static int end_it(struct container *ct, struct cis_error *err)
{
	cleanup_close int pidfd = container_pidfd(ct);
	int r;

	/* Its pidfd first: what lives in a pid namespace dies with init, in any group. */
	if (pidfd >= 0)
		sys_pidfd_send_signal(pidfd, SIGKILL);
	r = place_kill(&ct->place, SIGKILL, err);
	await_end(ct);
	return r == -ENOENT ? 0 : r;
}

/* Their failure is no reason to keep the container: the first is told, the rest is gone. */
static int run_poststop(const struct container *ct, struct cis_error *err)
{
	cleanup(config_done) struct config c = {0};
	cleanup_free char *state = NULL;
	int r = verb_config(ct, &c, err);

	if (r < 0 || !c.hooks[HOOK_POSTSTOP].n)
		return 0;
	if (state_text(ct, STATUS_STOPPED, &state) < 0)
		return cis_fail(err, ENOMEM, "delete %s", ct->id);
	return hooks_run(&c, HOOK_POSTSTOP, state, NULL, err);
}

int container_delete(struct container *ct, bool force, struct cis_error *err)
{
	enum container_status status = container_status(ct);
	int r = 0;

	if (!force && status != STATUS_STOPPED && status != STATUS_CREATED)
		return cis_fail_plain(err, EBUSY,
				      "cannot delete container %s that is not stopped: %s", ct->id,
				      container_status_name(status));
	if (status != STATUS_STOPPED && status != STATUS_CREATING)
		r = end_it(ct, err);
	if (r >= 0)
		keeper_await(ct->doc);
	if (r >= 0 && ct->doc)
		r = place_remove(&ct->place, err);
	if (r >= 0 || r == -ENOENT)
		r = container_leave_rdt(ct, err);
	if (r < 0)
		return r;
	run_poststop(ct, NULL);
	r = network_undo(ct->doc, err);
	if (r < 0)
		return r;
	/* Of one that was killed while it was made it is not known. */
	if (ct->sandbox_root || !ct->doc) {
		profile_release(ct->path);
		engine_dirs_release(ct->path);
	}
	return container_remove(ct, err);
}

int cis_oci_delete(const struct cis_oci *rt, const char *id, int force, struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, true, err);
	if (r == -ENOENT && force)
		return 0;
	return box_error(r < 0 ? r : container_delete(&ct, force, err), err);
}

/* ---- pause, resume, update ------------------------------------------------------------- */

static int freeze(const struct cis_oci *rt, const char *id, bool frozen, struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	enum container_status status;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, true, err);
	if (r < 0)
		return r;
	status = container_status(&ct);
	if (frozen && status != STATUS_RUNNING && status != STATUS_CREATED)
		return cis_fail_plain(err, EINVAL, "container not running or created: %s",
				      container_status_name(status));
	if (!frozen && status != STATUS_PAUSED)
		return cis_fail_plain(err, EINVAL, "container not paused");
	return place_freeze(&ct.place, frozen, err);
}

int cis_oci_pause(const struct cis_oci *rt, const char *id, struct cis_error *err)
{
	return box_error(freeze(rt, id, true, err), err);
}

int cis_oci_resume(const struct cis_oci *rt, const char *id, struct cis_error *err)
{
	return box_error(freeze(rt, id, false, err), err);
}

/* Not of LinuxResources: runc has options for it, and update() this member. */
static int update_rdt(const struct container *ct, const struct json *v, struct cis_error *err)
{
	const struct json *l3 = v ? json_get(v, "l3CacheSchema") : NULL;
	const struct json *mb = v ? json_get(v, "memBwSchema") : NULL;
	cleanup_close int root = -1;
	const char *l3_text = NULL, *mb_text = NULL;
	int r = 0;

	if (l3)
		r = json_want_string(l3, &l3_text, err);
	if (r >= 0 && mb)
		r = json_want_string(mb, &mb_text, err);
	if (r < 0 || !v)
		return r;
	root = rdt_open_root(err);
	if (root < 0)
		return root;
	if (!ct->rdt.given)
		return cis_fail_plain(err, EINVAL, "container %s was made without linux.intelRdt",
				      ct->id);
	return rdt_change(&ct->rdt, root, l3_text, mb_text, err);
}

static int update(struct container *ct, const char *text, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	struct config_resources res;
	enum container_status status = container_status(ct);
	const unsigned int turn = shown_cpus_turn(ct->sandbox_root, ct->id);
	struct shown_cpus before;
	bool shown;
	int r;

	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return cis_fail_plain(err, ESRCH, "container not running");
	r = json_parse(text, strlen(text), JSON_UNSIGNED, "resources", &doc, err);
	if (r < 0)
		return r;
	config_resources_init(&res);
	r = config_load_resources(&res, doc, err);
	if (r >= 0)
		r = update_rdt(ct, json_get(doc, "intelRdt"), err);
	shown = r >= 0 && keeper_is_in(ct->doc);
	if (shown)
		shown_cpus_read(&before, &ct->place, turn);
	if (r >= 0)
		r = place_apply(&ct->place, &res, err);
	if (shown)
		shown_cpus_move(&before, &ct->place, turn);
	config_resources_done(&res);
	return r;
}

int cis_oci_update(const struct cis_oci *rt, const char *id, const char *resources,
		   struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, true, err);
	return box_error(r < 0 ? r : update(&ct, resources, err), err);
}

/* ---- looking --------------------------------------------------------------------------- */

int cis_oci_state_json(const struct cis_oci *rt, const char *id, char **ret,
		       struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	struct json *o;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, false, err);
	if (r < 0)
		return box_error(r, err);
	o = container_state(&ct, container_status(&ct));
	r = json_write(o, JSON_PRETTY, ret);
	json_free(o);
	return r < 0 ? cis_fail(err, -r, "state of %s", id) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_listed(struct json *a, const struct cis_oci *rt, const char *name)
{
	cleanup(container_done) struct container ct;
	struct json *state;
	char owner[32] = "root";
	struct stat st;

	container_init(&ct);
	if (*name == '.' || container_open(&ct, rt, name, false, NULL) < 0)
		return;
	if (fstat(ct.dir, &st) == 0 && st.st_uid)
		snprintf(owner, sizeof owner, "#%u", st.st_uid);
	state = container_state(&ct, container_status(&ct));
	json_set_string(state, "owner", owner);
	json_push(a, state);
}

int cis_oci_list_json(const struct cis_oci *rt, char **ret, struct cis_error *err)
{
	struct dirent **names = NULL;
	struct json *a;
	int n = scandir(container_root(rt), &names, NULL, by_name), r;

	/* A root that was asked for by name and is not there is a mistake; ours may be young. */
	if (n < 0 && (errno != ENOENT || (rt && rt->root)))
		return box_error(cis_fail(err, errno, "list %s", container_root(rt)), err);
	a = json_array_new();
	for (int i = 0; i < n; i++) {
		add_listed(a, rt, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	r = json_write(a, 0, ret); /* on one line, as runc's readers know it */
	json_free(a);
	return r < 0 ? cis_fail(err, -r, "list %s", container_root(rt)) : 0;
}

int cis_oci_pids(const struct cis_oci *rt, const char *id, int **ret, size_t *ret_n,
		 struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, false, err);
	if (r >= 0 && container_status(&ct) == STATUS_STOPPED) {
		*ret = calloc(1, sizeof **ret);
		*ret_n = 0;
		return *ret ? 0 : cis_fail(err, ENOMEM, "ps");
	}
	return box_error(r < 0 ? r : place_pids(&ct.place, ret, ret_n, err), err);
}

int cis_oci_stats_json(const struct cis_oci *rt, const char *id, char **ret,
		       struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	cleanup(json_freep) struct json *stats = NULL;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, false, err);
	if (r >= 0 && container_status(&ct) == STATUS_STOPPED)
		r = cis_fail_plain(err, ESRCH, "container not running");
	if (r >= 0)
		r = place_stats(&ct.place, &stats, err);
	if (r < 0)
		return box_error(r, err);
	r = json_write(stats, 0, ret);
	return r < 0 ? cis_fail(err, -r, "stats of %s", id) : 0;
}
