/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text into a buffer of fixed size, and numbers out of the kernel's text. Helpers
 * may neither allocate nor take libc's locks, so no stdio.
 */
#ifndef CIS_BASE_TEXT_H
#define CIS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What does not fit is cut off; never longer than @size, and no NUL at the end. */
struct text {
	char *buf;
	size_t size, len;
};

void text_bytes(struct text *t, const char *s, size_t n);
void text_str(struct text *t, const char *s);
void text_num(struct text *t, uint64_t v);
/* Right-aligned in @width columns. */
void text_num_pad(struct text *t, uint64_t v, unsigned int width);
/* @hundredths as "12.34". */
void text_hundredths(struct text *t, uint64_t hundredths);

/* The decimal number @s begins with, blanks before it skipped; *ret_end may be NULL. */
uint64_t text_read_num(const char *s, const char **ret_end);
/*
 * The number behind @key ("MemTotal:", "anon ") at the beginning of a line of @s;
 * @fallback where there is none.
 */
uint64_t text_find_num(const char *s, const char *key, uint64_t fallback);
/* The line after the one @s is in, or its end. */
const char *text_next_line(const char *s);

#endif
