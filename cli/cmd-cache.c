/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cache create | inspect | list | prune | rm. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define PATTERNS_MAX 128 /* the library has less */

static const char usage[] =
	"Usage: cisandbox cache create NAME --writers SCOPE[,SCOPE]...\n"
	"                              [--readers SCOPE[,SCOPE]...] [--max SIZE]\n"
	"       cisandbox cache list [--json]\n"
	"       cisandbox cache inspect NAME\n"
	"       cisandbox cache rm NAME...\n"
	"       cisandbox cache prune [--max SIZE] [--json]\n"
	"\n"
	"  create   Make an empty cache. Jobs that run for a scope of its writers leave what\n"
	"           they have made of it, others find it and leave nothing. Each part of a\n"
	"           scope may end in *: release/*, pr-*\n"
	"  list     Show the caches of this host\n"
	"  inspect  Show one as JSON\n"
	"  rm       Remove caches that no sandbox uses\n"
	"  prune    Remove what newer generations have replaced and no sandbox uses any more;\n"
	"           with --max, empty those not used for longest until all have no more\n";

/* ---- options ------------------------------------------------------------------ */

/* What the second verb was told; strings are argv's. */
struct asked {
	char *writers, *readers;
	uint64_t max;
	bool has_max, json, help;
	char **names;
	int n;
};

enum { WRITERS = 1, READERS = 2, MAX_SIZE = 4, JSON = 8 };

static int parse(const char *verb, unsigned int allowed, int argc, char **argv,
		 struct asked *ret)
{
	static const struct option all[] = {
		{"writers", required_argument, NULL, WRITERS},
		{"readers", required_argument, NULL, READERS},
		{"max", required_argument, NULL, MAX_SIZE},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", all, NULL)) != -1) {
		if (c == ':')
			return cli_usage_error(verb, "%s needs a value", argv[optind - 1]);
		if (c == 'h')
			ret->help = true;
		else if (c == '?' || !(allowed & (unsigned int)c))
			return cli_usage_error(verb, "unknown option %s", argv[optind - 1]);
		else if (c == WRITERS)
			ret->writers = optarg;
		else if (c == READERS)
			ret->readers = optarg;
		else if (c == JSON)
			ret->json = true;
		else if (cis_parse_size(optarg, &ret->max) < 0)
			return cli_usage_error(verb, "--max %s: not of the form SIZE", optarg);
		else
			ret->has_max = true;
	}
	ret->names = argv + optind;
	ret->n = argc - optind;
	return 0;
}

/* Cut at its commas. False: too many. */
static bool cut(char *list, const char *ret[static PATTERNS_MAX + 1])
{
	size_t n = 0;

	for (char *word; list && (word = strsep(&list, ","));) {
		if (n == PATTERNS_MAX)
			return false;
		ret[n++] = word;
	}
	ret[n] = NULL;
	return true;
}

/* ---- verbs -------------------------------------------------------------------- */

static int create(const struct asked *a, const char *verb)
{
	const char *writers[PATTERNS_MAX + 1], *readers[PATTERNS_MAX + 1];
	struct cis_cache_policy policy = {.writers = writers, .max = a->max,
					  .readers = a->readers ? readers : NULL};
	struct cis_error err = {0};

	if (!cut(a->writers, writers) || !cut(a->readers, readers))
		return cli_usage_error(verb, "too many scopes");
	return cis_cache_create(a->names[0], &policy, sizeof policy, &err) < 0
		       ? cli_error(verb, &err)
		       : 0;
}

static int print_one(const char *verb, const struct cis_cache *c)
{
	time_t used = (time_t)c->used;
	char when[32] = "", size[16], max[16];
	struct cis_error err = {0};
	struct tm tm;

	if (*c->error) {
		printf("%-24s %10s %9s %9s %9s  unreadable\n", c->name, "-", "-", "-", "-");
		snprintf(err.message, sizeof err.message, "%s", c->error);
		return cli_error(verb, &err);
	}
	if (localtime_r(&used, &tm))
		strftime(when, sizeof when, "%F %R", &tm);
	printf("%-24s %10llu %9s %9s %9llu  %s\n", c->name, (unsigned long long)c->generation,
	       cli_size(c->size, size), cli_size(c->max, max), (unsigned long long)c->files,
	       when);
	return 0;
}

static int list(const struct asked *a, const char *verb)
{
	struct cis_cache *all = NULL;
	struct cis_error err = {0};
	char *text = NULL;
	int status = 0;
	size_t n = 0;

	if (a->json) {
		int r = cis_cache_list_json(&text, &err);

		return cli_print_json(verb, r, text, &err);
	}
	if (cis_cache_list(&all, &n, &err) < 0)
		return cli_error(verb, &err);
	printf("%-24s %10s %9s %9s %9s  %s\n", "NAME", "GENERATION", "SIZE", "MAX", "FILES",
	       "USED");
	for (size_t i = 0; i < n; i++)
		status |= print_one(verb, &all[i]);
	free(all);
	return fflush(stdout) == 0 ? status : EXIT_OURS;
}

static int inspect(const struct asked *a, const char *verb)
{
	struct cis_error err = {0};
	char *text = NULL;
	int r = cis_cache_inspect_json(a->names[0], &text, &err);

	return cli_print_json(verb, r, text, &err);
}

static int remove_all(const struct asked *a, const char *verb)
{
	int status = 0;

	for (int i = 0; i < a->n; i++) {
		struct cis_error err = {0};

		if (cis_cache_remove(a->names[i], &err) < 0)
			status = cli_error(verb, &err);
	}
	return status;
}

static int prune(const struct asked *a, const char *verb)
{
	struct cis_error err = {0};
	uint64_t generations = 0, emptied = 0;
	int r = cis_cache_prune(a->has_max ? &a->max : NULL, &generations, &emptied, &err);

	if (r < 0)
		return cli_error(verb, &err);
	printf(a->json ? "{\n  \"generations\": %llu,\n  \"emptied\": %llu\n}\n"
		       : "%llu generations, %llu caches emptied\n",
	       (unsigned long long)generations, (unsigned long long)emptied);
	return cli_pruned(verb, r);
}

static const struct sub {
	const char *name, *verb;
	unsigned int allowed;
	int names;    /* so many; -1: one or more */
	bool changes; /* the store, for which it takes root, or a root of one's own */
	int (*run)(const struct asked *a, const char *verb);
} subs[] = {
	{"create", "cache create", WRITERS | READERS | MAX_SIZE, 1, true, create},
	{"inspect", "cache inspect", 0, 1, false, inspect},
	{"list", "cache list", JSON, 0, false, list},
	{"prune", "cache prune", MAX_SIZE | JSON, 0, true, prune},
	{"rm", "cache rm", 0, -1, true, remove_all},
};

static int run(const struct sub *s, int argc, char **argv, char **all)
{
	struct asked a = {0};
	int status = parse(s->verb, s->allowed, argc, argv, &a);

	if (status)
		return status;
	if (a.help) {
		fputs(usage, stdout);
		return 0;
	}
	if (s->names < 0 ? a.n == 0 : a.n != s->names)
		return cli_usage_error(s->verb, s->names == 0 ? "no NAME is wanted"
						: s->names < 0 ? "want NAMEs"
							       : "want one NAME");
	if (s->allowed & WRITERS && (!a.writers || (a.has_max && !a.max)))
		return cli_usage_error(s->verb, a.writers ? "--max 0: nothing would fit"
							  : "want --writers SCOPE[,SCOPE]...");
	status = s->changes ? cli_become_root(s->verb, all) : cli_find_places(s->verb);
	return status ? status : s->run(&a, s->verb);
}

int cmd_cache(int argc, char **argv)
{
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof subs / sizeof *subs; i++)
		if (strcmp(subs[i].name, argv[1]) == 0)
			return run(&subs[i], argc - 1, argv + 1, argv);
	return cli_usage_error("cache", "want create, inspect, list, prune or rm");
}
