/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the library has it, for its own messages and JSON: str_utf8(), str_tame(). */
static size_t decode(const char *s, unsigned *ret)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)*s;
	size_t len = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	unsigned code = len == 1 ? c : c & (0x7fU >> len);

	if (len == 0 || c >= 0xf8)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80) /* nor is the end */
			return 0;
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code & ~0x7ffU) == 0xd800)
		return 0;
	*ret = code;
	return len;
}

static bool is_wild(unsigned code)
{
	return code < ' ' || (code >= 0x7f && code <= 0x9f) || code == 0x61c ||
	       code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void cli_put_clean(const char *text, FILE *f)
{
	while (*text) {
		unsigned code;
		size_t n = decode(text, &code);

		if (n == 0 || is_wild(code))
			fputc('?', f);
		else
			fwrite(text, 1, n, f);
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
