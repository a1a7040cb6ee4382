/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "str.h"

static void set_message(struct cis_error *err, int errnum, const char *fmt, va_list ap)
{
	err->code = errnum;
	vsnprintf(err->message, sizeof err->message, fmt, ap);
	str_tame(err->message);
}

static void append(struct cis_error *err, const char *text)
{
	size_t used = strlen(err->message);

	snprintf(err->message + used, sizeof err->message - used, "%s", text);
}

int cis_fail(struct cis_error *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -errnum;
	va_start(ap, fmt);
	set_message(err, errnum, fmt, ap);
	va_end(ap);
	append(err, ": ");
	append(err, strerror(errnum));
	return -errnum;
}

int cis_fail_plain(struct cis_error *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -errnum;
	va_start(ap, fmt);
	set_message(err, errnum, fmt, ap);
	va_end(ap);
	return -errnum;
}

int cis_wrap(struct cis_error *err, int r, const char *fmt, ...)
{
	char inner[sizeof err->message];
	va_list ap;

	if (!err)
		return r;
	snprintf(inner, sizeof inner, "%s", err->message);
	va_start(ap, fmt);
	set_message(err, -r, fmt, ap);
	va_end(ap);
	append(err, ": ");
	append(err, inner);
	return r;
}

int cis_hint(struct cis_error *err, const char *fmt, ...)
{
	char hint[sizeof err->message];
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(hint, sizeof hint, fmt, ap);
	str_tame(hint);
	va_end(ap);
	append(err, " (");
	append(err, hint);
	append(err, ")");
	return -err->code;
}
