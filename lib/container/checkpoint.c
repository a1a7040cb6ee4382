/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's processes on disk. criu does it; here is said what of the container is not
 * its own and stays outside: mounts (criu-mounts.c), namespaces that the config gives by
 * path, and init's streams, whose names go into a file beside the images, as runc has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/record.h"
#include "box.h"
#include "criu.h"
#include "keeper.h"
#include "verbs.h"

/* ---- streams ----------------------------------------------------------------------------- */

static int read_mount_id(pid_t pid, int fd, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	char path[64];
	const char *id;
	int r;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
	r = io_read_file_at(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r;
	id = strstr(text, "mnt_id:");
	if (!id)
		return -ENOENT;
	*ret = strtoull(id + strlen("mnt_id:"), NULL, 10);
	return 0;
}

/* Its name: that of a pipe is criu's already, that of a file of the host's we give it. */
static int name_stream(struct criu *c, pid_t pid, int fd, const struct criu_mounts *mounts,
		       char ret[static CRIU_STREAM_MAX])
{
	char path[64];
	struct stat st;
	uint64_t mount;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
	ret[0] = '\0';
	n = readlink(path, ret, CRIU_STREAM_MAX - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	ret[n] = '\0';
	if (stat(path, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)) ||
	    read_mount_id(pid, fd, &mount) < 0 || criu_mounts_have(mounts, mount))
		return 0;
	snprintf(ret, CRIU_STREAM_MAX, "file[%lx:%lx]", (unsigned long)mount,
		 (unsigned long)st.st_ino);
	criu_add(c, "--external=%s", ret);
	return 0;
}

static int keep_streams(struct criu *c, pid_t pid, const struct criu_mounts *mounts,
			struct cis_error *err)
{
	struct json *names = json_array_new();
	cleanup_free char *text = NULL, *path = NULL;
	cleanup_close int fd = -1;
	int r = 0;

	for (int i = 0; i < 3 && r >= 0; i++) {
		char name[CRIU_STREAM_MAX];

		r = name_stream(c, pid, i, mounts, name);
		json_push(names, json_string_new(name));
	}
	if (r >= 0)
		r = json_write(names, 0, &text);
	json_free(names);
	if (r >= 0)
		r = str_format(&path, "%s/" CRIU_STREAMS, c->images);
	if (r >= 0) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
	}
	return r < 0 ? cis_fail(err, -r, "write %s", CRIU_STREAMS) : 0;
}

/* ---- the rest of what is outside ----------------------------------------------------------- */

static int add_namespaces(struct criu *c, const struct config *config, struct cis_error *err)
{
	for (size_t i = 0; i < config->n_namespaces; i++) {
		const struct config_namespace *ns = &config->namespaces[i];
		const char *key = criu_namespace_key(ns);
		struct stat st;

		if (!ns->path || !key)
			continue;
		if (stat(ns->path, &st) < 0)
			return cis_fail(err, errno, "namespace %s", ns->path);
		criu_add(c, "--external=%s[%lu]:%s", ns->flag == CLONE_NEWNET ? "net" : "pid",
			 (unsigned long)st.st_ino, key);
	}
	return 0;
}

/* So that nothing changes while criu looks; without it, it stops one thread after the other. */
static void add_freezer(struct criu *c, const struct place *p)
{
	const struct place_group *g = place_of(p, PLACE_FREEZER);
	char path[1024];

	if (g && g->dir >= 0)
		criu_add(c, "--freeze-cgroup=%s", place_where(p, g, path, sizeof path));
}

static int add_parent(struct criu *c, const struct cis_oci_checkpoint *how,
		      struct cis_error *err)
{
	cleanup_free char *path = NULL;
	struct stat st;

	if (how->flags & CIS_OCI_PRE_DUMP || how->parent_path)
		criu_add(c, "--track-mem");
	if (!how->parent_path)
		return 0;
	if (how->parent_path[0] == '/')
		return cis_fail_plain(err, EINVAL, "parent-path %s: not relative to the images",
				      how->parent_path);
	if (str_format(&path, "%s/%s", c->images, how->parent_path) < 0)
		return cis_fail(err, ENOMEM, "parent-path");
	if (stat(path, &st) < 0)
		return cis_fail(err, errno, "parent-path %s", path);
	criu_add(c, "--prev-images-dir=%s", how->parent_path);
	return 0;
}

static int add_options(struct criu *c, const struct container *ct, const struct config *config,
		       const struct cis_oci_checkpoint *how, struct cis_error *err)
{
	cleanup(criu_mounts_done) struct criu_mounts mounts = {0};
	bool pre_dump = how->flags & CIS_OCI_PRE_DUMP;
	int r;

	criu_add(c, "criu");
	criu_add(c, pre_dump ? "pre-dump" : "dump");
	criu_add(c, "--tree=%d", ct->init);
	r = criu_set_paths(c, how->image_path, how->work_path, "dump.log", true, err);
	if (r >= 0)
		r = criu_add_common(c, how->flags, how->manage_cgroups, err);
	if (r >= 0)
		r = add_parent(c, how, err);
	if (how->flags & CIS_OCI_LEAVE_RUNNING && !pre_dump)
		criu_add(c, "--leave-running");
	if (how->status_fd) {
		criu_add(c, "--status-fd=%d", how->status_fd);
		c->keep[c->n_keep++] = how->status_fd;
	}
	add_freezer(c, &ct->place);
	if (r >= 0)
		r = add_namespaces(c, config, err);
	if (r < 0)
		return r;
	r = criu_mounts_read(&mounts, ct->init, err);
	if (r >= 0)
		r = criu_mounts_dump(c, config, ct->init, &mounts, err);
	if (r >= 0 && !pre_dump)
		r = keep_streams(c, ct->init, &mounts, err);
	return r;
}

static int dump(const struct container *ct, const struct config *config,
		const struct cis_oci_checkpoint *how, struct cis_error *err)
{
	cleanup(criu_done) struct criu c;
	int r;

	criu_init(&c);
	r = add_options(&c, ct, config, how, err);
	return r < 0 ? r : criu_run(&c, err);
}

static int checkpoint(const struct cis_oci *rt, struct container *ct,
		      const struct cis_oci_checkpoint *how, struct cis_error *err)
{
	enum container_status status = container_status(ct);
	cleanup(config_done) struct config config = {0};
	struct cis_oci its = {.root = rt->root};
	int r;

	its.profile = ct->sandbox_root		   ? "docker"
		      : keeper_is_in(ct->doc) ? "nested"
					      : "plain";
	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return cis_fail_plain(err, ESRCH, "container not running");
	if (status == STATUS_CREATED)
		return cis_fail_plain(err, EINVAL,
				      "cannot checkpoint a container that was not started");
	if (how->status_fd && fcntl(how->status_fd, F_GETFD) < 0)
		return cis_fail(err, errno, "status-fd %d", how->status_fd);
	r = verb_config(ct, &config, err);
	if (r >= 0)
		r = criu_check(&its, &config, "checkpoint", err);
	if (r >= 0)
		r = dump(ct, &config, how, err);
	if (r < 0 || how->flags & (CIS_OCI_LEAVE_RUNNING | CIS_OCI_PRE_DUMP))
		return r;
	return container_delete(ct, true, err);
}

int cis_oci_checkpoint(const struct cis_oci *rt, const char *id,
		       const struct cis_oci_checkpoint *how, size_t size,
		       struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	struct cis_oci_checkpoint h;
	int r = record_in(&h, sizeof h, how, size);

	if (r < 0)
		return cis_fail(err, -r, "checkpoint");
	container_init(&ct);
	r = container_open(&ct, rt, id, true, err);
	return box_error(r < 0 ? r : checkpoint(rt, &ct, &h, err), err);
}
