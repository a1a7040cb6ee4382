/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool start, list, fill, stop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"

static const char synopsis[] =
	"cisandbox pool start NAME --size N [OPTION]...\n"
	"       cisandbox pool list [--json]\n"
	"       cisandbox pool fill NAME|--all\n"
	"       cisandbox pool stop NAME";

static int need_name(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-')
		return 0;
	return cli_usage_error("pool", argc < 2 ? "%s: no pool named" : "%s: too many words",
			       argv[0]);
}

/* ---- start ---- */

/* Not before it is known that it can be: a pool of that name may be in use. */
static int save(const char *name, unsigned int size, char **options)
{
	struct pool_kind k = {.options = options, .directory = getcwd(NULL, 0)};
	struct cis_error err = {0};
	int status;

	if (!k.directory)
		return cli_usage_error("pool", "working directory: %s", strerror(errno));
	status = pool_kind_judge("pool", name, &k);
	if (status == 0 && cis_pool_save(name, size, k.directory, options, &err) < 0)
		status = cli_error("pool", &err);
	k.options = NULL; /* the caller's */
	pool_kind_done(&k);
	return status;
}

static int start(int argc, char **argv)
{
	struct front f = {.verb = "pool", .report = -1};
	int first, status;

	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		opts_help(FOR_POOL, "cisandbox pool start NAME --size N [OPTION]...");
		return 0;
	}
	if (argc < 2 || argv[1][0] == '-')
		return cli_usage_error("pool", "start: no pool named");
	if (cis_sandbox_new(&f.sb) < 0)
		return cli_usage_error("pool", "out of memory");
	status = opts_parse(&f, FOR_POOL, argc - 1, argv + 1, &first);
	cis_sandbox_free(f.sb);
	if (status != 0)
		return status;
	if (f.help) {
		opts_help(FOR_POOL, "cisandbox pool start NAME --size N [OPTION]...");
		return 0;
	}
	if (first != argc - 1)
		return cli_usage_error("pool", "start: %s: a pool has options, and no command",
				       argv[1 + first]);
	if (!f.pool_size)
		return cli_usage_error("pool", "start: --size says how many sandboxes shall wait");
	status = save(argv[1], f.pool_size, argv + 2);
	return status == 0 ? pool_fill("pool", argv[1]) : status;
}

/* ---- list ---- */

static void print_one(const char *name, const struct pool_kind *k, const struct cis_pool_count *n,
		      bool json)
{
	if (json)
		printf("{\"name\": \"%s\", \"size\": %u, \"ready\": %u, \"stale\": %u}", name,
		       k->size, n->ready, n->stale);
	else
		printf("%-20s %-6u %-6u %u\n", name, k->size, n->ready, n->stale);
}

/* Why has been said. What was asked for is no more there; but it can be stopped. */
static void print_broken(const char *name, bool json)
{
	if (json)
		printf("{\"name\": \"%s\", \"broken\": true}", name);
	else
		printf("%-20s %-6s %-6s %s\n", name, "-", "-", "broken");
}

static int list(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct cis_error err = {0};
	char **names;
	int status = 0;

	if (argc > 2 || (argc == 2 && !json))
		return cli_usage_error("pool", "unknown option %s", argv[1]);
	if (cis_pool_list(&names, &err) < 0)
		return cli_error("pool", &err);
	if (json)
		putchar('[');
	else
		printf("%-20s %-6s %-6s %s\n", "NAME", "SIZE", "READY", "STALE");
	for (size_t i = 0; names[i]; i++) {
		struct cis_pool_count n;
		struct pool_kind k;
		int one = pool_kind_read("pool", names[i], &k);

		if (json)
			printf("%s\n  ", i ? "," : "");
		if (one == 0 && cis_pool_count(names[i], k.like, &n, sizeof n, &err) < 0)
			one = cli_error("pool", &err);
		if (one == 0) {
			print_one(names[i], &k, &n, json);
		} else {
			print_broken(names[i], json);
			status = one;
		}
		pool_kind_done(&k);
	}
	free(names);
	if (json)
		puts("\n]");
	return fflush(stdout) == 0 ? status : EXIT_OURS;
}

/* ---- fill, stop ---- */

static int fill_all(void)
{
	struct cis_error err = {0};
	int status = 0;
	char **names;

	if (cis_pool_list(&names, &err) < 0)
		return cli_error("pool", &err);
	for (size_t i = 0; names[i]; i++) {
		int one = pool_fill("pool", names[i]);

		if (one != 0)
			status = one;
	}
	free(names);
	return status;
}

static int fill(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--all") == 0)
		return fill_all();
	return need_name(argc, argv) ? EXIT_OURS : pool_fill("pool", argv[1]);
}

static int stop(int argc, char **argv)
{
	struct cis_error err = {0};
	int lock, status = need_name(argc, argv);

	if (status != 0)
		return status;
	lock = cis_pool_lock(argv[1], &err);
	if (lock < 0) {
		/* Whoever stopped it before may have been killed half-way. */
		if (lock == -ENOENT)
			cis_pool_drop(argv[1], NULL, NULL);
		return cli_error("pool", &err);
	}
	/* In this order: nobody takes one when there is no pool. */
	if (cis_pool_remove(argv[1], &err) < 0 || cis_pool_drop(argv[1], NULL, &err) < 0)
		status = cli_error("pool", &err);
	close(lock);
	return status;
}

int cmd_pool(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = {{"start", start}, {"list", list}, {"fill", fill}, {"stop", stop}};

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("Usage: %s\n", synopsis);
		return 0;
	}
	/* A member outlives us: it would be of a user namespace that nobody can join again. */
	if (geteuid() != 0)
		return cli_usage_error("pool", "for root only");
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return cli_usage_error("pool", argc > 1 ? "no such verb: %s" : "start, list, fill or stop?",
			       argc > 1 ? argv[1] : "");
}
