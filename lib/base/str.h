/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings: owned copies, lists, and the parsers for what people type. */
#ifndef CIS_BASE_STR_H
#define CIS_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "macros.h"

static inline void str_freep(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}
#define cleanup_free cleanup(str_freep)

/* Replaces the string *@dst (freed) by a copy of @src, or by NULL. */
int str_set(char **dst, const char *src);

/* asprintf that returns 0 or -ENOMEM and leaves *ret NULL on failure. */
int str_format(char **ret, const char *fmt, ...) CIS_PRINTF(2, 3);

bool str_starts(const char *s, const char *prefix);

/* Bytes of the valid UTF-8 that starts @s, @n long, or 0; strict as RFC 3629 is. */
size_t str_utf8(const char *s, size_t n, unsigned *ret);

/*
 * What a terminal would obey, or what shows text in another order than it is written, becomes '?':
 * controls, U+0080 to U+009F among them, the marks and overrides of right-to-left writing, and
 * bytes that are not UTF-8, which are controls where a byte is a character.
 * For words that a job, an archive or a server chose.
 */
void str_tame(char *s);

/* A NULL-terminated list of owned strings; the zeroed struct is empty. */
struct strv {
	char **v;
	size_t n;
};

void strv_done(struct strv *l);
int strv_add(struct strv *l, const char *s);
int strv_set(struct strv *l, char *const argv[]);

/*
 * What people type. Each returns 0, or -EINVAL (not of that form), or -ERANGE.
 *
 * size      "4096", "64M", "1.5G": bytes, suffixes k m g t (binary, any case,
 *           "KiB"/"kb" spelt out too)
 * duration  "90", "1.5s", "10m", "2h", "1d", "500ms": milliseconds
 * cpus      "2", "0.5": thousandths of a cpu
 * u64       decimal only
 */
int str_parse_size(const char *s, uint64_t *ret_bytes);
int str_parse_duration(const char *s, uint64_t *ret_ms);
int str_parse_cpus(const char *s, uint64_t *ret_milli);
int str_parse_u64(const char *s, uint64_t *ret);

#endif
