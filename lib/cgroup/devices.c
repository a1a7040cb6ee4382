/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices.h"

#include <stdio.h>
#include <string.h>

#include "../base/array.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"

/* ---- rules to exceptions ------------------------------------------------- */

void device_policy_done(struct device_policy *d)
{
	free(d->v);
	*d = (struct device_policy){0};
}

static bool number_covers(int64_t a, int64_t b)
{
	return a < 0 || a == b;
}

static bool covers(const struct device_exception *a, const struct device_exception *b)
{
	return a->type == b->type && number_covers(a->major, b->major) &&
	       number_covers(a->minor, b->minor);
}

static bool overlaps(const struct device_exception *a, const struct device_exception *b)
{
	return a->type == b->type &&
	       (number_covers(a->major, b->major) || number_covers(b->major, a->major)) &&
	       (number_covers(a->minor, b->minor) || number_covers(b->minor, a->minor));
}

static int add_exception(struct device_policy *d, const struct device_exception *e)
{
	struct device_exception *v;

	for (size_t i = 0; i < d->n; i++)
		if (covers(&d->v[i], e) && covers(e, &d->v[i])) {
			d->v[i].access |= e->access;
			return 0;
		}
	v = array_room(d->v, d->n, &d->room, sizeof *v);
	if (!v)
		return -ENOMEM;
	d->v = v;
	d->v[d->n++] = *e;
	return 0;
}

/*
 * Other than v1, which takes an exception away only if it is written in the same words
 * and is silent about all others: whatever @e covers goes.
 */
static int remove_exception(struct device_policy *d, const struct device_exception *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++)
		if ((d->v[i].access & e->access) && overlaps(&d->v[i], e) &&
		    !covers(e, &d->v[i]))
			return -EINVAL;
	for (size_t i = 0; i < d->n; i++) {
		if (covers(e, &d->v[i]))
			d->v[i].access &= ~e->access;
		if (d->v[i].access)
			d->v[kept++] = d->v[i];
	}
	d->n = kept;
	return 0;
}

static int add_rule(struct device_policy *d, const struct config_device_rule *rule)
{
	struct device_exception e = {
		.type = rule->type,
		.major = rule->major,
		.minor = rule->minor,
		.access = (rule->read ? DEVICE_READ : 0u) |
			  (rule->write ? DEVICE_WRITE : 0u) |
			  (rule->mknod ? DEVICE_MKNOD : 0u),
	};
	bool whole = e.major < 0 && e.minor < 0 && e.access == DEVICE_ALL;
	int r = 0;

	/* v1 reads no further than "a": allowing a little must not allow everything. */
	if (rule->type == 'a' && (whole || !rule->allow)) {
		d->allow = rule->allow;
		d->n = 0;
		return 0;
	}
	for (const char *type = "bc"; r >= 0 && *type; type++) {
		if (rule->type != 'a' && rule->type != *type)
			continue;
		e.type = *type;
		r = rule->allow == d->allow ? remove_exception(d, &e)
					    : add_exception(d, &e);
	}
	return r;
}

/* What is left alone where everything is allowed and something denied on purpose. */
static int add_defaults(struct device_policy *d)
{
	static const struct device_exception defaults[] = {
		{'c', -1, -1, DEVICE_MKNOD}, {'b', -1, -1, DEVICE_MKNOD},
		{'c', 1, 3, DEVICE_ALL},     {'c', 1, 5, DEVICE_ALL}, /* null, zero */
		{'c', 1, 7, DEVICE_ALL},     {'c', 1, 8, DEVICE_ALL}, /* full, random */
		{'c', 1, 9, DEVICE_ALL},     {'c', 5, 0, DEVICE_ALL}, /* urandom, tty */
		{'c', 5, 2, DEVICE_ALL},     {'c', 136, -1, DEVICE_ALL}, /* ptmx, pts */
		{'c', 10, 200, DEVICE_ALL}, /* net/tun, useless without CAP_NET_ADMIN: as runc */
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && !d->allow && i < ARRAY_SIZE(defaults); i++)
		r = add_exception(d, &defaults[i]);
	return r;
}

int device_policy_make(struct device_policy *d, const struct config_resources *r,
		       struct cis_error *err)
{
	int k = 0;

	*d = (struct device_policy){0};
	for (size_t i = 0; k >= 0 && i < r->n_devices; i++) {
		k = add_rule(d, &r->devices[i]);
		if (k == -EINVAL)
			cis_fail_plain(err, EINVAL,
				       "cgroups: device rule %zu takes a part out of a "
				       "wildcard before it, which the kernel cannot do",
				       i);
	}
	if (k >= 0)
		k = add_defaults(d);
	if (k == -ENOMEM)
		cis_fail(err, ENOMEM, "cgroups: device rules");
	if (k < 0)
		device_policy_done(d);
	return k;
}

/* ---- v1 ------------------------------------------------------------------ */

static int put(int dir, bool allow, const struct device_exception *e, unsigned int access)
{
	char text[80], major[24] = "*", minor[24] = "*";

	if (e->major >= 0)
		snprintf(major, sizeof major, "%lld", (long long)e->major);
	if (e->minor >= 0)
		snprintf(minor, sizeof minor, "%lld", (long long)e->minor);
	snprintf(text, sizeof text, "%c %s:%s %s%s%s", e->type, major, minor,
		 access & DEVICE_READ ? "r" : "", access & DEVICE_WRITE ? "w" : "",
		 access & DEVICE_MKNOD ? "m" : "");
	return io_write_file_at(dir, allow ? "devices.allow" : "devices.deny", text);
}

static bool read_part(char *s, int64_t *ret)
{
	uint64_t v = 0;

	if (strcmp(s, "*") != 0 && str_parse_u64(s, &v) < 0)
		return false;
	*ret = *s == '*' ? -1 : (int64_t)v;
	return v <= UINT32_MAX;
}

/* "c 1:3 rwm"; false also for "a *:* rwm", which says: allowed by default. */
static bool read_line(char *line, struct device_exception *e)
{
	char *save = NULL;
	const char *type = strtok_r(line, " ", &save);
	char *major = strtok_r(NULL, ":", &save), *minor = strtok_r(NULL, " ", &save);
	const char *access = strtok_r(NULL, " ", &save);

	if (!access || (*type != 'b' && *type != 'c') || !read_part(major, &e->major) ||
	    !read_part(minor, &e->minor))
		return false;
	e->type = *type;
	e->access = (strchr(access, 'r') ? DEVICE_READ : 0u) |
		    (strchr(access, 'w') ? DEVICE_WRITE : 0u) |
		    (strchr(access, 'm') ? DEVICE_MKNOD : 0u);
	return true;
}

static unsigned int access_of(const struct device_policy *d,
			      const struct device_exception *e)
{
	for (size_t i = 0; i < d->n; i++)
		if (covers(&d->v[i], e) && covers(e, &d->v[i]))
			return d->v[i].access;
	return 0;
}

/*
 * From one list of allowed devices to another without a moment in which everything is
 * denied, and without the reset that the kernel refuses when there are groups below.
 * *done is false where the group allows by default: its exceptions cannot be read.
 */
static int take_away(int dir, const struct device_policy *d, bool *done)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int r = io_read_file_at(dir, "devices.list", 1 << 20, &text, NULL);

	*done = false;
	for (char *line = r < 0 ? NULL : strtok_r(text, "\n", &save); r >= 0 && line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct device_exception e;
		unsigned int gone;

		if (!read_line(line, &e))
			return 0;
		gone = e.access & ~access_of(d, &e);
		if (gone)
			r = put(dir, false, &e, gone);
	}
	*done = r >= 0;
	return r;
}

static int apply_v1(int dir, const struct device_policy *d)
{
	bool done = false;
	int r = d->allow ? 0 : take_away(dir, d, &done);

	if (r >= 0 && !done)
		r = io_write_file_at(dir, d->allow ? "devices.allow" : "devices.deny",
				     "a");
	for (size_t i = 0; r >= 0 && i < d->n; i++)
		r = put(dir, !d->allow, &d->v[i], d->v[i].access);
	return r;
}

static int apply(const struct place *p, const struct config_resources *r,
		 struct cis_error *err)
{
	const struct place_group *g = place_of(p, PLACE_DEVICES);
	cleanup(device_policy_done) struct device_policy d = {0};
	int k = device_policy_make(&d, r, err);

	if (k < 0)
		return k;
	if (!g || g->dir < 0)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "cgroups: device rules: this host has neither the "
				      "devices controller nor cgroup2 for %s", p->path);
	if (g->v2)
		return device_program_attach(g->dir, &d, err);
	k = apply_v1(g->dir, &d);
	if (k == -EACCES)
		k = -EPERM;
	return k < 0 ? cis_fail(err, -k, "cgroups: restrict the devices of %s", p->path)
		     : 0;
}

/*
 * In a sandbox the group cannot be restricted, nor need it be: nobody makes device nodes
 * there, and those there are, root of the sandbox may open anyway.
 */
int devices_apply(const struct place *p, const struct config_resources *r,
		  struct cis_error *err)
{
	int k = apply(p, r, err);

	return (k == -EPERM || k == -EOPNOTSUPP) && process_is_in_userns() ? 0 : k;
}
