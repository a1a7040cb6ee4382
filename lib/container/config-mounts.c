/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json's mounts. Their options are mount(8)'s and the recursive ones of the
 * specification. Here they become what the kernel's mount interface of today wants:
 * attributes of the mount to set and to clear, flags of the file system, a propagation,
 * and what only the file system itself understands. Of options that contradict each
 * other the last one counts, as with mount(8).
 */
#include <errno.h>
#include <string.h>

#include "../base/compat.h"
#include "config-read.h"

#define AT(member) offsetof(struct config_mount, member)

/* The kernel's UID_GID_MAP_MAX_EXTENTS. */
#define MAX_MAPPINGS 340

/* ---- id mappings ----------------------------------------------------------------- */

static int read_idmap(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"containerID", config_want_u32, offsetof(struct config_idmap, inside),
		 .required = true},
		{"hostID", config_want_u32, offsetof(struct config_idmap, host),
		 .required = true},
		{"size", config_want_u32, offsetof(struct config_idmap, size),
		 .required = true},
	};
	struct config_idmap *m = to;
	int r = config_read_fields(m, fields, ARRAY_SIZE(fields), v, err);

	if (r < 0)
		return r;
	if (m->size == 0)
		return json_fail(json_get(v, "size"), err, EINVAL,
				 "a mapping of nothing");
	/* The last id may be 2^32 - 2: the kernel uses the next one for "none". */
	if ((uint64_t)MAX(m->inside, m->host) + m->size > UINT32_MAX)
		return json_fail(v, err, ERANGE, "ids beyond %u", UINT32_MAX - 1);
	return 0;
}

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

int config_read_idmaps(struct config_idmap **maps, size_t *n, const struct json *v,
		       struct cis_error *err)
{
	struct config_idmap *m;
	const struct json *it = v->first;
	int r;

	if (v->type == JSON_ARRAY && v->n > MAX_MAPPINGS)
		return json_fail(v, err, EINVAL, "more than %d mappings", MAX_MAPPINGS);
	r = CONFIG_READ_ITEMS(*maps, *n, v, JSON_ARRAY, read_idmap, err);
	m = *maps;
	for (size_t i = 0; r >= 0 && i < *n; i++, it = it->next)
		for (size_t j = 0; j < i; j++) {
			if (overlap(m[i].inside, m[i].size, m[j].inside, m[j].size))
				return json_fail(it, err, EINVAL,
						 "ids inside that [%zu] has already", j);
			if (overlap(m[i].host, m[i].size, m[j].host, m[j].size))
				return json_fail(it, err, EINVAL,
						 "ids of the host that [%zu] has already",
						 j);
		}
	return r;
}

/* ---- options --------------------------------------------------------------------- */

enum kind { ATTR, REC_ATTR, FS_FLAG, PROPAGATION, BIND, IDMAP, REMOUNT, COPY_UP,
	    NOTHING };

static const struct option {
	const char *name;
	enum kind kind;
	uint64_t set, clear; /* ATTR: of MOUNT_ATTR_*; FS_FLAG, PROPAGATION: of MS_* */
} options[] = {
#define ON(name, kind, bit) {name, kind, .set = bit}
#define OFF(name, kind, bit) {name, kind, .clear = bit}
/* One of several values in one field, which is to be cleared first. */
#define TIME(name, kind, value) {name, kind, .set = value, .clear = MOUNT_ATTR__ATIME}
	ON("ro", ATTR, MOUNT_ATTR_RDONLY),
	OFF("rw", ATTR, MOUNT_ATTR_RDONLY),
	ON("nosuid", ATTR, MOUNT_ATTR_NOSUID),
	OFF("suid", ATTR, MOUNT_ATTR_NOSUID),
	ON("nodev", ATTR, MOUNT_ATTR_NODEV),
	OFF("dev", ATTR, MOUNT_ATTR_NODEV),
	ON("noexec", ATTR, MOUNT_ATTR_NOEXEC),
	OFF("exec", ATTR, MOUNT_ATTR_NOEXEC),
	ON("nosymfollow", ATTR, MOUNT_ATTR_NOSYMFOLLOW),
	OFF("symfollow", ATTR, MOUNT_ATTR_NOSYMFOLLOW),
	ON("nodiratime", ATTR, MOUNT_ATTR_NODIRATIME),
	OFF("diratime", ATTR, MOUNT_ATTR_NODIRATIME),
	TIME("noatime", ATTR, MOUNT_ATTR_NOATIME),
	TIME("strictatime", ATTR, MOUNT_ATTR_STRICTATIME),
	TIME("relatime", ATTR, MOUNT_ATTR_RELATIME),
	/* Not this one: then it is what the kernel does by default. */
	TIME("atime", ATTR, MOUNT_ATTR_RELATIME),
	TIME("nostrictatime", ATTR, MOUNT_ATTR_RELATIME),
	{"norelatime", NOTHING},

	ON("rro", REC_ATTR, MOUNT_ATTR_RDONLY),
	OFF("rrw", REC_ATTR, MOUNT_ATTR_RDONLY),
	ON("rnosuid", REC_ATTR, MOUNT_ATTR_NOSUID),
	OFF("rsuid", REC_ATTR, MOUNT_ATTR_NOSUID),
	ON("rnodev", REC_ATTR, MOUNT_ATTR_NODEV),
	OFF("rdev", REC_ATTR, MOUNT_ATTR_NODEV),
	ON("rnoexec", REC_ATTR, MOUNT_ATTR_NOEXEC),
	OFF("rexec", REC_ATTR, MOUNT_ATTR_NOEXEC),
	ON("rnosymfollow", REC_ATTR, MOUNT_ATTR_NOSYMFOLLOW),
	OFF("rsymfollow", REC_ATTR, MOUNT_ATTR_NOSYMFOLLOW),
	ON("rnodiratime", REC_ATTR, MOUNT_ATTR_NODIRATIME),
	OFF("rdiratime", REC_ATTR, MOUNT_ATTR_NODIRATIME),
	TIME("rnoatime", REC_ATTR, MOUNT_ATTR_NOATIME),
	TIME("rstrictatime", REC_ATTR, MOUNT_ATTR_STRICTATIME),
	TIME("rrelatime", REC_ATTR, MOUNT_ATTR_RELATIME),
	TIME("ratime", REC_ATTR, MOUNT_ATTR_RELATIME),
	TIME("rnostrictatime", REC_ATTR, MOUNT_ATTR_RELATIME),
	{"rnorelatime", NOTHING},

	ON("sync", FS_FLAG, MS_SYNCHRONOUS),
	OFF("async", FS_FLAG, MS_SYNCHRONOUS),
	ON("dirsync", FS_FLAG, MS_DIRSYNC),
	ON("mand", FS_FLAG, MS_MANDLOCK),
	OFF("nomand", FS_FLAG, MS_MANDLOCK),
	ON("lazytime", FS_FLAG, MS_LAZYTIME),
	OFF("nolazytime", FS_FLAG, MS_LAZYTIME),
	ON("iversion", FS_FLAG, MS_I_VERSION),
	OFF("noiversion", FS_FLAG, MS_I_VERSION),
	ON("silent", FS_FLAG, MS_SILENT),
	OFF("loud", FS_FLAG, MS_SILENT),
	ON("acl", FS_FLAG, MS_POSIXACL),
	OFF("noacl", FS_FLAG, MS_POSIXACL),

	ON("private", PROPAGATION, MS_PRIVATE),
	ON("rprivate", PROPAGATION, MS_PRIVATE | MS_REC),
	ON("shared", PROPAGATION, MS_SHARED),
	ON("rshared", PROPAGATION, MS_SHARED | MS_REC),
	ON("slave", PROPAGATION, MS_SLAVE),
	ON("rslave", PROPAGATION, MS_SLAVE | MS_REC),
	ON("unbindable", PROPAGATION, MS_UNBINDABLE),
	ON("runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC),

	ON("bind", BIND, false),
	ON("rbind", BIND, true),
	ON("idmap", IDMAP, false),
	ON("ridmap", IDMAP, true),
	{"remount", REMOUNT},
	{"tmpcopyup", COPY_UP},
	{"defaults", NOTHING},
	{"", NOTHING},
#undef ON
#undef OFF
#undef TIME
};

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* As mount_setattr(2) takes them: what is to be set may be cleared first, not after. */
static void change(uint64_t *set, uint64_t *clear, const struct option *o)
{
	*set = (*set & ~o->clear) | o->set;
	*clear = (*clear & ~o->set) | o->clear;
}

static void apply(struct config_mount *m, const struct option *o)
{
	switch (o->kind) {
	case ATTR:
		change(&m->set, &m->clear, o);
		break;
	case REC_ATTR:
		change(&m->rec_set, &m->rec_clear, o);
		break;
	case FS_FLAG:
		m->sb_flags = (m->sb_flags & ~o->clear) | o->set;
		break;
	case PROPAGATION:
		m->propagation = o->set;
		break;
	case BIND:
		m->bind = true;
		m->recursive |= o->set;
		break;
	case IDMAP:
		m->idmap = true;
		m->idmap_recursive |= o->set;
		break;
	case REMOUNT:
		m->remount = true;
		break;
	case COPY_UP:
		m->tmpcopyup = true;
		break;
	case NOTHING:
		break;
	}
}

/* Comments to mount(8), which it does not hand to the kernel either. */
static bool is_comment(const char *option)
{
	return str_starts(option, "x-") || str_starts(option, "X-");
}

static int read_options(void *to, const struct json *v, struct cis_error *err)
{
	struct config_mount *m = to;
	cleanup_free char *data = NULL;
	size_t room = 1;
	char *end;
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		r = json_want(it, JSON_STRING, err);
		room += it->n + 1;
	}
	if (r < 0)
		return r;
	data = end = malloc(room);
	if (!data)
		return json_fail(v, err, ENOMEM, "no memory");
	*end = '\0';
	json_foreach(it, v) {
		const struct option *o = find_option(it->string);

		/* crun's way to say uidMappings; as data it would silently be nothing. */
		if (str_starts(it->string, "idmap=") || str_starts(it->string, "ridmap="))
			return config_refuse(it, err, "supported: say it as uidMappings");
		if (o)
			apply(m, o);
		else if (!is_comment(it->string))
			end = stpcpy(stpcpy(end, end > data ? "," : ""), it->string);
	}
	if (*data)
		m->data = steal_ptr(&data);
	return 0;
}

/* ---- mounts ---------------------------------------------------------------------- */

/* Relative was allowed up to 1.0.2 and is still written; runc takes it as below /. */
static int want_destination(void *to, const struct json *v, struct cis_error *err)
{
	char **path = to;
	int r = config_want_string(path, v, err);

	if (r < 0 || **path == '/')
		return r;
	str_freep(path);
	return str_format(path, "/%s", v->string) < 0
		       ? json_fail(v, err, ENOMEM, "no memory")
		       : 0;
}

static int read_uids(void *to, const struct json *v, struct cis_error *err)
{
	struct config_mount *m = to;

	return config_read_idmaps(&m->uids, &m->n_uids, v, err);
}

static int read_gids(void *to, const struct json *v, struct cis_error *err)
{
	struct config_mount *m = to;

	return config_read_idmaps(&m->gids, &m->n_gids, v, err);
}

static int check_mount(struct config_mount *m, const struct json *v,
		       struct cis_error *err)
{
	/* Some say it here only, and there is no file system of that name. */
	if (m->type && strcmp(m->type, "bind") == 0)
		m->bind = true;
	if (m->bind && !m->source)
		return json_fail(v, err, EINVAL, "a bind mount needs a source");
	if (!m->bind && !m->type && !m->remount)
		return json_fail(v, err, EINVAL, "neither a type, nor a bind mount");
	if (!m->n_uids != !m->n_gids)
		return json_fail(v, err, EINVAL,
				 "uidMappings and gidMappings go together");
	m->idmap |= m->n_uids > 0;
	if ((m->bind || !m->type) && str_set(&m->type, m->bind ? "bind" : "none") < 0)
		return json_fail(v, err, ENOMEM, "no memory");
	return 0;
}

static int read_mount(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"destination", want_destination, AT(destination), .required = true},
		{"source", config_want_text, AT(source)},
		{"type", config_want_text, AT(type)},
		{"options", read_options},
		{"uidMappings", read_uids},
		{"gidMappings", read_gids},
	};
	int r = config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);

	return r < 0 ? r : check_mount(to, v, err);
}

int config_read_mounts(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return CONFIG_READ_ITEMS(c->mounts, c->n_mounts, v, JSON_ARRAY, read_mount, err);
}

void config_mounts_done(struct config *c)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		struct config_mount *m = &c->mounts[i];

		free(m->destination);
		free(m->source);
		free(m->type);
		free(m->data);
		free(m->uids);
		free(m->gids);
	}
	free(c->mounts);
}
