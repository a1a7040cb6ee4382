/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* seed build | inspect | list | prune | rm. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "opts-egress.h"
#include "opts-job.h"
#include "opts.h"
#include "session.h"

static const char usage[] =
	"Usage: cisandbox seed build NAME --from SCRIPT [OPTION]...\n"
	"       cisandbox seed list [--json]\n"
	"       cisandbox seed inspect NAME\n"
	"       cisandbox seed rm NAME...\n"
	"       cisandbox seed prune [--max SIZE] [--json]\n"
	"\n"
	"  build    Run SCRIPT, a trusted one, in a sandbox with docker and keep the images\n"
	"           that are there at its end, for runs with that seed. Options: as run's\n"
	"  list     Show the seeds of this host\n"
	"  inspect  Show one as JSON\n"
	"  rm       Remove seeds that no sandbox uses\n"
	"  prune    Remove what newer ones have replaced and no sandbox uses any more;\n"
	"           with --max, also seeds not used for longest until all have no more\n";

static const char build_synopsis[] = "cisandbox seed build NAME --from SCRIPT [OPTION]...";

/* ---- build ------------------------------------------------------------------- */

static int publish(struct cis_seed_build *b, const char *name)
{
	struct cis_error err = {0};
	uint64_t generation = 0;

	if (cis_seed_build_publish(b, &generation, &err) < 0)
		return cli_error("seed build", &err);
	printf("%s generation %llu\n", name, (unsigned long long)generation);
	return fflush(stdout) == 0 ? 0 : EXIT_OURS;
}

/* The end of who has the other end of @child: 0; or the signal that asks us to end. */
static int await_end(int child, int signals)
{
	struct pollfd fds[] = {{.fd = child, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	struct signalfd_siginfo info;

	while (!fds[0].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return SIGKILL;
		while (!fds[0].revents && read(signals, &info, sizeof info) == sizeof info)
			if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM ||
			    info.ssi_signo == SIGHUP || info.ssi_signo == SIGQUIT)
				return (int)info.ssi_signo;
	}
	return 0;
}

/* All of its group, whose orphans are ours: cp writes until it is dead. */
static int reap_group(pid_t pid)
{
	int status = SIGKILL, one;
	pid_t r;

	while ((r = waitpid(-pid, &one, __WALL)) > 0 || errno == EINTR)
		if (r == pid)
			status = one;
	return status;
}

/* Up to all of the disk is copied: a child does it, and we hear signals meanwhile. */
static int publish_aside(struct cis_seed_build *b, const char *name, int signals)
{
	int ends[2], sig, status;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
	if (pid < 0) {
		perror("cisandbox: seed build: start what copies");
		return EXIT_OURS;
	}
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN); /* in the background, it says what it has to */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(publish(b, name));
	}
	setpgid(pid, pid);
	close(ends[1]);
	sig = await_end(ends[0], signals);
	if (sig)
		kill(-pid, SIGKILL);
	close(ends[0]);
	status = reap_group(pid);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return sig ? 128 + sig : EXIT_OURS;
}

static int run(struct front *f, struct cis_seed_build *b, int signals)
{
	struct cis_error err = {0};

	session_set_streams(f);
	if (cis_sandbox_start(f->sb, cis_seed_build_argv(b), &err) < 0)
		return cli_start_error(f->verb, &err);
	return egress_report(f, session_run(f, signals));
}

static int build(struct front *f, const char *name)
{
	struct cis_seed_build *b = NULL;
	struct cis_error err = {0};
	int signals, status;

	if (cis_seed_build_new(&b, name, f->from, f->sb, &err) < 0)
		return cli_error(f->verb, &err);
	signals = session_block_signals();
	status = run(f, b, signals);
	if (status == 0)
		status = publish_aside(b, name, signals);
	else
		fprintf(stderr, "cisandbox: seed build: the script failed: \"%s\" is as it was\n",
			name);
	cis_seed_build_free(b);
	return status;
}

static int check(const struct front *f)
{
	if (!f->from || !*f->from)
		return cli_usage_error(f->verb, "want --from SCRIPT");
	if (f->detach || f->dry_run || f->interactive || f->tty || f->audit || f->seed ||
	    f->pool || f->no_fill)
		return cli_usage_error(f->verb, "-d, -i, -t, --audit, --dry-run, --pool, --no-fill "
						"and --seed are not for it");
	return job_check(f);
}

/* The options of run, after the name. */
static int seed_build(int argc, char **argv, char **all)
{
	struct front f = {.verb = "seed build", .report = -1, .argv = all};
	struct cis_error err = {0};
	int first, status;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		opts_help(FOR_RUN | FOR_SEED, build_synopsis);
		return 0;
	}
	if (argc < 2 || argv[1][0] == '-')
		return cli_usage_error("seed build", "want a NAME first");
	if (cis_sandbox_new(&f.sb) < 0)
		return cli_usage_error("seed build", "out of memory");
	if (cis_sandbox_load_profile(f.sb, "docker", &err) < 0)
		status = cli_error(f.verb, &err);
	else
		status = opts_parse(&f, FOR_RUN | FOR_SEED, argc - 1, argv + 1, &first);
	if (status == 0 && f.help) {
		opts_help(FOR_RUN | FOR_SEED, build_synopsis);
	} else if (status == 0) {
		status = first < argc - 1 ? cli_usage_error(f.verb, "no command is wanted: %s",
							    argv[1 + first])
					  : check(&f);
		if (status == 0)
			status = cli_become_root(f.verb, all);
		if (status == 0)
			status = egress_open(&f);
		if (status == 0)
			status = build(&f, argv[1]);
	}
	cis_sandbox_free(f.sb);
	return status;
}

/* ---- the others -------------------------------------------------------------- */

static int print_one(const struct cis_seed *s)
{
	time_t created = (time_t)s->created;
	struct cis_error err = {0};
	char when[32] = "";
	struct tm tm;

	if (*s->error) {
		printf("%-24s %10s %8s %7s  unreadable\n", s->name, "-", "-", "-");
		snprintf(err.message, sizeof err.message, "%s", s->error);
		return cli_error("seed list", &err);
	}
	if (localtime_r(&created, &tm))
		strftime(when, sizeof when, "%F %R", &tm);
	printf("%-24s %10llu %5llu MB %7llu  %s\n", s->name,
	       (unsigned long long)s->generation,
	       (unsigned long long)((s->size + 500000) / 1000000),
	       (unsigned long long)s->shared, when);
	return 0;
}

static int list(bool json)
{
	struct cis_seed *all = NULL;
	struct cis_error err = {0};
	char *text = NULL;
	int status = 0;
	size_t n = 0;

	if (json) {
		int r = cis_seed_list_json(&text, &err);

		return cli_print_json("seed list", r, text, &err);
	}
	if (cis_seed_list(&all, &n, &err) < 0)
		return cli_error("seed list", &err);
	printf("%-24s %10s %8s %7s  %s\n", "NAME", "GENERATION", "SIZE", "SHARED", "CREATED");
	for (size_t i = 0; i < n; i++)
		status |= print_one(&all[i]);
	free(all);
	return fflush(stdout) == 0 ? status : EXIT_OURS;
}

static int prune(const uint64_t *max, bool json)
{
	struct cis_error err = {0};
	uint64_t n = 0, removed = 0;
	int r = cis_seed_prune(max, &n, &removed, &err);

	if (r < 0)
		return cli_error("seed prune", &err);
	printf(json ? "{\n  \"generations\": %llu,\n  \"removed\": %llu\n}\n"
		    : "%llu generations, %llu seeds removed\n",
	       (unsigned long long)n, (unsigned long long)removed);
	return cli_pruned("seed prune", r);
}

static int parse_prune(int argc, char **argv, char **all)
{
	static const struct option options[] = {
		{"max", required_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'}, {0}};
	uint64_t size, *max = NULL;
	bool json = false;
	int c, r;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c != 'm')
			return cli_usage_error("seed prune", c == ':' ? "%s needs a value"
							      : "unknown option %s",
					       argv[optind - 1]);
		else if (cis_parse_size(optarg, &size) < 0)
			return cli_usage_error("seed prune", "--max %s: not of the form SIZE",
					       optarg);
		else
			max = &size;
	}
	if (optind < argc)
		return cli_usage_error("seed prune", "no NAME is wanted");
	r = cli_become_root("seed prune", all);
	return r ? r : prune(max, json);
}

static int inspect(const char *name)
{
	struct cis_error err = {0};
	char *text = NULL;
	int r = cis_seed_inspect_json(name, &text, &err);

	return cli_print_json("seed inspect", r, text, &err);
}

static int remove_all(char **names)
{
	int status = 0;

	for (; *names; names++) {
		struct cis_error err = {0};

		if (cis_seed_remove(*names, &err) < 0)
			status = cli_error("seed rm", &err);
	}
	return status;
}

/* argv[0] is the second verb. */
static int other(int argc, char **argv, char **all)
{
	const char *verb = argv[0];
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	int names = argc - 1 - json, r;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (strcmp(verb, "prune") == 0)
		return parse_prune(argc, argv, all);
	if (argc > 1 && argv[1][0] == '-' &&
	    !(json && strcmp(verb, "list") == 0))
		return cli_usage_error("seed", "%s: unknown option %s", verb, argv[1]);
	if (strcmp(verb, "list") == 0 && names == 0) {
		r = cli_find_places("seed list");
		return r ? r : list(json);
	}
	if (strcmp(verb, "inspect") == 0 && names == 1) {
		r = cli_find_places("seed inspect");
		return r ? r : inspect(argv[1]);
	}
	if (strcmp(verb, "rm") == 0 && names > 0) {
		r = cli_become_root("seed rm", all);
		return r ? r : remove_all(argv + 1);
	}
	return cli_usage_error("seed", "want build NAME --from SCRIPT, list, inspect NAME, rm "
				       "NAME... or prune");
}

int cmd_seed(int argc, char **argv)
{
	if (argc < 2)
		return cli_usage_error("seed", "want build, inspect, list, prune or rm");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (strcmp(argv[1], "build") == 0)
		return seed_build(argc - 1, argv + 1, argv);
	return other(argc - 1, argv + 1, argv);
}
