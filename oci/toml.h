/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TOML as far as it takes to find a key's place: which tables and keys there are, and where
 * their values stand. Values are skipped over, not understood; what looks odd is refused.
 */
#ifndef CIS_OCI_TOML_H
#define CIS_OCI_TOML_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"

#define TOML_SEP '\x1f' /* between the parts of a path: no key has it */

struct toml_item {
	char *path;      /* of the table, or of the key with its table's before it */
	bool is_table;   /* [path]; else a key */
	bool is_array;   /* [[path]] */
	struct json value; /* of a key */
};

struct toml {
	struct toml_item *items;
	size_t n;
};

/* 0, -EINVAL with the place, -ENOMEM. Keys within inline tables are not listed. */
int toml_read(const char *text, size_t len, struct toml *ret, struct json_error *err);
void toml_done(struct toml *t);

/* "a", "b", NULL -> one path, to be freed. */
char *toml_path(const char *const parts[]);
const struct toml_item *toml_find(const struct toml *t, const char *path, bool is_table);
/* Whether a path lies within, or is, that table. */
bool toml_is_below(const char *path, const char *table);
/* A string of one line without escapes, or an array that begins with one; NULL: neither. */
char *toml_string(struct json value, struct json *ret_place);

#endif
