/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cisandbox check: what this host offers, and what to do about the rest. */
#include <cisandbox.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char usage[] =
	"Usage: cisandbox check [--json] [NAME...]\n"
	"\n"
	"Tries, feature by feature, what this host offers for sandboxes. Nothing is\n"
	"changed or left behind.\n"
	"\n"
	"  NAME...     only these features; a warning then counts as missing\n"
	"  --json      the whole list as JSON\n"
	"  -h, --help  this text\n"
	"\n"
	"Exit status: 0 nothing is missing, 1 something needed is, 125 failure.\n";

static const char *const words[] = {
	[CIS_CHECK_OK] = "ok",
	[CIS_CHECK_MISSING] = "MISSING",
	[CIS_CHECK_WARNING] = "warning",
};

static bool is_named(const struct cis_check *c, char *const names[])
{
	for (; *names; names++)
		if (strcmp(*names, c->name) == 0)
			return true;
	return false;
}

static const char *find_unknown(const struct cis_check *list, size_t n,
				char *const names[])
{
	for (; *names; names++) {
		char *const one[] = {*names, NULL};
		bool known = false;

		for (size_t i = 0; i < n && !known; i++)
			known = is_named(&list[i], one);
		if (!known)
			return *names;
	}
	return NULL;
}

static int finish(int status)
{
	struct cis_error err = {.code = EIO,
				.message = "the report could not be written"};

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_error("check", &err);
}

/* Returns the exit status. */
static int print_table(const struct cis_check *list, size_t n, char *const names[])
{
	size_t width = 0;
	int status = 0;

	for (size_t i = 0; i < n; i++)
		if (strlen(list[i].name) > width)
			width = strlen(list[i].name);
	for (size_t i = 0; i < n; i++) {
		const struct cis_check *c = &list[i];

		if (*names && !is_named(c, names))
			continue;
		printf("%-7s  %-*s  %s  (%s)\n", words[c->result], (int)width, c->name,
		       c->found, c->needed);
		if (c->remedy[0])
			printf("%*s-> %s\n", (int)width + 11, "", c->remedy);
		if (c->result == CIS_CHECK_MISSING ||
		    (*names && c->result != CIS_CHECK_OK))
			status = 1;
	}
	return finish(status);
}

static int print_json(const struct cis_check *list, size_t n)
{
	struct cis_error err = {0};
	char *text = NULL;
	int status = 0;

	if (cis_check_json(&text, &err) < 0)
		return cli_error("check", &err);
	fputs(text, stdout);
	free(text);
	for (size_t i = 0; i < n; i++)
		if (list[i].result == CIS_CHECK_MISSING)
			status = 1;
	return finish(status);
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct cis_check *list = NULL;
	struct cis_error err = {0};
	const char *unknown;
	char **whole = argv - 1;
	bool json = false;
	size_t n = 0;
	int opt, status;

	opterr = 0;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return finish(0);
		}
		if (opt != 'j')
			return cli_usage_error("check", "unknown option %s",
					       argv[optind - 1]);
		json = true;
	}
	argv += optind;
	if (json && *argv)
		return cli_usage_error("check",
				       "--json lists everything: no names with it");
	/* A user's host is what root of a namespace finds; else the list says why. */
	if (cis_user_become_root(whole, &err) < 0)
		cli_error("check", &err);
	if (cis_check(&list, &n, &err) < 0)
		return cli_error("check", &err);
	unknown = find_unknown(list, n, argv);
	if (unknown)
		status = cli_usage_error("check", "no feature has the name %s", unknown);
	else
		status = json ? print_json(list, n) : print_table(list, n, argv);
	free(list);
	return status;
}
