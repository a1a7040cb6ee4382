/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit trail: one JSON object a line, written whole. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/json.h"
#include "sandbox.h"

void audit_line(struct cis_sandbox *sb, const char *event, const char *text, ...)
{
	cleanup(json_freep) struct json *line = NULL;
	cleanup_free char *out = NULL;
	struct timespec now;
	const char *key;
	va_list ap;

	if (sb->audit < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	line = json_object_new();
	json_set_int(line, "time_msec", (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	json_set_string(line, "id", sb->state.id);
	json_set_string(line, "event", event);
	if (text) {
		cleanup_free char *masked = strdup(text);

		/* Before JSON changes how it looks. */
		json_set_string(line, "text",
				masked && mask_whole(sb, &masked) >= 0 ? masked : "");
	}
	va_start(ap, text);
	while ((key = va_arg(ap, const char *)))
		json_set_int(line, key, (int64_t)va_arg(ap, uint64_t));
	va_end(ap);
	if (json_write(line, 0, &out) < 0)
		return;
	/* With its newline in one write, so that lines of several writers stay whole. */
	size_t n = strlen(out);
	char *whole = realloc(out, n + 2);

	if (!whole)
		return;
	out = whole;
	memcpy(out + n, "\n", 2);
	io_write_all(sb->audit, out, n + 1);
}
