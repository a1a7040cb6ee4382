/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int cli_error(const char *verb, const struct cis_error *err)
{
	fprintf(stderr, "cisandbox: %s: %s\n", verb, err->message);
	return EXIT_OURS;
}

int cli_usage_error(const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "cisandbox: %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see cisandbox %s --help)\n", verb);
	return EXIT_OURS;
}

int cli_start_error(const char *verb, const struct cis_error *err)
{
	cli_error(verb, err);
	if (err->stage != CIS_STAGE_EXEC)
		return EXIT_OURS;
	return err->code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

int cli_print_json(const char *verb, int r, char *text, const struct cis_error *err)
{
	if (r < 0)
		return cli_error(verb, err);
	fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0 ? 0 : EXIT_OURS;
}

const char *cli_size(uint64_t bytes, char buf[static 16])
{
	static const char units[] = "BKMGT";
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 2 < sizeof units) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, 16, value < 10 && unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return buf;
}
