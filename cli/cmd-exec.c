/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "opts.h"
#include "session.h"

static const char synopsis[] = "cisandbox exec [OPTION]... ID [--] COMMAND [ARG]...";

/*
 * Options come before the ID, and apply to a handle that only the ID opens. A "--" between it and
 * the command may be left out, as with run.
 */
static int parse_twice(struct front *f, int argc, char **argv, char ***ret_command)
{
	struct cis_error err = {0};
	int status, id;

	if (cis_sandbox_new(&f->sb) < 0)
		return cli_usage_error("exec", "out of memory");
	f->only_looks = true;
	status = opts_parse(f, FOR_EXEC, argc, argv, &id);
	f->only_looks = false;
	cis_sandbox_free(f->sb);
	f->sb = NULL;
	if (status || f->help)
		return status;
	if (id >= argc)
		return cli_usage_error("exec", "no sandbox named");
	*ret_command = argv + id + 1;
	if (**ret_command && strcmp(**ret_command, "--") == 0)
		++*ret_command;
	if (!**ret_command)
		return cli_usage_error("exec", "no command given");
	status = cli_join("exec", argv, argv[id]);
	if (status)
		return status;
	if (cis_sandbox_open(&f->sb, argv[id], &err) < 0)
		return cli_error("exec", &err);
	return opts_parse(f, FOR_EXEC, argc, argv, &id);
}

int cmd_exec(int argc, char **argv)
{
	struct front f = {.verb = "exec", .report = -1, .is_ready = true};
	struct cis_error err = {0};
	char **command = NULL;
	int signals, status = parse_twice(&f, argc, argv, &command);

	if (status == 0 && f.help) {
		opts_help(FOR_EXEC, synopsis);
		return 0;
	}
	if (status == 0) {
		signals = session_block_signals();
		session_set_streams(&f);
		if (cis_sandbox_enter(f.sb, command, &err) < 0)
			status = cli_start_error("exec", &err);
		else
			status = session_run(&f, signals);
	}
	cis_sandbox_free(f.sb);
	return status;
}
