/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors: every fallible function returns 0 or -errno, and fills a caller's
 * struct cis_error with one sentence: operation, object, cause, hint.
 *
 * cis_fail() starts a message, cis_wrap() puts context in front of one that
 * exists already. Both accept err == NULL. Both return the negative code, so
 * that `return cis_fail(err, ENOENT, "...")` reads as one thought. Neither
 * allocates: an error survives running out of memory.
 */
#ifndef CIS_BASE_ERROR_H
#define CIS_BASE_ERROR_H

#include <cisandbox.h>

#include "macros.h"

/* "@fmt: <text of errnum>"; returns -errnum. */
int cis_fail(struct cis_error *err, int errnum, const char *fmt, ...) CIS_PRINTF(3, 4);

/* "@fmt", the cause being part of the sentence already; returns -errnum. */
int cis_fail_plain(struct cis_error *err, int errnum, const char *fmt, ...) CIS_PRINTF(3, 4);

/* Puts "@fmt: " in front of the message; returns @r, which must be negative. */
int cis_wrap(struct cis_error *err, int r, const char *fmt, ...) CIS_PRINTF(3, 4);

/* Appends " (@fmt)": what the person can do about it. Returns -err->code. */
int cis_hint(struct cis_error *err, const char *fmt, ...) CIS_PRINTF(2, 3);

#endif
