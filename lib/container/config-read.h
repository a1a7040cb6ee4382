/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files that fill struct config share: readers of one value each, which all
 * look alike so that a JSON object can be read by a table.
 *
 *	static const struct config_field fields[] = {
 *		{"path", config_want_path, AT(path), .required = true},
 *		{"uid", config_want_u32, AT(uid)},
 *	};
 *	r = config_read_fields(d, fields, ARRAY_SIZE(fields), v, err);
 *
 * A table, because the document has some 250 members, and each would otherwise be four
 * lines of get, test, read, fail. Members that the table does not name are ignored, as
 * the specification wants, and so is null: Go's encoders write it for a slice or a
 * pointer that is not there, and runc and crun both read it as absent.
 *
 * Whatever is read is owned by the struct at once, so a reader that fails half way
 * leaves nothing to clean up but what the *_done() of the whole frees.
 */
#ifndef CIS_CONTAINER_CONFIG_READ_H
#define CIS_CONTAINER_CONFIG_READ_H

#include "config.h"

/* Fills *@to from @v. */
typedef int (*config_reader)(void *to, const struct json *v, struct cis_error *err);

struct config_field {
	const char *key;
	config_reader read;
	size_t offset;
	size_t has; /* of a bool, set if given; 0 (none comes first): no such bool */
	bool required;
};

int config_read_fields(void *base, const struct config_field *fields, size_t n,
		       const struct json *obj, struct cis_error *err);

/* The member @key unless it is absent or null. */
const struct json *config_get(const struct json *obj, const char *key);

/*
 * Reads the items of @v, of type @kind (JSON_ARRAY, or JSON_OBJECT: its members), into a
 * fresh array @items of @count. What has been begun is counted, and freed by its owner.
 */
#define CONFIG_READ_ITEMS(items, count, v, kind, reader, err)                     \
	({                                                                        \
		int _r = json_want(v, kind, err);                                 \
		(items) = _r < 0 ? NULL : calloc((v)->n + 1, sizeof *(items));    \
		if (_r >= 0 && !(items))                                          \
			_r = json_fail(v, err, ENOMEM, "no memory");              \
		_r < 0 ? _r                                                       \
		       : config_read_items(items, sizeof *(items), &(count), v,   \
					   reader, err);                          \
	})
int config_read_items(void *items, size_t size, size_t *n, const struct json *v,
		      config_reader read, struct cis_error *err);

/* Words of the specification and what the kernel calls them. */
struct config_name {
	const char *name;
	int64_t value;
};
/* -EINVAL: "X" is not @what */
int config_want_name(const struct config_name *names, size_t n, const char *what,
		     const struct json *v, int64_t *ret, struct cis_error *err);
/* An array of them, or'ed. */
int config_want_flags(const struct config_name *names, size_t n, const char *what,
		      const struct json *v, uint64_t *ret, struct cis_error *err);

/* "<@v>" is not @what; -EINVAL. The string is shown without what a terminal obeys. */
int config_refuse(const struct json *v, struct cis_error *err, const char *what);
int config_refuse_key(const struct json *v, struct cis_error *err, const char *what);

/* Readers; their first argument is a pointer to the type in the comment. */
/* bool */
int config_want_bool(void *to, const struct json *v, struct cis_error *err);
/* uint16_t, uint32_t, uint64_t, int64_t */
int config_want_u16(void *to, const struct json *v, struct cis_error *err);
int config_want_u32(void *to, const struct json *v, struct cis_error *err);
int config_want_u64(void *to, const struct json *v, struct cis_error *err);
int config_want_i64(void *to, const struct json *v, struct cis_error *err);
/* int64_t; what a device can have */
int config_want_major(void *to, const struct json *v, struct cis_error *err);
int config_want_minor(void *to, const struct json *v, struct cis_error *err);
/* char *; "" reads as not given */
int config_want_text(void *to, const struct json *v, struct cis_error *err);
/* char *; not empty */
int config_want_string(void *to, const struct json *v, struct cis_error *err);
/* char *; absolute */
int config_want_path(void *to, const struct json *v, struct cis_error *err);
/* char *; "0-3,7", without the blanks and empty elements that runc lets pass */
int config_want_list(void *to, const struct json *v, struct cis_error *err);
/* struct strv; of paths: all absolute */
int config_want_strv(void *to, const struct json *v, struct cis_error *err);
int config_want_paths(void *to, const struct json *v, struct cis_error *err);
/* struct config_pair; of a member: its key, not empty, and a string */
int config_want_pair(void *to, const struct json *v, struct cis_error *err);

void config_pairs_done(struct config_pair *pairs, size_t n);

/* What a network device may be called. */
bool config_is_interface(const char *name);

/* The parts of the document, into a struct config_process, */
int config_read_process(void *to, const struct json *v, struct cis_error *err);
/* into a struct config, */
int config_read_mounts(void *to, const struct json *v, struct cis_error *err);
int config_read_linux(void *to, const struct json *v, struct cis_error *err);
/* into a struct config_resources that has been initialised, a struct config_seccomp. */
int config_read_resources(void *to, const struct json *v, struct cis_error *err);
int config_read_seccomp(void *to, const struct json *v, struct cis_error *err);
int config_read_idmaps(struct config_idmap **maps, size_t *n, const struct json *v,
		       struct cis_error *err);

/* What can only be said of the whole: @c has been read from c->json. */
int config_check_linux(const struct config *c, struct cis_error *err);

void config_mounts_done(struct config *c);
void config_linux_done(struct config *c);
void config_seccomp_done(struct config_seccomp *s);

/* config_load() without the file. */
int config_parse(struct config *c, const char *text, size_t len, struct cis_error *err);

#endif
