/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For a static command, which cannot load libsystemd. */
#include <errno.h>

#include "systemd.h"

static int none(const struct place *p, struct cis_error *err)
{
	return cis_fail_plain(
		err, EOPNOTSUPP,
		"cgroups: make %s: this build does without systemd (run without "
		"--systemd-cgroup, or link dynamically)",
		p->unit);
}

int systemd_start(const struct place *p, pid_t pid, const struct config_resources *r,
		  struct cis_error *err)
{
	(void)pid;
	(void)r;
	return none(p, err);
}

int systemd_update(const struct place *p, const struct config_resources *r,
		   struct cis_error *err)
{
	(void)r;
	return none(p, err);
}

/* Of another build's container: a scope goes with its last process. */
int systemd_stop(const struct place *p, struct cis_error *err)
{
	(void)p;
	(void)err;
	return 0;
}
