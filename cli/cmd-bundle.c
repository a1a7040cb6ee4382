/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "opts-job.h"
#include "opts.h"
#include "progress.h"

static const char synopsis[] =
	"cisandbox bundle [OPTION]... IMAGE DIR [--] [COMMAND [ARG]...]\n"
	"       cisandbox bundle --json [OPTION]... IMAGE [--] [COMMAND [ARG]...]";

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

/* What is half made goes before we do. */
static void catch_signals(void)
{
	const struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static int step(void *arg, uint64_t bytes)
{
	uint64_t *shown = arg;
	char size[16], line[64];

	if (bytes - *shown >= 16 << 20) {
		*shown = bytes;
		snprintf(line, sizeof line, "copying: %s", cli_size(bytes, size));
		progress_show(line);
	}
	return caught;
}

static int write_bundle(struct front *f, const char *dir, char **argv)
{
	uint64_t shown = 0;
	const struct cis_bundle how = {.id_base = f->id_base, .step = step, .arg = &shown};
	struct cis_error err = {0};
	int r;

	catch_signals();
	r = cis_bundle_write(f->sb, argv, &how, sizeof how, dir, &err);
	progress_clear();
	if (r == 0)
		return 0;
	cli_error(f->verb, &err);
	return caught ? 128 + caught : EXIT_OURS;
}

static int print_config(struct front *f, char **argv)
{
	const struct cis_bundle how = {.id_base = f->id_base};
	struct cis_error err = {0};
	char *text = NULL;
	int r = cis_bundle_json(f->sb, argv, &how, sizeof how, &text, &err);

	return cli_print_json(f->verb, r, text, &err);
}

/* Names first; a "--" between them and the command may be left out, as with run. */
static int make(struct front *f, char **names)
{
	int n = f->json ? 1 : 2;
	char **argv = names + n;

	for (int i = 0; i < n; i++)
		if (!names[i] || strcmp(names[i], "--") == 0)
			return cli_usage_error(f->verb,
					       i ? "no directory named" : "no image named");
	if (*argv && strcmp(*argv, "--") == 0)
		argv++;
	if (cis_sandbox_set_image(f->sb, names[0]) < 0)
		return cli_usage_error(f->verb, "out of memory");
	if (f->tty)
		cis_sandbox_set_tty(f->sb, 0, 0);
	return f->json ? print_config(f, argv) : write_bundle(f, names[1], argv);
}

int cmd_bundle(int argc, char **argv)
{
	struct front f = {.verb = "bundle", .report = -1, .argv = argv};
	int first, status;

	if (cis_sandbox_new(&f.sb) < 0)
		return cli_usage_error("bundle", "out of memory");
	status = opts_parse(&f, FOR_BUNDLE, argc, argv, &first);
	if (status == 0 && f.help) {
		opts_help(FOR_BUNDLE, synopsis);
	} else if (status == 0) {
		status = cli_become_root("bundle", argv);
		if (status == 0)
			status = make(&f, argv + first);
	}
	cis_sandbox_free(f.sb);
	return status;
}
