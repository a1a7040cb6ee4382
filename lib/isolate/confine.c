/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "confine.h"

#include <sys/prctl.h>

#include "../base/macros.h"
#include "../base/sys.h"

static int limit(int resource, rlim_t value)
{
	const struct rlimit l = {value, value};

	return SYS(prlimit64, 0, resource, &l, NULL);
}

static int set_limits(const struct confinement *c)
{
	static const int none[] = {RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE,
				   RLIMIT_SIGPENDING};
	struct rlimit files = {c->files, c->files};
	int r = 0;

	if (c->files == CONFINE_FILES_ALL)
		r = SYS(prlimit64, 0, RLIMIT_NOFILE, NULL, &files);
	if (r >= 0)
		r = limit(RLIMIT_NOFILE, files.rlim_max);

	if (r >= 0)
		r = limit(RLIMIT_FSIZE, c->file_size);
	for (size_t i = 0; i < ARRAY_SIZE(none) && r >= 0; i++)
		r = limit(none[i], 0);
	return r;
}

int confine_caps_child(uint64_t caps)
{
	struct __user_cap_data_struct data[2] = {0};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		data[i].effective = data[i].permitted = (uint32_t)(caps >> 32 * i);
	r = sys_capset(data);
	if (r >= 0)
		r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* All of the supervisor's memory is in us. */
	return r < 0 ? r : SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int drop_privilege(const struct confinement *c)
{
	int death = 0, r = SYS(prctl, PR_GET_PDEATHSIG, &death, 0, 0, 0);

	if (r >= 0)
		r = SYS(prctl, PR_SET_KEEPCAPS, c->caps != 0, 0, 0, 0);
	if (r >= 0)
		r = sys_setgroups(0, NULL);
	if (r >= 0)
		r = sys_setresgid(c->id, c->id, c->id);
	if (r >= 0)
		r = sys_setresuid(c->id, c->id, c->id);
	if (r >= 0)
		r = confine_caps_child(c->caps);
	/* Again: a change of ids clears it. */
	return r < 0 ? r : SYS(prctl, PR_SET_PDEATHSIG, death, 0, 0, 0);
}

int confine_child(const struct confinement *c)
{
	unsigned short n;
	const struct sock_filter *filter = seccomp_helper_filter(c->filter, &n);
	int r = set_limits(c);

	if (r >= 0)
		r = drop_privilege(c);
	return r < 0 ? r : seccomp_install_child(filter, n);
}
