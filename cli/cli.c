/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the library has it in its own messages: str_tame(). */
static size_t count_wild(const unsigned char *s)
{
	if (s[0] < ' ' || s[0] == 127)
		return 1;
	if ((s[0] == 0xc2 && (s[1] & 0xe0) == 0x80) || (s[0] == 0xd8 && s[1] == 0x9c))
		return 2;
	if (s[0] != 0xe2)
		return 0;
	if (s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae)))
		return 3;
	return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9 ? 3 : 0;
}

void cli_put_clean(const char *text, FILE *f)
{
	while (*text) {
		size_t n = count_wild((const unsigned char *)text);

		fputc(n ? '?' : *text, f);
		text += n ? n : 1;
	}
}

/* Messages quote what people and jobs wrote: none of it may steer the terminal. */
static void print_line(const char *verb, const char *text)
{
	fprintf(stderr, "cisandbox: %s: ", verb);
	cli_put_clean(text, stderr);
	fputc('\n', stderr);
}

int cli_error(const char *verb, const struct cis_error *err)
{
	print_line(verb, err->message);
	return EXIT_OURS;
}

int cli_usage_error(const char *verb, const char *fmt, ...)
{
	char text[512], hint[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(hint, sizeof hint, " (see cisandbox %s --help)", verb);
	strncat(text, hint, sizeof text - strlen(text) - 1);
	print_line(verb, text);
	return EXIT_OURS;
}

int cli_start_error(const char *verb, const struct cis_error *err)
{
	cli_error(verb, err);
	if (err->stage != CIS_STAGE_EXEC)
		return EXIT_OURS;
	return err->code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

int cli_find_places(const char *verb)
{
	struct cis_error err = {0};

	return cis_user_places(&err) < 0 ? cli_error(verb, &err) : 0;
}

int cli_become_root(const char *verb, char **argv)
{
	struct cis_error err = {0};

	return cis_user_become_root(argv - 1, &err) < 0 ? cli_error(verb, &err) : 0;
}

int cli_join(const char *verb, char **argv, const char *id)
{
	struct cis_error err = {0};

	return cis_user_join(argv - 1, id, &err) < 0 ? cli_error(verb, &err) : 0;
}

int cli_print_json(const char *verb, int r, char *text, const struct cis_error *err)
{
	if (r < 0)
		return cli_error(verb, err);
	fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0 && r == 0 ? 0 : EXIT_OURS;
}

int cli_pruned(const char *verb, int n)
{
	struct cis_error err = {0};

	if (fflush(stdout) != 0)
		return EXIT_OURS;
	if (n == 0)
		return 0;
	snprintf(err.message, sizeof err.message, "%d of them cannot be read, and stay (cisandbox "
		 "%.*slist says why)", n, (int)strcspn(verb, " ") + 1, verb);
	return cli_error(verb, &err);
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
