/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "cli.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"run", cmd_run, "Start a sandbox and run a command in it"},
	{"exec", cmd_exec, "Run one more command in a running sandbox"},
	{"list", cmd_list, "Show the sandboxes of this host"},
	{"inspect", cmd_inspect, "Show all that is known of one, as JSON"},
	{"stats", cmd_stats, "Show what one uses now"},
	{"kill", cmd_kill, "Send a signal, or end it"},
	{"wait", cmd_wait, "Wait until one has ended, print its exit status"},
	{"reap", cmd_reap, "Remove what killed supervisors left behind"},
	{"check", cmd_check, "Say what this host offers, and what is missing"},
	{"bundle", cmd_bundle, "Make an OCI bundle of an image, for any runtime"},
	{"pool", cmd_pool, "Keep sandboxes that are up already, for run --pool"},
	{"image", cmd_image, "Build, import, list and remove root file systems"},
	{"cache", cmd_cache, "Make, list and empty what jobs leave for later ones"},
	{"seed", cmd_seed, "Build, list and remove what docker inside has from the start"},
};

static void usage(FILE *f)
{
	fprintf(f, "Usage: cisandbox VERB [OPTION]... [ARG]...\n"
		   "Run untrusted CI jobs in sandboxes in which docker works.\n\n");
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		fprintf(f, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	fprintf(f, "\n  --version, --help\n\n"
		   "cisandbox VERB --help says more of each; so does cisandbox(1).\n");
}

/* Descriptors 0 to 2 must be something, or what we open next takes their place. */
static void open_missing_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	open_missing_streams();
	if (argc < 2) {
		usage(stderr);
		return EXIT_OURS;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("cisandbox %s\n", cis_version());
		return 0;
	}
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "cisandbox: no such verb: %s (cisandbox --help lists them)\n", argv[1]);
	return EXIT_OURS;
}
