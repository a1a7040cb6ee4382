/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that do one thing to a container and print nothing. */
#include <signal.h>

#include "notify.h"
#include "oci.h"

static int done(int r, const struct cis_error *err)
{
	return r < 0 ? oci_fail_err(err) : 0;
}

int start_and_wait(struct call *c)
{
	struct cis_error err = {0};
	struct notify n;
	int status = notify_open(&n, c);

	if (status == 0)
		status = done(cis_oci_start(&c->rt, c->argv[0], &err), &err);
	if (status == 0)
		notify_wait(&n, c);
	notify_close(&n);
	return status;
}

int verb_start(struct call *c)
{
	return start_and_wait(c);
}

int verb_kill(struct call *c)
{
	struct cis_error err = {0};
	int sig = c->argc > 1 ? parse_signal(c->argv[1]) : SIGTERM;

	if (sig < 0)
		return oci_fail_usage("kill", "no such signal: %s", c->argv[1]);
	return done(cis_oci_kill(&c->rt, c->argv[0], sig, c->o.all, &err), &err);
}

int verb_delete(struct call *c)
{
	struct cis_error err = {0};

	return done(cis_oci_delete(&c->rt, c->argv[0], c->o.force, &err), &err);
}

int verb_pause(struct call *c)
{
	struct cis_error err = {0};

	return done(cis_oci_pause(&c->rt, c->argv[0], &err), &err);
}

int verb_resume(struct call *c)
{
	struct cis_error err = {0};

	return done(cis_oci_resume(&c->rt, c->argv[0], &err), &err);
}
