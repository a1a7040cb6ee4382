/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/wait.h>

#include "notify.h"
#include "oci.h"
#include "session.h"

/* A container that was made and could not be started, or whose time is over. */
static int remove_it(struct call *c)
{
	struct cis_error err = {0};

	return cis_oci_delete(&c->rt, c->argv[0], 1, &err) < 0 ? oci_fail_err(&err) : 0;
}

static int run_detached(struct call *c, struct cis_oci_create *how)
{
	struct cis_error err = {0};

	if (cis_oci_create(&c->rt, c->argv[0], how, sizeof *how, &err) < 0)
		return oci_fail_err(&err);
	if (start_and_wait(c) == 0)
		return 0;
	remove_it(c);
	return EXIT_FAILED;
}

static int run_started(struct call *c, struct session *s)
{
	struct cis_error err = {0};

	/* Raw before it can draw anything. */
	if (session_join(s) || notify_open(&s->notify, c))
		return -1;
	if (cis_oci_start(&c->rt, c->argv[0], &err) < 0) {
		oci_fail_err(&err);
		return -1;
	}
	return session_run(s);
}

static int run_attached(struct call *c, struct cis_oci_create *how, bool terminal)
{
	struct cis_error err = {0};
	struct session s;
	int status;

	if (session_open(&s, terminal, !c->o.no_subreaper)) {
		session_close(&s);
		return EXIT_FAILED;
	}
	how->ret_pid = &s.pid;
	if (terminal)
		how->ret_console = &s.console;
	if (cis_oci_create(&c->rt, c->argv[0], how, sizeof *how, &err) < 0) {
		session_close(&s);
		return oci_fail_err(&err);
	}
	status = run_started(c, &s);
	session_close(&s);
	if (status < 0 || !c->o.keep) {
		/* Its status counts for more than that something of it stays behind. */
		remove_it(c);
	}
	return status < 0 ? EXIT_FAILED : status;
}

int verb_run(struct call *c)
{
	struct cis_oci_create how = create_how(c);
	bool terminal = bundle_wants_terminal(&how);

	if (check_terminal(terminal, c->o.detach, how.console_socket))
		return EXIT_FAILED;
	return c->o.detach ? run_detached(c, &how) : run_attached(c, &how, terminal);
}
