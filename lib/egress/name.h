/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of hosts in the one form that everything here compares: lower case, A-labels, no
 * dot at the end. Nothing allocates: the helper that reads hostile bytes uses it too.
 */
#ifndef CIS_EGRESS_NAME_H
#define CIS_EGRESS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_LEN 253
#define NAME_LABEL_MAX 63

/*
 * The canonical form of @text: ASCII letters become small, one dot at the end is left
 * out. Labels have 1 to 63 characters of a-z, 0-9, '-' and '_'. -EINVAL: it is no
 * name. Bytes that are not ASCII are refused: only people write those, in rules (idn.h).
 */
int name_canonical(const char *text, size_t len, char ret[static NAME_MAX_LEN + 1]);

/* The name above @name, which is canonical; NULL above its last label. */
const char *name_parent(const char *name);

/* How many labels a canonical name has. */
unsigned int name_labels(const char *name);

/*
 * Whether a resolver might read the canonical @name as an IPv4 address, which in old
 * notations is any that ends in a number: "127.1", "0x7f.1", "1.2.3".
 */
bool name_ends_in_number(const char *name);

#endif
