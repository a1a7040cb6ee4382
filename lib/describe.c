/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/process.h"
#include "base/sys.h"
#include "bundle.h"
#include "disk.h"

static struct json *limits(const struct spec *s)
{
	struct json *o = json_object_new();

	json_set_int(o, "memory", (int64_t)s->memory);
	json_set_int(o, "cpus_milli", (int64_t)s->cpus_milli);
	json_set_int(o, "pids", (int64_t)s->pids);
	json_set_int(o, "disk", (int64_t)disk_size(s));
	json_set_int(o, "disk_inodes", (int64_t)s->disk_inodes);
	json_set_int(o, "io_rbps", (int64_t)s->io.rbps);
	json_set_int(o, "io_wbps", (int64_t)s->io.wbps);
	json_set_int(o, "io_riops", (int64_t)s->io.riops);
	json_set_int(o, "io_wiops", (int64_t)s->io.wiops);
	json_set_int(o, "timeout_msec", (int64_t)s->timeout_ms);
	return o;
}

static struct json *binds(const struct spec *s)
{
	struct json *a = json_array_new();

	for (size_t i = 0; i < s->n_binds; i++) {
		struct json *o = json_object_new();

		json_set_string(o, "source", s->binds[i].source);
		json_set_string(o, "target", s->binds[i].target);
		json_set_bool(o, "readonly", s->binds[i].readonly);
		json_push(a, o);
	}
	return a;
}

/* Of an image of layers the topmost. */
static const char *first_layer(const struct cis_sandbox *sb)
{
	return sb->plan.layers.n ? sb->plan.layers.v[0] : NULL;
}

static const char *user_of(const struct cis_sandbox *sb)
{
	if (sb->spec.user)
		return sb->spec.user;
	return sb->plan.config.user ? sb->plan.config.user : "0:0";
}

static struct json *caches(const struct cis_sandbox *sb)
{
	struct json *list = json_array_new();

	for (size_t i = 0; i < sb->plan.n_caches; i++) {
		struct json *o = json_object_new();

		json_set_string(o, "name", sb->spec.caches[i].name);
		json_set_string(o, "target", sb->spec.caches[i].path);
		json_set_int(o, "generation", (int64_t)sb->plan.caches[i].g.number);
		json_set_bool(o, "publish", sb->plan.cache_writes[i]);
		json_push(list, o);
	}
	return list;
}

int describe_write_state(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	cleanup(json_freep) struct json *o = json_object_new();
	const struct spec *s = &sb->spec;
	struct json *command = json_array_new();
	uint64_t started = 0;

	process_start_time(sb->pid, &started, NULL);
	for (size_t i = 0; argv && argv[i]; i++)
		json_push(command, json_string_new(argv[i]));
	json_set_string(o, "id", sb->state.id);
	json_set_int(o, "created", time(NULL));
	json_set_int(o, "init", sb->pid);
	json_set_int(o, "init_start_time", (int64_t)started);
	json_set_int(o, "supervisor", getpid());
	json_set_string(o, "image", s->image);
	if (s->seed) {
		json_set_string(o, "seed", s->seed);
		json_set_int(o, "seed_generation", (int64_t)sb->plan.seed.g.number);
	}
	if (s->n_caches) {
		json_set_string(o, "scope", s->scope);
		json_set(o, "caches", caches(sb));
	}
	json_set_string(o, "rootfs", sb->is_bundle ? sb->container.rootfs : first_layer(sb));
	if (sb->is_bundle)
		json_set_string(o, "bundle", sb->container.bundle);
	json_set(o, "command", command);
	json_set_string(o, "user", user_of(sb));
	if (sb->plan.config.env.n || sb->plan.config.user || sb->plan.config.workdir)
		json_set(o, "config", image_config_for_exec(&sb->plan.config));
	json_set_string(o, "hostname", s->hostname ? s->hostname : sb->state.id);
	json_set_strv(o, "labels", &s->labels);
	json_set_int(o, "id_base", sb->base);
	json_set_int(o, "id_count", sb->count);
	json_set(o, "limits", limits(s));
	json_set(o, "binds", binds(s));
	if (!sb->is_bundle)
		json_set_string(o, "disk_backend", scratch_name(sb->plan.disk));
	json_set_string(o, "net", s->net == CIS_NET_EGRESS ? "egress" : "none");
	if (gate_is_on(&sb->gate))
		json_set_int(o, "gate", gate_number(&sb->gate));
	json_set_bool(o, "vfs", sb->plan.has_vfs);
	json_set_string(o, "cgroup", sb->group.name);
	json_set_string(o, "cgroup_mode", sb->group.hs.mode);
	json_set_int(o, "flags", (int64_t)s->flags);
	return state_write(&sb->state, o, err);
}

static int want_number(const struct json *doc, const char *key, int64_t *ret,
		       struct cis_error *err)
{
	const struct json *v;
	int r = json_need(doc, key, &v, err);

	return r < 0 ? r : json_want_int(v, 0, INT64_MAX, ret, err);
}

int describe_read_state(const struct state *st, struct described *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup(image_config_done) struct image_config config = {0};
	cleanup_close int pidfd = -1;
	int64_t init, started, base, count, flags;
	uint64_t now;
	int r = state_read(st, &doc, err);

	if (r < 0)
		return r;
	if (json_get(doc, "bundle"))
		return cis_fail_plain(err, EOPNOTSUPP,
				      "the sandbox %s is an OCI bundle (cisandbox-oci --root "
				      "%s/" BUNDLE_ROOT " exec enters it)",
				      st->id, state_root());
	if ((r = want_number(doc, "init", &init, err)) < 0 ||
	    (r = want_number(doc, "init_start_time", &started, err)) < 0 ||
	    (r = want_number(doc, "id_base", &base, err)) < 0 ||
	    (r = want_number(doc, "id_count", &count, err)) < 0 ||
	    (r = want_number(doc, "flags", &flags, err)) < 0)
		return r;
	r = image_config_parse(doc, &config, err);
	if (r < 0)
		return r;
	/* First the pidfd, then the look at who it is: in this order it cannot change. */
	pidfd = sys_pidfd_open((pid_t)init);
	r = pidfd < 0 ? pidfd : process_start_time((pid_t)init, &now, NULL);
	if (r < 0 || now != (uint64_t)started)
		return cis_fail_plain(err, ESRCH, "the sandbox %s is dead", st->id);
	*ret = (struct described){
		.init = (pid_t)init,
		.pidfd = steal_fd(&pidfd),
		.base = (uint32_t)base,
		.count = (uint32_t)count,
		.flags = (uint64_t)flags,
		.config = config,
	};
	config = (struct image_config){0};
	return 0;
}

int describe_unprivileged(struct cis_error *err)
{
	return cis_fail_plain(err, EPERM,
			      "uid %u is not root (use sudo; a program for users calls "
			      "cis_user_become_root() first)", geteuid());
}
