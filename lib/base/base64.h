/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RFC 4648, the standard alphabet. */
#ifndef CIS_BASE_BASE64_H
#define CIS_BASE_BASE64_H

#include <stddef.h>

/*
 * Of @len characters, padded, nothing else between them. *ret is the caller's to free, and has
 * a NUL behind its *ret_len bytes. -EBADMSG: it is none; -ENOMEM.
 */
int base64_decode(const char *text, size_t len, char **ret, size_t *ret_len);

#endif
