/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back: criu makes namespaces, root and processes from its images, as a child of
 * ours; groups, limits, hooks and what tells of the container are as in create.c. Its limits
 * hold for what is restored, not for criu: with them made, the first process is alone in its
 * namespaces when we are asked to go on, and its place is ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/record.h"
#include "box.h"
#include "console.h"
#include "criu.h"
#include "hooks.h"
#include "verbs.h"

struct restoring {
	const struct cis_oci *rt;
	const struct cis_oci_restore *how;
	struct config config;
	struct container ct;
	struct criu criu;
	char *bundle_path, *rootfs, *root; /* root: where criu has it */
	int bundle;
	int fds[CRIU_KEEP_MAX];
	size_t n_fds;
	pid_t init;
	bool made_directory, made_place;
};

/* ---- what is known before ------------------------------------------------------------- */

static const char *config_name(const struct restoring *m)
{
	return m->how->config ? m->how->config : "config.json";
}

static int load(struct restoring *m, struct cis_error *err)
{
	const char *path = m->how->bundle ? m->how->bundle : ".";
	cleanup_free char *rootfs = NULL;
	const char *given;
	int r;

	m->bundle_path = realpath(path, NULL);
	if (m->bundle_path)
		m->bundle = open(m->bundle_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->bundle < 0)
		return cis_fail(err, errno, "bundle %s", path);
	r = config_load(&m->config, m->bundle, config_name(m), err);
	if (r >= 0)
		r = criu_check(m->rt, &m->config, "restore", err);
	if (r < 0)
		return r;
	given = m->config.root_path;
	if (!given || !m->config.has_process)
		return cis_fail_plain(err, EINVAL, "config.json: %s: missing",
				      given ? "process" : "root");
	r = given[0] == '/' ? str_set(&rootfs, given)
			    : str_format(&rootfs, "%s/%s", m->bundle_path, given);
	if (r < 0)
		return cis_fail(err, ENOMEM, "rootfs");
	m->rootfs = realpath(rootfs, NULL);
	return m->rootfs ? 0 : cis_fail(err, errno, "rootfs %s", rootfs);
}

/* ---- what criu is told ------------------------------------------------------------------ */

static void inherit(struct restoring *m, int fd, const char *key)
{
	m->fds[m->n_fds++] = fd;
	m->criu.keep[m->criu.n_keep++] = fd;
	criu_add(&m->criu, "--inherit-fd=fd[%d]:%s", fd, key);
}

static int add_namespaces(struct restoring *m, struct cis_error *err)
{
	for (size_t i = 0; i < m->config.n_namespaces; i++) {
		const struct config_namespace *ns = &m->config.namespaces[i];
		const char *key = criu_namespace_key(ns);
		int fd;

		if (!ns->path)
			continue;
		if (ns->flag == CLONE_NEWIPC || ns->flag == CLONE_NEWUTS) {
			criu_add(&m->criu, "--join-ns=%s:%s",
				 ns->flag == CLONE_NEWIPC ? "ipc" : "uts", ns->path);
			continue;
		}
		if (!key)
			return cis_fail_plain(err, EINVAL, "restore: namespace %s: only network, "
					      "pid, ipc and uts may be joined", ns->path);
		fd = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return cis_fail(err, errno, "namespace %s", ns->path);
		inherit(m, fd, key);
	}
	return 0;
}

/* Ours are where criu has its own: they get other numbers. Twice the same is once. */
static int add_streams(struct restoring *m, struct cis_error *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	cleanup(json_freep) struct json *doc = NULL;
	const char *known[3] = {NULL};
	size_t len;
	int r = str_format(&path, "%s/" CRIU_STREAMS, m->criu.images), i = -1;

	if (r >= 0)
		r = io_read_file_at(AT_FDCWD, path, 4096, &text, &len);
	if (r < 0)
		return cis_fail(err, -r, "read %s", path ? path : CRIU_STREAMS);
	r = json_parse(text, len, 0, CRIU_STREAMS, &doc, err);
	if (r < 0)
		return r;
	json_foreach(it, doc) {
		const char *name = it->type == JSON_STRING ? it->string : "";
		bool twice = false;
		int fd;

		if (++i > 2)
			break;
		for (int k = 0; k < i; k++)
			twice |= known[k] && strcmp(known[k], name) == 0;
		if (twice || (strncmp(name, "pipe:[", 6) != 0 && strncmp(name, "file[", 5) != 0))
			continue;
		known[i] = name;
		fd = fcntl(i, F_DUPFD_CLOEXEC, 10);
		if (fd < 0)
			return cis_fail(err, errno, "stream %d", i);
		inherit(m, fd, name);
	}
	return 0;
}

static int add_options(struct restoring *m, struct cis_error *err)
{
	const struct cis_oci_restore *how = m->how;
	struct criu *c = &m->criu;
	int r;

	criu_add(c, "criu");
	criu_add(c, "restore");
	criu_add(c, "--restore-detached");
	criu_add(c, "--restore-sibling");
	/*
	 * criu 4's newer way to mount was seen to lose flags: one of two files that were masked
	 * came back writable.
	 */
	criu_add(c, "--mntns-compat-mode");
	r = criu_set_paths(c, how->image_path, how->work_path, "restore.log", false, err);
	if (r >= 0)
		r = criu_add_common(c, how->flags, how->manage_cgroups, err);
	if (r < 0)
		return r;
	criu_add(c, "--root=%s", m->root);
	criu_add(c, "--cgroup-root=/%s", m->ct.place.path);
	if (how->lsm_profile)
		criu_add(c, "--lsm-profile=%s", how->lsm_profile);
	if (how->lsm_mount_context)
		criu_add(c, "--lsm-mount-context=%s", how->lsm_mount_context);
	r = add_namespaces(m, err);
	if (r >= 0)
		r = add_streams(m, err);
	if (r >= 0)
		r = criu_mounts_restore(c, &m->config, m->bundle_path, err);
	return r;
}

/* ---- what is made on the host -------------------------------------------------------------- */

static int describe(struct restoring *m, struct cis_error *err)
{
	return container_write(
		&m->ct, container_doc(&m->ct, &m->config, m->bundle_path, m->rootfs), err);
}

static int make_place(struct restoring *m, struct cis_error *err)
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
	return r < 0 ? r : container_limit(&m->ct, &m->config, 0, err);
}

static int enter_place(struct restoring *m, struct cis_error *err)
{
	int r;

	if (!*m->ct.place.unit)
		return 0; /* criu moves it there */
	r = place_start_scope(&m->ct.place, m->init, &m->config.resources, err);
	return r < 0 ? r : container_limit(&m->ct, &m->config, 0, err);
}

/* As runc: of all hooks those that make the host ready for the namespaces. */
static int run_hooks(struct restoring *m, struct cis_error *err)
{
	struct json *o = container_state(&m->ct, STATUS_CREATING);
	cleanup_free char *state = NULL;
	int r = json_write(o, 0, &state);

	json_free(o);
	if (r < 0)
		return cis_fail(err, -r, "hooks");
	r = hooks_run(&m->config, HOOK_PRESTART, state, NULL, err);
	return r < 0 ? r : hooks_run(&m->config, HOOK_CREATE_RUNTIME, state, NULL, err);
}

static int on_init(pid_t pid, void *arg, struct cis_error *err)
{
	struct restoring *m = arg;
	int r;

	if (pid <= 0 || process_start_time(pid, &m->ct.started, NULL) < 0)
		return cis_fail_plain(err, ESRCH, "criu has not said which process is init");
	m->init = m->ct.init = pid;
	r = enter_place(m, err);
	if (r >= 0)
		r = describe(m, err);
	return r < 0 ? r : run_hooks(m, err);
}

/* criu 3.17 forgets it: then rather nothing than a process that may gain privileges. */
static int check_no_new_privs(const struct restoring *m, struct cis_error *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	int r = str_format(&path, "/proc/%d/status", m->init);

	if (r >= 0)
		r = io_read_file_at(AT_FDCWD, path, 65536, &text, NULL);
	if (r < 0)
		return cis_fail(err, -r, "look at init");
	if (m->config.process.no_new_privs && !strstr(text, "\nNoNewPrivs:\t1"))
		return cis_fail_plain(err, EOPNOTSUPP, "this criu does not restore "
				      "process.noNewPrivileges (install a newer one)");
	return 0;
}

static int hand_over(struct restoring *m, struct cis_error *err)
{
	int r = 0;

	if (!m->init)
		return cis_fail_plain(err, EIO, "criu has restored no init");
	r = check_no_new_privs(m, err);
	/* Last: a pid file tells that it worked. */
	if (r >= 0 && m->how->pid_file)
		r = pid_file_write(m->how->pid_file, m->init, err);
	if (r >= 0 && m->how->ret_pid)
		*m->how->ret_pid = m->init;
	return r;
}

/* ---- ends --------------------------------------------------------------------------------- */

static void unmake(struct restoring *m)
{
	if (m->init > 0) {
		kill(m->init, SIGKILL);
		process_wait(m->init);
	}
	if (m->made_place)
		place_remove(&m->ct.place, NULL);
	if (m->made_directory)
		container_remove(&m->ct, NULL);
}

static void done(struct restoring *m)
{
	for (size_t i = 0; i < m->n_fds; i++)
		fd_close(m->fds[i]);
	fd_close(m->bundle);
	free(m->bundle_path);
	free(m->rootfs);
	free(m->root);
	criu_done(&m->criu);
	container_done(&m->ct);
	config_done(&m->config);
}

static int make_root(struct restoring *m, struct cis_error *err)
{
	cleanup_free char *path = NULL;

	if (mkdirat(m->ct.dir, CONTAINER_CRIU_ROOT, 0700) < 0)
		return cis_fail(err, errno, "make %s/" CONTAINER_CRIU_ROOT, m->ct.path);
	if (str_format(&path, "%s/" CONTAINER_CRIU_ROOT, m->ct.path) < 0)
		return cis_fail(err, ENOMEM, "restore");
	m->root = realpath(path, NULL);
	m->criu.rootfs = m->rootfs;
	m->criu.root = m->root;
	return m->root ? 0 : cis_fail(err, errno, "%s", path);
}

static int restore(struct restoring *m, const char *id, struct cis_error *err)
{
	int r = load(m, err);

	if (r >= 0)
		r = container_new(&m->ct, m->rt, id, err);
	if (r < 0)
		return r;
	m->made_directory = true;
	r = container_keep_config(&m->ct, m->bundle, config_name(m), err);
	if (r >= 0)
		r = make_root(m, err);
	if (r >= 0)
		r = make_place(m, err);
	if (r >= 0)
		r = add_options(m, err);
	m->criu.on_init = on_init;
	m->criu.arg = m;
	if (r >= 0)
		r = criu_run(&m->criu, err);
	if (r >= 0)
		r = hand_over(m, err);
	unlinkat(m->ct.dir, CONTAINER_CRIU_ROOT, AT_REMOVEDIR);
	if (r < 0)
		unmake(m);
	return r;
}

int cis_oci_restore(const struct cis_oci *rt, const char *id,
		    const struct cis_oci_restore *how, size_t size, struct cis_error *err)
{
	struct cis_oci_restore h;
	struct restoring m = {.rt = rt, .how = &h, .bundle = -1};
	int r = record_in(&h, sizeof h, how, size);

	if (r < 0)
		return cis_fail(err, -r, "restore");
	container_init(&m.ct);
	criu_init(&m.criu);
	r = restore(&m, id, err);
	done(&m);
	return box_error(r, err);
}
