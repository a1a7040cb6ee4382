/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../state.h"
#include "config.h"
#include "notify.h"

#define DEFAULT_ROOT "/run/cisandbox-oci"
#define MAX_ID 1024

static const char *const files[] = {"lock",        "state.json",     "state.json.new",
				    "config.json", CONTAINER_SOCKET};

void container_init(struct container *ct)
{
	*ct = (struct container){.dir = -1, .lock = -1};
	place_init(&ct->place);
	rdt_init(&ct->rdt);
}

void container_done(struct container *ct)
{
	free(ct->id);
	free(ct->path);
	fd_close(ct->dir);
	fd_close(ct->lock);
	json_free(ct->doc);
	place_done(&ct->place);
	rdt_done(&ct->rdt);
	container_init(ct);
}

const char *container_root(const struct cis_oci *rt)
{
	return rt && rt->root ? rt->root : DEFAULT_ROOT;
}

void container_socket_path(const struct container *ct, char ret[static 64])
{
	snprintf(ret, 64, "/proc/self/fd/%d/" CONTAINER_SOCKET, ct->dir);
}

/* As runc: letters, digits, "_+-."; not "." or "..". */
static bool id_is_valid(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n <= MAX_ID && strcmp(id, ".") != 0 && strcmp(id, "..") != 0 &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			  "_+-.") == n;
}

static int set_names(struct container *ct, const struct cis_oci *rt, const char *id,
		     struct cis_error *err)
{
	if (!id_is_valid(id))
		return cis_fail_plain(err, EINVAL, "invalid container ID format: \"%s\"", id);
	if (str_set(&ct->id, id) < 0 ||
	    str_format(&ct->path, "%s/%s", container_root(rt), id) < 0)
		return cis_fail(err, ENOMEM, "container %s", id);
	return 0;
}

int container_new(struct container *ct, const struct cis_oci *rt, const char *id,
		  struct cis_error *err)
{
	struct stat st;
	int r = set_names(ct, rt, id, err);

	if (r >= 0)
		r = state_make_dir(container_root(rt), err);
	if (r < 0)
		return r;
	if (mkdir(ct->path, 0700) < 0)
		return errno == EEXIST
			       ? cis_fail_plain(err, EEXIST,
						"container with given ID already exists: %s",
						id)
			       : cis_fail(err, errno, "make directory %s", ct->path);
	ct->dir = open(ct->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ct->dir >= 0)
		ct->lock = openat(ct->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ct->lock < 0 || flock(ct->lock, LOCK_EX) < 0) {
		r = cis_fail(err, errno, "lock %s", ct->path);
		container_remove(ct, NULL);
		return r;
	}
	/* Somebody who took it for a dead one's may have been quicker. */
	if (fstat(ct->dir, &st) < 0 || st.st_nlink == 0)
		return cis_fail_plain(err, ECANCELED, "container %s was deleted meanwhile", id);
	return 0;
}

static int want_string(const struct json *doc, const char *key, const char **ret,
		       struct cis_error *err)
{
	const struct json *v;
	int r = json_need(doc, key, &v, err);

	return r < 0 ? r : json_want_string(v, ret, err);
}

static int read_doc(struct container *ct, struct cis_error *err)
{
	const struct json *pid, *started, *place, *root, *rdt;
	int r = json_need(ct->doc, "pid", &pid, err);

	if (r >= 0)
		r = json_need(ct->doc, "startTime", &started, err);
	if (r >= 0)
		r = json_need(ct->doc, "cgroup", &place, err);
	if (r >= 0)
		r = want_string(ct->doc, "bundle", &ct->bundle, err);
	if (r >= 0)
		r = want_string(ct->doc, "rootfs", &ct->rootfs, err);
	if (r < 0)
		return r;
	ct->init = (pid_t)pid->integer;
	ct->started = (uint64_t)started->integer;
	root = json_get(ct->doc, CONTAINER_SANDBOX_ROOT);
	if (root && root->type == JSON_INT)
		ct->sandbox_root = (uid_t)root->integer;
	rdt = json_get(ct->doc, "intelRdt");
	if (rdt)
		rdt_load(&ct->rdt, rdt);
	ct->systemd = json_get(ct->doc, CONTAINER_SYSTEMD) != NULL;
	return place_load(&ct->place, place, err);
}

int container_open(struct container *ct, const struct cis_oci *rt, const char *id, bool lock,
		   struct cis_error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = set_names(ct, rt, id, err);

	if (r < 0)
		return r;
	ct->dir = open(ct->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ct->dir >= 0)
		/* create may have been killed before it made one. */
		ct->lock = openat(ct->dir, "lock", O_RDWR | O_CLOEXEC | (lock ? O_CREAT : 0), 0600);
	if (ct->dir < 0 || ct->lock < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? cis_fail_plain(err, ENOENT, "container does not exist: %s", id)
			       : cis_fail(err, errno, "open %s", ct->path);
	if (lock && flock(ct->lock, LOCK_EX) < 0)
		return cis_fail(err, errno, "lock %s", ct->path);
	r = io_read_file_at(ct->dir, "state.json", JSON_MAX_TEXT, &text, &len);
	if (r == -ENOENT) /* create is at it, or was killed at it */
		return 0;
	if (r < 0)
		return cis_fail(err, -r, "read %s/state.json", ct->path);
	r = json_parse(text, len, 0, "state.json", &ct->doc, err);
	return r < 0 ? r : read_doc(ct, err);
}

int container_write(struct container *ct, struct json *doc_consumed, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	struct json *place = json_object_new(), *rdt;
	int r;

	if (ct->rdt.given) {
		rdt = json_object_new();
		rdt_save(&ct->rdt, rdt);
		json_set(doc_consumed, "intelRdt", rdt);
	}
	place_save(&ct->place, place);
	json_set(doc_consumed, "cgroup", place);
	json_free(ct->doc);
	ct->doc = doc_consumed;
	r = json_write(ct->doc, JSON_PRETTY, &text);
	if (r >= 0) {
		fd = openat(ct->dir, "state.json.new",
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
	}
	/* Whoever reads sees the old text or the new one, never half. */
	if (r >= 0 && renameat(ct->dir, "state.json.new", ct->dir, "state.json") < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "write the state of %s", ct->id) : 0;
}

static void now_text(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%09ldZ", now.tv_nsec);
}

struct json *container_doc(const struct container *ct, const struct config *c, const char *bundle,
			   const char *rootfs)
{
	struct json *o = json_object_new(), *annotations = json_object_new();
	char created[64];

	now_text(created, sizeof created);
	json_set_string(o, "ociVersion", c->version);
	json_set_string(o, "id", ct->id);
	json_set_int(o, "pid", ct->init);
	json_set_int(o, "startTime", (int64_t)ct->started);
	json_set_string(o, "bundle", bundle);
	json_set_string(o, "rootfs", rootfs);
	json_set_string(o, "created", created);
	for (size_t i = 0; i < c->n_annotations; i++)
		json_set_string(annotations, c->annotations[i].key, c->annotations[i].value);
	json_set(o, "annotations", annotations);
	return o;
}

int container_keep_config(const struct container *ct, int bundle, const char *name,
			  struct cis_error *err)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	size_t len;
	int r = io_read_file_at(bundle, name, JSON_MAX_TEXT, &text, &len);

	if (r >= 0) {
		fd = openat(ct->dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600);
		r = fd < 0 ? -errno : io_write_all(fd, text, len);
	}
	return r < 0 ? cis_fail(err, -r, "keep config.json") : 0;
}

int container_limit(const struct container *ct, const struct config *c, uid_t owner,
		    struct cis_error *err)
{
	int r = owner ? place_delegate(&ct->place, owner, owner, err) : 0;

	if (r < 0)
		return r;
	r = place_apply(&ct->place, &c->resources, err);
	/* Of limits that is said of devices alone. */
	return r == -EPERM && config_namespace(c, CLONE_NEWUSER) ? 0 : r;
}

int container_leave_rdt(const struct container *ct, struct cis_error *err)
{
	cleanup_close int root = -1;

	if (!ct->rdt.made && !ct->rdt.monitored)
		return 0;
	root = rdt_open_root(err);
	/* Whoever unmounted it took all classes away. */
	return root < 0 ? 0 : rdt_remove(&ct->rdt, root, ct->id, err);
}

int container_remove(struct container *ct, struct cis_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(files) && ct->dir >= 0; i++)
		unlinkat(ct->dir, files[i], 0);
	if (ct->dir >= 0) {
		unlinkat(ct->dir, CONTAINER_CRIU_ROOT, AT_REMOVEDIR);
		notify_remove(ct);
	}
	if (rmdir(ct->path) < 0 && errno != ENOENT)
		return cis_fail(err, errno, "remove %s", ct->path);
	return 0;
}

/* ---- status ------------------------------------------------------------------ */

static bool init_lives(const struct container *ct)
{
	uint64_t now;
	char state;

	return ct->doc && process_start_time(ct->init, &now, &state) >= 0 &&
	       now == ct->started && state != 'Z' && state != 'X';
}

int container_pidfd(const struct container *ct)
{
	cleanup_close int fd = ct->doc ? sys_pidfd_open(ct->init) : -ESRCH;

	if (fd < 0)
		return fd;
	return init_lives(ct) ? steal_fd(&fd) : -ESRCH;
}

enum container_status container_status(const struct container *ct)
{
	if (!ct->doc || !ct->init)
		return STATUS_CREATING;
	if (!init_lives(ct))
		return STATUS_STOPPED;
	if (place_is_frozen(&ct->place) > 0)
		return STATUS_PAUSED;
	return faccessat(ct->dir, CONTAINER_SOCKET, F_OK, 0) == 0 ? STATUS_CREATED
								  : STATUS_RUNNING;
}

const char *container_status_name(enum container_status status)
{
	static const char *const names[] = {
		[STATUS_CREATING] = "creating", [STATUS_CREATED] = "created",
		[STATUS_RUNNING] = "running",   [STATUS_PAUSED] = "paused",
		[STATUS_STOPPED] = "stopped",
	};

	return names[status];
}

static void copy_string(struct json *to, const struct json *from, const char *key)
{
	const struct json *v = json_get(from, key);

	if (v && v->type == JSON_STRING)
		json_set_string(to, key, v->string);
}

struct json *container_state(const struct container *ct, enum container_status status)
{
	const struct json *annotations = json_get(ct->doc, "annotations");
	struct json *o = json_object_new(), *copy = json_object_new();
	bool alive = status != STATUS_STOPPED;

	copy_string(o, ct->doc, "ociVersion");
	json_set_string(o, "id", ct->id);
	json_set_int(o, "pid", alive ? ct->init : 0);
	json_set_string(o, "status", container_status_name(status));
	copy_string(o, ct->doc, "bundle");
	copy_string(o, ct->doc, "rootfs");
	copy_string(o, ct->doc, "created");
	if (annotations)
		json_foreach(it, annotations)
			json_set_string(copy, it->key, it->string);
	json_set(o, "annotations", copy);
	json_set_string(o, "owner", "");
	return o;
}
