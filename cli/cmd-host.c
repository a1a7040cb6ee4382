/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs about sandboxes that run: list inspect stats kill wait reap. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli.h"

/* The options these verbs have: --json where it makes sense, --help, -s for kill. */
struct simple {
	bool json, help;
	const char *signal;
};

static int parse(const char *verb, const char *usage, const char *letters, int argc,
		 char **argv, struct simple *ret)
{
	static const struct option longs[] = {
		{"help", no_argument, NULL, 'h'},
		{"json", no_argument, NULL, 'j'},
		{"signal", required_argument, NULL, 's'},
		{0},
	};
	int c, at;

	*ret = (struct simple){0};
	opterr = 0;
	optind = 1;
	while (at = optind, (c = getopt_long(argc, argv, ":s:", longs, NULL)) != -1) {
		if (c == ':')
			return cli_usage_error(verb, "%s needs a value", argv[at]);
		if (c == 'h')
			ret->help = true;
		else if (c == 'j' && strchr(letters, 'j'))
			ret->json = true;
		else if (c == 's' && strchr(letters, 's'))
			ret->signal = optarg;
		else
			return cli_usage_error(verb, "unknown option %s", argv[at]);
	}
	if (ret->help)
		printf("Usage: cisandbox %s\n", usage);
	return 0;
}

static int want_ids(const char *verb, int argc, int n)
{
	if (argc - optind == n || (n < 0 && argc - optind >= -n))
		return 0;
	return cli_usage_error(verb, argc == optind ? "no sandbox named" : "too many names");
}

static const char *age(int64_t created, char buf[static 24])
{
	long s = (long)(time(NULL) - created);

	if (!created) /* it is coming up */
		snprintf(buf, 24, "-");
	else if (s < 120)
		snprintf(buf, 24, "%lds", s);
	else if (s < 7200)
		snprintf(buf, 24, "%ldm", s / 60);
	else
		snprintf(buf, 24, "%ldh", s / 3600);
	return buf;
}

int cmd_list(int argc, char **argv)
{
	struct cis_error err = {0};
	struct cis_info *infos;
	struct simple o;
	char *text = NULL;
	size_t n;
	int r = parse("list", "list [--json]", "j", argc, argv, &o);

	if (r || o.help)
		return r;
	if (want_ids("list", argc, 0) || cli_find_places("list"))
		return EXIT_OURS;
	if (o.json) {
		r = cis_list_json(&text, &err);
		return cli_print_json("list", r, text, &err);
	}
	if (cis_list(&infos, &n, &err) < 0)
		return cli_error("list", &err);
	printf("%-20s %-9s %-7s %-6s %-12s %-16s %s\n", "ID", "STATUS", "PID", "AGE", "IDS",
	       "IMAGE", "COMMAND");
	for (size_t i = 0; i < n; i++) {
		char since[24];

		printf("%-20s %-9s %-7d %-6s %-12u %-16s ", infos[i].id, infos[i].status,
		       infos[i].init, age(infos[i].created, since), infos[i].id_base,
		       infos[i].image);
		cli_put_clean(infos[i].command, stdout); /* a job chose some of these bytes */
		putchar('\n');
	}
	free(infos);
	return fflush(stdout) == 0 ? 0 : EXIT_OURS;
}

int cmd_inspect(int argc, char **argv)
{
	struct cis_error err = {0};
	struct simple o;
	char *text = NULL;
	int r = parse("inspect", "inspect [--json] ID", "j", argc, argv, &o);

	if (r || o.help)
		return r;
	if (want_ids("inspect", argc, 1) || cli_join("inspect", argv, argv[optind]))
		return EXIT_OURS;
	r = cis_inspect_json(argv[optind], &text, &err);
	return cli_print_json("inspect", r, text, &err);
}

int cmd_stats(int argc, char **argv)
{
	struct cis_error err = {0};
	struct cis_usage u;
	struct cis_sandbox *sb;
	struct simple o;
	char *text = NULL, a[16], b[16], d[16];
	int r = parse("stats", "stats [--json] ID", "j", argc, argv, &o);

	if (r || o.help)
		return r;
	if (want_ids("stats", argc, 1) || cli_join("stats", argv, argv[optind]))
		return EXIT_OURS;
	if (o.json) {
		r = cis_stats_json(argv[optind], &text, &err);
		return cli_print_json("stats", r, text, &err);
	}
	if (cis_sandbox_open(&sb, argv[optind], &err) < 0)
		return cli_error("stats", &err);
	r = cis_sandbox_usage(sb, &u, sizeof u, &err);
	cis_sandbox_free(sb);
	if (r < 0)
		return cli_error("stats", &err);
	printf("%-10s %-10s %-10s %-6s %-10s%s\n", "MEMORY", "PEAK", "CPU", "PIDS", "DISK",
	       u.has_gate ? " FLOWS  UP         DOWN       DENIED ASKED" : "");
	printf("%-10s %-10s %-10.2f %-6llu %-10s", cli_size(u.memory, a),
	       cli_size(u.memory_peak, b), (double)u.cpu_usec / 1e6,
	       (unsigned long long)u.pids, cli_size(u.disk, d));
	if (u.has_gate)
		printf(" %-6llu %-10s %-10s %-6llu %llu", (unsigned long long)u.flows,
		       cli_size(u.bytes_up, a), cli_size(u.bytes_down, b),
		       (unsigned long long)u.denied, (unsigned long long)u.questions);
	putchar('\n');
	return fflush(stdout) == 0 ? 0 : EXIT_OURS;
}

/* "9", "KILL", "sigkill"; -1 when it is none of them. */
static int parse_signal(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!*end && *text)
		return n > 0 && n < NSIG ? (int)n : -1;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int sig = 1; sig < NSIG; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name && strcasecmp(name, text) == 0)
			return sig;
	}
	return -1;
}

int cmd_kill(int argc, char **argv)
{
	struct simple o;
	int sig, status = 0;
	int r = parse("kill", "kill [-s|--signal SIGNAL] ID...", "s", argc, argv, &o);

	if (r || o.help)
		return r;
	if (want_ids("kill", argc, -1) || cli_find_places("kill"))
		return EXIT_OURS;
	sig = o.signal ? parse_signal(o.signal) : SIGKILL;
	if (sig < 0)
		return cli_usage_error("kill", "no such signal: %s", o.signal);
	for (int i = optind; i < argc; i++) {
		struct cis_error err = {0};
		struct cis_sandbox *sb = NULL;

		if (cis_sandbox_open(&sb, argv[i], &err) < 0 ||
		    cis_sandbox_signal(sb, sig, &err) < 0)
			status = cli_error("kill", &err);
		cis_sandbox_free(sb);
	}
	return status;
}

int cmd_wait(int argc, char **argv)
{
	struct simple o;
	int status = 0, r = parse("wait", "wait ID...", "", argc, argv, &o);

	if (r || o.help)
		return r;
	if (want_ids("wait", argc, -1) || cli_find_places("wait"))
		return EXIT_OURS;
	for (int i = optind; i < argc; i++) {
		struct cis_error err = {0};
		int exit_status;

		if (cis_wait(argv[i], &exit_status, &err) < 0)
			status = cli_error("wait", &err);
		else
			printf("%d\n", exit_status);
	}
	return fflush(stdout) == 0 ? status : EXIT_OURS;
}

int cmd_reap(int argc, char **argv)
{
	struct cis_error err = {0};
	struct simple o;
	unsigned int n = 0;
	int r = parse("reap", "reap", "", argc, argv, &o);

	if (r || o.help)
		return r;
	if (want_ids("reap", argc, 0) || cli_find_places("reap"))
		return EXIT_OURS;
	r = cis_reap(&n, &err);
	if (n)
		printf("%u sandbox(es) removed\n", n);
	return r < 0 ? cli_error("reap", &err) : 0;
}
