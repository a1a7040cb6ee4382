/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The readers that all parts of config.json are read with: see config-read.h. */
#include "config-read.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <strings.h>

/* The kernel's dev_t: 12 bits and 20. Beyond them makedev() would name another device. */
#define MAJOR_MAX 4095
#define MINOR_MAX 1048575
/* More than any kernel is built for, and little enough for a mask. */
#define CPU_MAX 65535

/*
 * In any case, as runc and the engines read them: noNewPrivileges that was written with a
 * small p and passed over would be a restriction lost in silence.
 */
const struct json *config_get(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	if (!v && obj && obj->type == JSON_OBJECT)
		json_foreach(it, obj)
			if (!v && strcasecmp(it->key, key) == 0)
				v = it;
	return v && v->type != JSON_NULL ? v : NULL;
}

int config_read_fields(void *base, const struct config_field *fields, size_t n,
		       const struct json *obj, struct cis_error *err)
{
	int r = json_want(obj, JSON_OBJECT, err);

	for (size_t i = 0; i < n && r >= 0; i++) {
		const struct config_field *f = &fields[i];
		const struct json *v = config_get(obj, f->key);

		if (f->required && !v)
			r = json_need(obj, f->key, &v, err);
		if (r < 0 || !v)
			continue;
		r = f->read((char *)base + f->offset, v, err);
		if (r >= 0 && f->has)
			*(bool *)((char *)base + f->has) = true;
	}
	return r;
}

int config_read_items(void *items, size_t size, size_t *n, const struct json *v,
		      config_reader read, struct cis_error *err)
{
	int r = 0;

	*n = 0;
	for (const struct json *it = v->first; it && r >= 0; it = it->next)
		r = read((char *)items + (*n)++ * size, it, err);
	return r;
}

/* ---- refusing -------------------------------------------------------------------- */

struct shown {
	char text[64];
};

/* Cut to what one looks at, and only what cannot move a terminal's cursor. */
static struct shown show(const char *s)
{
	struct shown out;
	size_t n = 0;

	for (; s[n] && n < sizeof out.text - 1; n++)
		out.text[n] = s[n] >= ' ' && s[n] <= '~' ? s[n] : '?';
	if (s[n])
		memcpy(out.text + n - 3, "...", 3);
	out.text[n] = '\0';
	return out;
}

int config_refuse(const struct json *v, struct cis_error *err, const char *what)
{
	return json_fail(v, err, EINVAL, "\"%s\" is not %s", show(v->string).text, what);
}

int config_refuse_key(const struct json *v, struct cis_error *err, const char *what)
{
	return json_fail_key(v, err, EINVAL, "\"%s\" is not %s", show(v->key).text, what);
}

int config_want_name(const struct config_name *names, size_t n, const char *what,
		     const struct json *v, int64_t *ret, struct cis_error *err)
{
	const char *s;
	int r = json_want_string(v, &s, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i].name, s) == 0) {
			*ret = names[i].value;
			return 0;
		}
	return config_refuse(v, err, what);
}

int config_want_flags(const struct config_name *names, size_t n, const char *what,
		      const struct json *v, uint64_t *ret, struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		int64_t flag = 0;

		r = config_want_name(names, n, what, it, &flag, err);
		*ret |= (uint64_t)flag;
	}
	return r;
}

/* ---- numbers --------------------------------------------------------------------- */

int config_want_bool(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_bool(v, to, err);
}

int config_want_u16(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 0, UINT16_MAX, &value, err);

	*(uint16_t *)to = (uint16_t)value;
	return r;
}

int config_want_u32(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 0, UINT32_MAX, &value, err);

	*(uint32_t *)to = (uint32_t)value;
	return r;
}

int config_want_u64(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_u64(v, UINT64_MAX, to, err);
}

int config_want_i64(void *to, const struct json *v, struct cis_error *err)
{
	/* INT64_MIN is CONFIG_NONE. */
	return json_want_int(v, INT64_MIN + 1, INT64_MAX, to, err);
}

int config_want_major(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_int(v, 0, MAJOR_MAX, to, err);
}

int config_want_minor(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_int(v, 0, MINOR_MAX, to, err);
}

/* ---- strings --------------------------------------------------------------------- */

static int copy(char **dst, const char *s, const struct json *v, struct cis_error *err)
{
	return str_set(dst, s) < 0 ? json_fail(v, err, ENOMEM, "no memory") : 0;
}

int config_want_text(void *to, const struct json *v, struct cis_error *err)
{
	const char *s;
	int r = json_want_string(v, &s, err);

	return r < 0 ? r : copy(to, *s ? s : NULL, v, err);
}

int config_want_string(void *to, const struct json *v, struct cis_error *err)
{
	const char *s;
	int r = json_want_string(v, &s, err);

	if (r >= 0 && !*s)
		r = json_fail(v, err, EINVAL, "empty");
	return r < 0 ? r : copy(to, s, v, err);
}

static int check_path(const struct json *v, struct cis_error *err)
{
	const char *s;
	int r = json_want_string(v, &s, err);

	if (r >= 0 && !*s)
		return json_fail(v, err, EINVAL, "empty");
	return r >= 0 && *s != '/' ? config_refuse(v, err, "an absolute path") : r;
}

int config_want_path(void *to, const struct json *v, struct cis_error *err)
{
	int r = check_path(v, err);

	return r < 0 ? r : copy(to, v->string, v, err);
}

int config_want_strv(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_strv(v, to, err);
}

int config_want_paths(void *to, const struct json *v, struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next)
		r = check_path(it, err);
	return r < 0 ? r : json_want_strv(v, to, err);
}

/* Copies a number from *@s on to *@out; -1 if there is none, or none a kernel has. */
static int copy_number(const char **s, char **out)
{
	int value = 0;

	if (!isdigit((unsigned char)**s))
		return -1;
	for (; isdigit((unsigned char)**s) && value <= CPU_MAX; (*s)++) {
		value = value * 10 + (**s - '0');
		*(*out)++ = **s;
	}
	return value <= CPU_MAX ? value : -1;
}

static bool copy_list(const char *s, char *out)
{
	const char *const start = out;

	while (*(s += strspn(s, " ,"))) {
		int first, last;

		if (out > start)
			*out++ = ',';
		first = last = copy_number(&s, &out);
		if (first >= 0 && *s == '-') {
			*out++ = *s++;
			last = copy_number(&s, &out);
		}
		if (first < 0 || last < first)
			return false;
		s += strspn(s, " ");
		if (*s && *s != ',')
			return false;
	}
	return out > start;
}

int config_want_list(void *to, const struct json *v, struct cis_error *err)
{
	cleanup_free char *list = NULL;
	const char *s;
	int r = json_want_string(v, &s, err);

	if (r < 0)
		return r;
	if (!*s)
		return copy(to, NULL, v, err);
	list = calloc(1, v->n + 1);
	if (!list)
		return json_fail(v, err, ENOMEM, "no memory");
	if (!copy_list(s, list))
		return config_refuse(v, err, "a list like 0-3,7");
	return copy(to, list, v, err);
}

int config_want_pair(void *to, const struct json *v, struct cis_error *err)
{
	struct config_pair *p = to;
	const char *s;
	int r = *v->key ? json_want_string(v, &s, err)
			: json_fail_key(v, err, EINVAL, "the key is empty");

	if (r >= 0)
		r = copy(&p->key, v->key, v, err);
	return r < 0 ? r : copy(&p->value, s, v, err);
}

void config_pairs_done(struct config_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

/* As the kernel's dev_valid_name(); and no %, of which it would make a number. */
bool config_is_interface(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return strcspn(name, "/:% \t\n\v\f\r") == n;
}
