/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container will be: everything of it that can be read, checked and opened before
 * anything is made for it on the host. Profile docker is decided here, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../isolate/lsm.h"
#include "../isolate/procfd.h"
#include "console.h"
#include "engine-dirs.h"
#include "idmap.h"
#include "making.h"
#include "netdev.h"
#include "notify.h"
#include "profile.h"
#include "sources.h"
#include "systemd-init.h"
#include "unmapped.h"

static int open_bundle(struct making *m, struct cis_error *err)
{
	const char *path = m->how->bundle ? m->how->bundle : ".";
	char by_fd[40];

	if (m->more) {
		snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", m->more->bundle);
		path = by_fd;
	}
	m->config_name = m->how->config ? m->how->config : "config.json";
	m->bundle_path = realpath(path, NULL);
	if (!m->bundle_path)
		return cis_fail(err, errno, "bundle %s", path);
	m->bundle = open(m->bundle_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m->bundle < 0 ? cis_fail(err, errno, "bundle %s", path) : 0;
}

/* As runc has it, a place in the root may be told by its path on the host. */
static void cut_rootfs(struct config *c, const char *rootfs)
{
	size_t n = strlen(rootfs);

	for (size_t i = 0; i < c->n_mounts && n > 1; i++) {
		char *to = c->mounts[i].destination;

		if (str_starts(to, rootfs) && to[n] == '/')
			memmove(to, to + n, strlen(to + n) + 1);
	}
}

static int find_rootfs(struct making *m, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	const char *given = m->config.root_path;
	int r;

	if (!given)
		return cis_fail_plain(err, EINVAL, "config.json: root: missing");
	r = given[0] == '/' ? str_set(&path, given)
			    : str_format(&path, "%s/%s", m->bundle_path, given);
	if (r < 0)
		return cis_fail(err, ENOMEM, "rootfs");
	m->box.rootfs = realpath(path, NULL);
	if (!m->box.rootfs)
		return cis_fail(err, errno, "rootfs %s", path);
	cut_rootfs(&m->config, m->box.rootfs);
	return 0;
}

static int take_namespaces(struct making *m, struct cis_error *err)
{
	const struct config *c = &m->config;
	struct box *b = &m->box;

	for (size_t i = 0; i < c->n_namespaces; i++) {
		const struct config_namespace *ns = &c->namespaces[i];
		int fd;

		b->in_userns |= ns->flag == CLONE_NEWUSER;
		if (!ns->path) {
			b->new_namespaces |= (uint64_t)ns->flag;
			continue;
		}
		fd = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return cis_fail(err, errno, "namespace %s", ns->path);
		/* The stage builds the root with the host's privilege, and enters it then. */
		if (m->docker && ns->flag == CLONE_NEWUSER)
			b->userns = fd;
		else
			b->joins[i] = fd;
	}
	if (!(b->new_namespaces & CLONE_NEWNS))
		return cis_fail_plain(err, EINVAL,
				      "linux.namespaces: a container needs a new mount "
				      "namespace");
	if ((b->new_namespaces & CLONE_NEWUSER) && (!c->n_uid_map || !c->n_gid_map))
		return cis_fail_plain(err, EINVAL,
				      "linux.uidMappings: user namespaces enabled, but no user "
				      "mappings found");
	return 0;
}

/* A namespace of its own: a new one, or one that is joined and is not ours. */
static bool is_own(const struct making *m, int flag, const char *name)
{
	const struct config_namespace *ns = config_namespace(&m->config, flag);
	struct stat ours, its;
	char path[64];

	if (!ns || !ns->path)
		return ns;
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	return stat(path, &ours) == 0 && stat(ns->path, &its) == 0 && ours.st_ino != its.st_ino;
}

static int check_namespaced(const struct making *m, struct cis_error *err)
{
	bool ipc = is_own(m, CLONE_NEWIPC, "ipc"), net = is_own(m, CLONE_NEWNET, "net");
	bool uts = is_own(m, CLONE_NEWUTS, "uts"), user = is_own(m, CLONE_NEWUSER, "user");
	int r = 0;

	for (size_t i = 0; i < m->config.n_sysctl && r >= 0; i++)
		r = sysctl_check(m->config.sysctl[i].key, ipc, net, uts, user, err);
	if (r >= 0 && m->config.n_net_devices && !net)
		r = cis_fail_plain(err, EINVAL,
				   "linux.netDevices: the container has no network namespace "
				   "of its own");
	return r < 0 ? r : netdev_check(&m->config, err);
}

static uid_t root_outside(const struct config *c)
{
	for (size_t i = 0; i < c->n_uid_map; i++)
		if (c->uid_map[i].inside == 0)
			return c->uid_map[i].host;
	return 0;
}

/* As whichever id inside: its files and processes would be the sandbox's. */
static bool has_host_root(const struct config_idmap *map, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (map[i].host == 0 && map[i].size)
			return true;
	return false;
}

/* Its ids are known early, for what becomes of its root: see idmap_is_shifted(). */
static int look_at_ids(struct making *m, bool *ret_shifted, struct cis_error *err)
{
	struct config *c = &m->config;
	const struct config_namespace *user = config_namespace(c, CLONE_NEWUSER);
	cleanup_close int root = -1;
	int r = 0;

	if (!user || m->network.base)
		return 0;
	if (user->path && (!c->n_uid_map || !c->n_gid_map))
		r = idmap_read(user->path, c, err);
	if (r < 0)
		return r;
	root = open(m->box.rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cis_fail(err, errno, "rootfs %s", m->box.rootfs);
	m->box.engine_ids = true;
	*ret_shifted = idmap_is_shifted(c, root);
	return 0;
}

/* Profile docker: see profile.h. */
static int make_sandbox_of_it(struct making *m, struct cis_error *err)
{
	struct box *b = &m->box;
	cleanup_free char *dirs = NULL;
	bool shifted = false;
	int r = profile_check(&m->config, err);

	/* Before those of ours, which nobody else can have, are among them. */
	m->took_shared = r >= 0;
	if (r >= 0)
		r = engine_dirs_claim(&m->config, m->ct.path, m->bundle, err);
	if (r >= 0)
		r = network_decide(&m->network, &m->config, m->rt, err);
	b->behind_gate = m->network.gate >= 0;
	b->foreign_net = m->network.direct;
	if (r >= 0)
		r = look_at_ids(m, &shifted, err);
	if (r >= 0)
		r = overlay_root_find(&m->overlay, b->rootfs, shifted, err);
	if (r > 0 && !shifted)
		b->overlay = &m->overlay;
	if (r > 0 && m->overlay.upper) {
		r = str_format(&dirs, "%s/cisandbox", m->overlay.dir);
		r = r < 0 ? cis_fail(err, ENOMEM, "profile docker")
			  : engine_dirs_add(&m->config, b->rootfs, dirs, err);
	}
	if (r < 0)
		return r;
	r = systemd_init_find(&m->config, b->rootfs, err);
	b->systemd = r > 0;
	if (b->systemd)
		r = systemd_init_apply(&m->config, err);
	if (r < 0)
		return r;
	r = profile_apply(&m->config, m->ct.path, m->network.base, err);
	if (r >= 0)
		r = profile_divide(b, err);
	b->staged = true;
	b->state_path = m->ct.path;
	b->base = root_outside(&m->config);
	if (r >= 0 && (!b->base || has_host_root(m->config.uid_map, m->config.n_uid_map) ||
		       has_host_root(m->config.gid_map, m->config.n_gid_map)))
		r = cis_fail_plain(err, EPERM, "linux.uidMappings, gidMappings: the host's root "
					       "may not have an id in a sandbox");
	return r;
}

/* What the handle of a program says beside the bundle. */
static int add_more(struct making *m, struct cis_error *err)
{
	struct config_process *p = &m->config.process;
	const struct create_more *more = m->more;

	m->box.stdio = more->stdio;
	p->terminal |= more->terminal;
	if (more->rows) {
		p->rows = more->rows;
		p->cols = more->cols;
	}
	if (!more->argv)
		return 0;
	strv_done(&p->args);
	for (size_t i = 0; more->argv[i]; i++)
		if (strv_add(&p->args, more->argv[i]) < 0)
			return cis_fail(err, ENOMEM, "arguments");
	return 0;
}

int making_load(struct making *m, struct cis_error *err)
{
	int r = open_bundle(m, err);

	if (r >= 0)
		r = config_load(&m->config, m->bundle, m->config_name, err);
	if (r >= 0 && !m->config.has_process)
		r = cis_fail_plain(err, EINVAL, "config.json: process: missing");
	if (r >= 0 && m->more)
		r = add_more(m, err);
	if (r >= 0)
		r = console_check(m->config.process.terminal, m->how->console_socket,
				  m->how->ret_console, err);
	if (r >= 0)
		r = find_rootfs(m, err);
	if (r >= 0)
		r = profile_of(m->rt, &m->config, err);
	m->docker = r == PROFILE_DOCKER;
	m->nested = r == PROFILE_NESTED;
	return r;
}

/* Of our own clock, as a new one's is told: by how much it is off the host's. */
static void clock_from_now(struct config_time_offset *ret, const char *text, const char *name,
			   clockid_t id)
{
	const char *at = strstr(text, name);
	long long secs = 0;
	unsigned int nanosecs = 0;
	struct timespec now;

	if (!at || sscanf(at + strlen(name), "%lld %u", &secs, &nanosecs) != 2)
		return;
	clock_gettime(id, &now);
	*ret = (struct config_time_offset){true, secs - now.tv_sec, nanosecs};
}

/*
 * Uptime begins with the sandbox; so do the clocks by which the kernel says when a process
 * was started, or ps(1) would put one and the other together and be wrong.
 */
static void give_clock(struct making *m)
{
	struct config *c = &m->config;
	cleanup_free char *text = NULL;

	if (!m->keeper.on || !(m->docker || m->nested) || config_namespace(c, CLONE_NEWTIME) ||
	    io_read_file_at(AT_FDCWD, "/proc/self/timens_offsets", 4096, &text, NULL) < 0)
		return;
	clock_from_now(&c->monotonic, text, "monotonic", CLOCK_MONOTONIC);
	clock_from_now(&c->boottime, text, "boottime", CLOCK_BOOTTIME);
	m->box.new_namespaces |= CLONE_NEWTIME;
}

int making_decide(struct making *m, struct cis_error *err)
{
	struct box *b = &m->box;
	cleanup_close int root = -1;
	int r = m->docker ? make_sandbox_of_it(m, err) : 0;

	if (r >= 0)
		r = take_namespaces(m, err);
	if (r >= 0)
		r = check_namespaced(m, err);
	if (r < 0)
		return r;
	b->bind_devices = b->in_userns || process_is_in_userns();
	root = open(b->rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cis_fail(err, errno, "rootfs %s", b->rootfs);
	b->selinux = m->config.mount_label && lsm_selinux_enabled();
	r = finish_prepare(&b->finish, &m->config, &m->config.process, root, err);
	if (r >= 0 && m->how->listen_fds)
		r = finish_add_listen_fds(&b->finish, m->how->listen_fds, err);
	if (r >= 0)
		r = sources_take(b, m->bundle, err);
	if (r >= 0)
		r = keeper_decide(&m->keeper, &m->config, m->docker || m->nested,
				  root_outside(&m->config), m->ct.id, err);
	if (r < 0)
		return r;
	give_clock(m);
	b->vfs = m->keeper.mount;
	b->covers_again = m->nested && m->keeper.is_missing;
	b->vfs_conn = m->keeper.vfs.helper.conn;
	b->finish.cpus = m->keeper.cpus;
	b->finish.procfd = procfd_open();
	return b->finish.procfd < 0 ? cis_fail(err, -b->finish.procfd, "open procfs") : 0;
}
