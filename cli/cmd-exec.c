/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts.h"
#include "session.h"

static const char synopsis[] = "cisandbox exec [OPTION]... ID COMMAND [ARG]...";

/* Options come before the ID, and apply to a handle that only the ID opens. */
static int parse_twice(struct front *f, int argc, char **argv, int *ret_first)
{
	struct cis_error err = {0};
	int status;

	if (cis_sandbox_new(&f->sb) < 0)
		return cli_usage_error("exec", "out of memory");
	f->only_looks = true;
	status = opts_parse(f, FOR_EXEC, argc, argv, ret_first);
	f->only_looks = false;
	cis_sandbox_free(f->sb);
	f->sb = NULL;
	if (status || f->help)
		return status;
	if (*ret_first + 1 >= argc)
		return cli_usage_error("exec", *ret_first < argc ? "no command given"
								  : "no sandbox named");
	status = cli_join("exec", argv, argv[*ret_first]);
	if (status)
		return status;
	if (cis_sandbox_open(&f->sb, argv[*ret_first], &err) < 0)
		return cli_error("exec", &err);
	return opts_parse(f, FOR_EXEC, argc, argv, ret_first);
}

int cmd_exec(int argc, char **argv)
{
	struct front f = {.verb = "exec", .report = -1, .is_ready = true};
	struct cis_error err = {0};
	int first, signals, status = parse_twice(&f, argc, argv, &first);

	if (status == 0 && f.help) {
		opts_help(FOR_EXEC, synopsis);
		return 0;
	}
	if (status == 0) {
		signals = session_block_signals();
		session_set_streams(&f);
		if (cis_sandbox_enter(f.sb, argv + first + 1, &err) < 0)
			status = cli_start_error("exec", &err);
		else
			status = session_run(&f, signals);
	}
	cis_sandbox_free(f.sb);
	return status;
}
