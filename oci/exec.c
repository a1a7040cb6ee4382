/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json.h"
#include "oci.h"
#include "session.h"

/*
 * The process object says whether there is a terminal; what is wrong in it, the library. It
 * may come by a pipe, which can be read but once: what the library reads is a copy.
 */
static bool read_process(struct cis_oci_exec *how, char copy[static 32])
{
	struct json terminal;
	size_t len;
	char *text;
	bool wants;
	int fd;

	if (file_read(how->process, &text, &len) < 0)
		return false;
	wants = jtext_get(jtext_of(text, len), "terminal", &terminal) &&
		jtext_is(terminal, 't');
	fd = memfd_create("process", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, text, len) == (ssize_t)len) {
		snprintf(copy, 32, "/proc/self/fd/%d", fd);
		how->process = copy;
	}
	free(text);
	return wants;
}

static int read_groups(const struct words *given, unsigned int **ret)
{
	unsigned int *groups = calloc(given->n + 1, sizeof *groups);

	if (!groups)
		return oci_fail("out of memory");
	for (size_t i = 0; i < given->n; i++) {
		long long n = parse_number(given->items[i], UINT32_MAX - 1);

		if (n < 0) {
			free(groups);
			return oci_fail_usage("exec", "--additional-gids %s: not a group id",
					      given->items[i]);
		}
		groups[i] = (unsigned int)n;
	}
	*ret = groups;
	return 0;
}

static struct cis_oci_exec exec_how(const struct call *c)
{
	const struct options *o = &c->o;
	struct cis_oci_exec how = {
		.process = o->process,
		.argv = o->process ? NULL : c->argv + 1,
		.env = o->env.items,
		.cwd = o->cwd,
		.user = o->user,
		.n_groups = o->groups.n,
		.caps = o->caps.items,
		.apparmor = o->apparmor,
		.process_label = o->process_label,
		.cgroups = o->cgroups.items,
		.pid_file = o->pid_file,
		.console_socket = o->console_socket,
		.pidfd_socket = o->pidfd_socket,
		.preserve_fds = o->preserve_fds,
	};

	if (o->tty)
		how.flags |= CIS_OCI_EXEC_TTY;
	if (o->no_new_privs)
		how.flags |= CIS_OCI_EXEC_NO_NEW_PRIVS;
	if (o->ignore_paused)
		how.flags |= CIS_OCI_EXEC_IGNORE_PAUSED;
	return how;
}

static int exec_attached(struct call *c, struct cis_oci_exec *how, bool terminal)
{
	struct cis_error err = {0};
	struct session s;
	int status = EXIT_EXEC_FAILED;

	if (session_open(&s, terminal, !c->o.no_subreaper)) {
		session_close(&s);
		return EXIT_EXEC_FAILED;
	}
	how->ret_pid = &s.pid;
	if (terminal)
		how->ret_console = &s.console;
	session_size(&s, &how->rows, &how->cols);
	if (cis_oci_exec(&c->rt, c->argv[0], how, sizeof *how, &err) < 0)
		oci_fail_err(&err);
	else if (session_join(&s) == 0)
		status = session_run(&s);
	else
		kill(s.pid, SIGKILL);
	session_close(&s);
	return status;
}

int verb_exec(struct call *c)
{
	struct cis_oci_exec how = exec_how(c);
	struct cis_error err = {0};
	unsigned int *groups = NULL;
	char copy[32];
	bool terminal = how.process ? read_process(&how, copy) : c->o.tty;
	int status = 0;

	if (!how.process && c->argc < 2) {
		oci_fail_usage("exec", "no command given");
		return EXIT_EXEC_FAILED;
	}
	if (check_terminal(terminal, c->o.detach, how.console_socket) ||
	    read_groups(&c->o.groups, &groups))
		return EXIT_EXEC_FAILED;
	how.groups = groups;
	if (!c->o.detach) {
		status = exec_attached(c, &how, terminal);
	} else if (cis_oci_exec(&c->rt, c->argv[0], &how, sizeof how, &err) < 0) {
		oci_fail_err(&err);
		status = EXIT_EXEC_FAILED;
	}
	free(groups);
	return status;
}
