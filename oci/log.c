/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One record for the engine, at level error, and the plain text for whoever reads stderr.
 * containerd takes the last error and wants every record to parse; podman parses the
 * whole file as one object: so there is never a second one, nor a warning.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "oci.h"

static struct {
	const char *path;
	bool json, told;
} log_to;

int log_open(const char *path, const char *format)
{
	log_to.path = path && *path ? path : NULL;
	log_to.json = format && strcmp(format, "json") == 0;
	if (format && !log_to.json && strcmp(format, "text") != 0)
		return oci_fail("invalid log-format: %s", format);
	return 0;
}

/* Messages quote what others wrote: none of it may steer the terminal. */
static void print_line(const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, stderr);
	fputc('\n', stderr);
}

/* One write(2): O_APPEND keeps it whole beside those of others. */
static void append(const char *record, size_t len)
{
	int fd = open(log_to.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
		      0644);

	if (fd < 0) {
		fprintf(stderr, "--log %s: %s\n", log_to.path, errno_text(errno));
		return;
	}
	if (write(fd, record, len) < 0)
		fprintf(stderr, "--log %s: %s\n", log_to.path, errno_text(errno));
	close(fd);
}

static void record(const char *msg)
{
	char *text = NULL, when[32];
	size_t len = 0;
	time_t now = time(NULL);
	struct tm tm;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	if (log_to.json)
		fputs("{\"level\":\"error\",\"msg\":", f);
	else
		fprintf(f, "time=\"%s\" level=error msg=", when);
	jtext_put(f, msg);
	if (log_to.json)
		fprintf(f, ",\"time\":\"%s\"}", when);
	fputc('\n', f);
	if (fclose(f) == 0)
		append(text, len);
	free(text);
}

static int tell(const char *msg)
{
	if (log_to.told)
		return EXIT_FAILED;
	log_to.told = true;
	print_line(msg);
	if (log_to.path)
		record(msg);
	return EXIT_FAILED;
}

int oci_fail(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return tell(text);
}

int oci_fail_err(const struct cis_error *err)
{
	return tell(err->message[0] ? err->message : "unknown failure");
}

int oci_fail_usage(const char *verb, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return oci_fail("%s%s%s (see " PROGRAM " %s%s--help)", verb ? verb : "",
			verb ? ": " : "", text, verb ? verb : "", verb ? " " : "");
}
