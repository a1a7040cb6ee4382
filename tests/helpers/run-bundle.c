/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another program than ours: runs an OCI bundle through the library's handle, and
 * says what happens on stderr. What tests/oci/handle does, it does by this.
 *
 *	run-bundle [-i ID] [-t] [-T MSEC] [-m] BUNDLE [ARG...]
 */
#include <cisandbox.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct cis_error error;

static void must(int r)
{
	if (r < 0)
		errx(125, "stage %d, code %d: %s", error.stage, error.code, error.message);
}

static void tell_events(struct cis_sandbox *sb)
{
	struct cis_event e;

	while (cis_sandbox_next_event(sb, &e, sizeof e) > 0)
		fprintf(stderr, "event %d: %s\n", e.kind, e.text);
}

static struct cis_sandbox *describe(int argc, char **argv)
{
	struct cis_sandbox *sb;
	int opt, dir;

	must(cis_sandbox_new(&sb));
	while ((opt = getopt(argc, argv, "+i:tT:m")) >= 0)
		if (opt == 'i')
			must(cis_sandbox_set_id(sb, optarg));
		else if (opt == 't')
			must(cis_sandbox_set_tty(sb, 33, 77));
		else if (opt == 'T')
			must(cis_sandbox_set_timeout(sb, strtoull(optarg, NULL, 10)));
		else if (opt == 'm')
			must(cis_sandbox_set_memory(sb, 64 << 20));
		else
			exit(125);
	if (!argv[optind])
		errx(125, "no bundle");
	dir = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		err(125, "%s", argv[optind]);
	must(cis_sandbox_load_oci(sb, dir, &error));
	close(dir);
	must(cis_sandbox_set_stdio(sb, 0, 1, 2));
	return sb;
}

int main(int argc, char **argv)
{
	struct cis_sandbox *sb;
	struct cis_usage usage;
	int status, r;

	must(cis_oci_seal(argv, &error));
	sb = describe(argc, argv);
	must(cis_sandbox_start(sb, argv[optind + 1] ? argv + optind + 1 : NULL, &error));
	fprintf(stderr, "id %s\n", cis_sandbox_id(sb));
	while ((r = cis_sandbox_dispatch(sb, &error)) == 0) {
		struct pollfd p = {.fd = cis_sandbox_fd(sb), .events = POLLIN};

		tell_events(sb);
		poll(&p, 1, -1);
	}
	must(r);
	tell_events(sb);
	status = cis_sandbox_exit_status(sb);
	must(cis_sandbox_usage(sb, &usage, sizeof usage, &error));
	fprintf(stderr, "status %d cpu %s memory %s\n", status, usage.cpu_usec ? "counted" : "-",
		usage.memory_peak ? "counted" : "-");
	cis_sandbox_free(sb);
	return status;
}
