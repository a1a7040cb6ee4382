/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The caller's half of making a container, from decide.c on: what is made on the host
 * before the first clone; the conversation with stage and init; the files that tell of it
 * afterwards. Whatever fails, nothing stays.
 */
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
#include "../base/process.h"
#include "../base/record.h"
#include "../base/sys.h"
#include "../isolate/lsm.h"
#include "console.h"
#include "engine-dirs.h"
#include "hooks.h"
#include "idmap.h"
#include "making.h"
#include "netdev.h"
#include "notify.h"
#include "profile.h"
#include "sources.h"
#include "unmapped.h"
#include "verbs.h"

static int describe(struct making *m, struct cis_error *err);

/* ---- what is made on the host ---------------------------------------------------------- */

static int listen_for_start(struct making *m, struct cis_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char path[64];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	container_socket_path(&m->ct, path);
	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	m->box.listener = fd;
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 1) < 0)
		return cis_fail(err, errno, "listen for start");
	return 0;
}

/*
 * Podman without privilege has no group that it could divide, and says none: then the
 * container stays in ours. A limit that was asked for is an error of place_apply().
 */
static bool does_without_groups(const struct making *m, int r)
{
	const char *path = m->config.cgroups_path;

	return (r == -EACCES || r == -EPERM || r == -EROFS) && !(path && *path) &&
	       process_is_in_userns();
}

static uid_t owner_of_groups(const struct making *m)
{
	return m->docker ? m->box.base : 0;
}

static int make_place(struct making *m, struct cis_error *err)
{
	bool systemd = m->rt->flags & CIS_OCI_SYSTEMD_CGROUP;
	int r = place_decide(&m->ct.place, m->config.cgroups_path, m->ct.id, systemd,
			     &m->config.resources, err);

	/* First it is told where: whoever finds us killed can take it away. */
	if (r >= 0)
		r = describe(m, err);
	if (r < 0)
		return r;
	m->made_place = true;
	if (systemd)
		return 0;
	r = place_make(&m->ct.place, err);
	if (does_without_groups(m, r)) {
		m->made_place = false;
		place_done(&m->ct.place);
		place_init(&m->ct.place);
		r = 0;
	}
	return r < 0 ? r : container_limit(&m->ct, &m->config, owner_of_groups(m), err);
}

static int map_root(struct making *m, int userns, struct cis_error *err)
{
	const char *optional = config_annotation(&m->config, UNMAPPED_ANNOTATION);
	int r;

	if (m->box.engine_ids && idmap_is_shifted(&m->config, m->box.root))
		return 0;
	if (m->box.overlay) {
		r = overlay_root_take(&m->overlay, userns, err);
	} else {
		r = idmap_by(m->box.root, userns, false);
		if (r < 0) {
			r = cis_fail(err, -r, "id-map the rootfs %s", m->box.rootfs);
			cis_hint(err, "its file system cannot be id-mapped; put it on ext4, "
				      "xfs or btrfs");
		}
	}
	/* Then as the engine has mounted it. */
	if ((r == -EINVAL || r == -EPERM) && unmapped_is_optional(optional, "/")) {
		m->box.overlay = NULL;
		return 0;
	}
	return r;
}

/* Its own, or the one it joins: for the mounts that are mapped as it is. */
static int make_userns(struct making *m, struct cis_error *err)
{
	const struct config *c = &m->config;
	int r = 0, joined = -1;

	if (m->box.new_namespaces & CLONE_NEWUSER)
		r = m->box.userns = idmap_userns(c->uid_map, c->n_uid_map, c->gid_map,
						 c->n_gid_map, err);
	for (size_t i = 0; i < c->n_namespaces; i++)
		if (c->namespaces[i].flag == CLONE_NEWUSER && c->namespaces[i].path)
			joined = m->box.joins[i];
	if (joined < 0)
		joined = m->box.userns;
	if (r < 0 || !m->box.in_userns)
		return r;
	r = sources_idmap(&m->box, &m->config, joined, err);
	if (r < 0 || !m->docker)
		return r;
	return map_root(m, joined, err);
}

static int make_rdt(struct making *m, struct cis_error *err)
{
	cleanup_close int root = -1;

	if (!m->config.has_intel_rdt)
		return 0;
	root = rdt_open_root(err);
	return root < 0 ? root : rdt_make(&m->ct.rdt, root, &m->config, m->ct.id, err);
}

static int prepare(struct making *m, struct cis_error *err)
{
	struct box *b = &m->box;
	void *page = mmap(NULL, sizeof *b->init, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (page == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b->sync) < 0)
		return cis_fail(err, errno, "create %s", m->ct.id);
	b->init = page;
	b->finish.preserve = m->how->listen_fds + m->how->preserve_fds;
	b->flags = m->how->flags;
	b->id = m->ct.id;
	if (b->flags & CIS_OCI_NO_PIVOT && no_pivot_find(&b->bare, b->rootfs, err) < 0)
		return -err->code;
	args_find(&b->args);
	r = make_userns(m, err);
	if (r >= 0)
		r = listen_for_start(m, err);
	if (r >= 0)
		r = finish_compile(&b->finish, container_root(m->rt), err);
	if (r >= 0)
		r = make_rdt(m, err);
	if (r >= 0)
		r = make_place(m, err);
	if (r >= 0 && !config_namespace(&m->config, CLONE_NEWCGROUP) && !*m->ct.place.unit)
		r = sources_take_groups(b, err);
	return r;
}

/* It has no use for what children share with us, and nor has its helper. */
static int start_keeper(struct making *m, struct cis_error *err)
{
	madvise(m->box.init, sizeof *m->box.init, MADV_DONTFORK);
	return keeper_start(&m->keeper, m->ct.id, &m->ct.place, err);
}

/* ---- the conversation -------------------------------------------------------------------- */

static int clone_stage(struct making *m, pid_t *ret, struct cis_error *err)
{
	int unified = place_unified_fd(&m->ct.place);
	bool into = unified >= 0 && !*m->ct.place.unit;
	struct clone_args args = {
		.flags = CLONE_PIDFD | (into ? CLONE_INTO_CGROUP : 0) |
			 (m->box.staged ? CLONE_NEWNS : 0),
		.pidfd = (uint64_t)(uintptr_t)&m->stage,
		/* Init inherits it: whoever waits for a container waits as for any child. */
		.exit_signal = SIGCHLD,
		.cgroup = into ? (uint64_t)unified : 0,
	};
	int r = process_clone(&args);

	if (r == 0)
		box_stage_main(&m->box);
	if (r < 0) {
		m->stage = -1;
		return cis_fail(err, -r, "clone");
	}
	*ret = r;
	return 0;
}

static int make_scope(struct making *m, pid_t stage, struct cis_error *err)
{
	int r = place_start_scope(&m->ct.place, stage, &m->config.resources, err);

	return r < 0 ? r : container_limit(&m->ct, &m->config, owner_of_groups(m), err);
}

static char *state_text(const struct making *m, enum container_status status)
{
	struct json *o = container_state(&m->ct, status);
	char *text = NULL;

	if (json_write(o, 0, &text) < 0)
		text = NULL;
	json_free(o);
	return text;
}

/* The namespaces are there and the host's root is still init's. */
static int run_hooks(struct making *m, struct cis_error *err)
{
	cleanup_free char *state = NULL;
	cleanup_close int pidfd = -1;
	struct hook_place inside = {.dir = m->box.rootfs};
	int r = describe(m, err);

	if (r < 0)
		return r;
	state = state_text(m, STATUS_CREATING);
	if (!state)
		return cis_fail(err, ENOMEM, "hooks");
	r = hooks_run(&m->config, HOOK_PRESTART, state, NULL, err);
	if (r >= 0)
		r = hooks_run(&m->config, HOOK_CREATE_RUNTIME, state, NULL, err);
	if (r < 0 || !m->config.hooks[HOOK_CREATE_CONTAINER].n)
		return r;
	pidfd = sys_pidfd_open(*m->box.init);
	if (pidfd < 0)
		return cis_fail(err, -pidfd, "hooks");
	inside.pidfd = pidfd;
	return hooks_run(&m->config, HOOK_CREATE_CONTAINER, state, &inside, err);
}

static int go(const struct making *m)
{
	return sync_send(m->box.sync[0], &(struct sync_msg){.kind = BOX_GO});
}

static int on_record(struct making *m, const struct sync_msg *msg, int fd, pid_t stage,
		     struct cis_error *err)
{
	int r;

	switch ((enum box_kind)msg->kind) {
	case BOX_SCOPE:
		r = make_scope(m, stage, err);
		if (r >= 0)
			keeper_look(&m->keeper, &m->ct.place);
		if (r >= 0)
			r = start_keeper(m, err);
		return r < 0 ? r : go(m);
	case BOX_NETWORK:
		m->made_gate = true;
		r = network_make(&m->network, fd, err);
		return r < 0 ? r : go(m);
	case BOX_DEVICES:
		r = netdev_give(&m->config, stage, err);
		return r < 0 ? r : go(m);
	case BOX_IDMAP:
		if (msg->index >= m->config.n_mounts)
			return cis_fail(err, EPROTO, "mounts");
		r = idmap_mount(fd, &m->config.mounts[msg->index], err);
		return r < 0 ? cis_wrap(err, r, "mounts[%u]", msg->index) : go(m);
	case BOX_HOOKS:
		r = run_hooks(m, err);
		return r < 0 ? r : go(m);
	case BOX_CONSOLE:
		return console_give(fd, m->how->console_socket, m->how->ret_console, err);
	case BOX_LISTENER:
		r = listener_give(fd, &m->config.seccomp, &m->ct, err);
		return r < 0 ? r : go(m);
	case BOX_READY:
		return 1;
	default:
		return box_explain(&m->config, &m->config.process, msg, err);
	}
}

/* Engines know runc's words for it. */
static int explain_silence(const struct making *m, struct cis_error *err)
{
	uint64_t kills = 0;

	if (place_oom_kills(&m->ct.place, &kills) >= 0 && kills)
		return cis_fail_plain(err, EIO,
				      "container init was OOM-killed (memory limit too low?)");
	return cis_fail_plain(err, EIO, "container init died while it was set up (a memory or "
					"pids limit that is too low does that)");
}

static int converse(struct making *m, pid_t stage, struct cis_error *err)
{
	int r = 0;

	while (r == 0) {
		struct sync_msg msg;
		cleanup_close int fd = -1;
		int got = sync_recv(m->box.sync[0], &msg, &fd, 0);

		if (got < 0)
			return cis_fail(err, -got, "hear from the container");
		if (got == 0)
			return explain_silence(m, err);
		r = on_record(m, &msg, fd, stage, err);
	}
	return MIN(r, 0);
}

/* ---- what tells of it ----------------------------------------------------------------------- */

/*
 * Twice: before there are groups, and when there is an init.
 */
static int describe(struct making *m, struct cis_error *err)
{
	struct json *o;
	uint64_t started = 0;

	if (m->ct.doc && m->ct.init)
		return 0;
	if (*m->box.init && process_start_time(*m->box.init, &started, NULL) < 0)
		return cis_fail_plain(err, ESRCH, "container init died");
	m->ct.init = *m->box.init;
	m->ct.started = started;
	o = container_doc(&m->ct, &m->config, m->bundle_path, m->box.rootfs);
	if (m->docker)
		json_set_int(o, CONTAINER_SANDBOX_ROOT, m->box.base);
	network_save(&m->network, o);
	keeper_save(&m->keeper, o);
	if (m->box.systemd)
		json_set_bool(o, CONTAINER_SYSTEMD, true);
	return container_write(&m->ct, o, err);
}

static int hand_over(struct making *m, struct cis_error *err)
{
	int r = describe(m, err);

	if (r >= 0)
		r = keeper_settle(&m->keeper, *m->box.init, err);
	/* Of the engine's mount we have looked up names. */
	if (m->box.overlay)
		overlay_root_refresh(m->box.rootfs);
	if (r >= 0)
		r = container_keep_config(&m->ct, m->bundle, m->config_name, err);
	if (r >= 0 && m->how->pidfd_socket)
		r = pidfd_give(*m->box.init, m->how->pidfd_socket, err);
	/* Last: a pid file tells that it worked. */
	if (r >= 0 && m->how->pid_file)
		r = pid_file_write(m->how->pid_file, *m->box.init, err);
	if (r >= 0 && m->how->ret_pid)
		*m->how->ret_pid = *m->box.init;
	return r;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* Nobody can clone init any more once the stage is dead. */
static void unmake(struct making *m, pid_t stage)
{
	keeper_cancel(&m->keeper);
	if (stage > 0) {
		kill(stage, SIGKILL);
		process_wait(stage);
	}
	if (m->box.init && *m->box.init > 0) {
		kill(*m->box.init, SIGKILL);
		process_wait(*m->box.init);
	}
	if (m->made_place)
		place_remove(&m->ct.place, NULL);
	container_leave_rdt(&m->ct, NULL);
	if (m->made_gate)
		network_undo(m->ct.doc, NULL);
	if (m->took_shared) {
		profile_release(m->ct.path);
		engine_dirs_release(m->ct.path);
	}
	if (m->made_directory)
		container_remove(&m->ct, NULL);
}

static void done(struct making *m)
{
	struct box *b = &m->box;

	sources_done(b);
	overlay_root_done(&m->overlay);
	network_done(&m->network);
	keeper_done(&m->keeper);
	free(b->by_stage);
	strv_done(&b->bare);
	finish_done(&b->finish);
	for (size_t i = 0; i < ARRAY_SIZE(b->joins); i++)
		fd_close(b->joins[i]);
	fd_close(b->sync[0]);
	fd_close(b->sync[1]);
	fd_close(b->listener);
	fd_close(b->userns);
	fd_close(m->stage);
	fd_close(m->bundle);
	if (b->init)
		munmap(b->init, sizeof *b->init);
	free((char *)b->rootfs);
	free(m->bundle_path);
	container_done(&m->ct);
	config_done(&m->config);
}

static int make(struct making *m, const char *id, struct cis_error *err)
{
	pid_t stage = 0;
	int r = making_load(m, err);

	if (r >= 0)
		r = container_new(&m->ct, m->rt, id, err);
	if (r < 0)
		return r;
	m->made_directory = true;
	if (m->how->flags & CIS_OCI_NOTIFY)
		r = notify_prepare(&m->ct, &m->config, err);
	if (r >= 0)
		r = making_decide(m, err);
	if (r >= 0)
		r = prepare(m, err);
	if (r >= 0 && !*m->ct.place.unit)
		keeper_look(&m->keeper, &m->ct.place);
	if (r >= 0)
		r = clone_stage(m, &stage, err);
	m->box.sync[1] = fd_close(m->box.sync[1]);
	m->box.listener = fd_close(m->box.listener);
	/* Beside the stage; a scope's groups are not there yet. */
	if (r >= 0 && !*m->ct.place.unit)
		r = start_keeper(m, err);
	if (r >= 0)
		r = converse(m, stage, err);
	if (r >= 0)
		r = hand_over(m, err);
	if (r < 0)
		unmake(m, stage);
	else
		process_wait(stage);
	return r;
}

int container_create(const struct cis_oci *rt, const char *id,
		     const struct cis_oci_create *how, const struct create_more *more,
		     struct cis_error *err)
{
	struct making m = {.rt = rt, .how = how, .more = more, .bundle = -1, .stage = -1,
			   .overlay.dir_tree = -1};
	int r;

	/* Now, while none of ours could be taken for one of them. */
	for (unsigned int i = 0; i < how->listen_fds + how->preserve_fds; i++)
		if (fcntl((int)(3 + i), F_GETFD) < 0)
			return box_error(cis_fail(err, errno, "preserve descriptor %u", 3 + i),
					 err);
	m.box.c = &m.config;
	m.box.place = &m.ct.place;
	m.box.rdt = &m.ct.rdt;
	m.box.root = m.box.listener = m.box.userns = m.box.vfs = m.box.vfs_conn = -1;
	m.box.sync[0] = m.box.sync[1] = -1;
	m.box.finish.procfd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(m.box.joins); i++)
		m.box.joins[i] = -1;
	for (size_t i = 0; i < ARRAY_SIZE(m.box.groups); i++)
		m.box.groups[i] = -1;
	container_init(&m.ct);
	network_init(&m.network);
	keeper_init(&m.keeper);
	r = make(&m, id, err);
	done(&m);
	return box_error(r, err);
}

int cis_oci_create(const struct cis_oci *rt, const char *id, const struct cis_oci_create *how,
		   size_t size, struct cis_error *err)
{
	struct cis_oci_create h;
	int r = record_in(&h, sizeof h, how, size);

	return r < 0 ? cis_fail(err, -r, "create") : container_create(rt, id, &h, NULL, err);
}
