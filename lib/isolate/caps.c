/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names are a table of ours, not libcap's cap_to_name(): that one allocates, prints
 * lower case, and cap_from_name() takes numbers and any case, which runc does not.
 *
 * Inheritable is what was given, never what is permitted (CVE-2022-27650): filled, it
 * gives capabilities to programs with inheritable bits on their files.
 */
#include "caps.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "../base/macros.h"
#include "../base/sys.h"

#define BIT(cap) (UINT64_C(1) << (cap))
#define MAX_CAPS 64

#define NAME(cap) [cap] = #cap
static const char *const names[] = {
	NAME(CAP_CHOWN),
	NAME(CAP_DAC_OVERRIDE),
	NAME(CAP_DAC_READ_SEARCH),
	NAME(CAP_FOWNER),
	NAME(CAP_FSETID),
	NAME(CAP_KILL),
	NAME(CAP_SETGID),
	NAME(CAP_SETUID),
	NAME(CAP_SETPCAP),
	NAME(CAP_LINUX_IMMUTABLE),
	NAME(CAP_NET_BIND_SERVICE),
	NAME(CAP_NET_BROADCAST),
	NAME(CAP_NET_ADMIN),
	NAME(CAP_NET_RAW),
	NAME(CAP_IPC_LOCK),
	NAME(CAP_IPC_OWNER),
	NAME(CAP_SYS_MODULE),
	NAME(CAP_SYS_RAWIO),
	NAME(CAP_SYS_CHROOT),
	NAME(CAP_SYS_PTRACE),
	NAME(CAP_SYS_PACCT),
	NAME(CAP_SYS_ADMIN),
	NAME(CAP_SYS_BOOT),
	NAME(CAP_SYS_NICE),
	NAME(CAP_SYS_RESOURCE),
	NAME(CAP_SYS_TIME),
	NAME(CAP_SYS_TTY_CONFIG),
	NAME(CAP_MKNOD),
	NAME(CAP_LEASE),
	NAME(CAP_AUDIT_WRITE),
	NAME(CAP_AUDIT_CONTROL),
	NAME(CAP_SETFCAP),
	NAME(CAP_MAC_OVERRIDE),
	NAME(CAP_MAC_ADMIN),
	NAME(CAP_SYSLOG),
	NAME(CAP_WAKE_ALARM),
	NAME(CAP_BLOCK_SUSPEND),
	NAME(CAP_AUDIT_READ),
	NAME(CAP_PERFMON),
	NAME(CAP_BPF),
	NAME(CAP_CHECKPOINT_RESTORE),
};

uint64_t caps_all(void)
{
	uint64_t all = 0;

	/* EINVAL beyond the last one, whatever /proc looks like here. */
	for (int cap = 0;
	     cap < MAX_CAPS && SYS(prctl, PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		all |= BIT(cap);
	return all;
}

const char *caps_name(int cap)
{
	return cap >= 0 && (size_t)cap < ARRAY_SIZE(names) ? names[cap] : NULL;
}

int caps_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (int)i;
	return -EINVAL;
}

int caps_limit_bounding_child(uint64_t keep)
{
	for (int cap = 0; cap < MAX_CAPS; cap++) {
		int r = keep & BIT(cap) ? 0 : SYS(prctl, PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r == -EINVAL)
			break; /* the kernel has no more */
		if (r > 0)
			r = SYS(prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_ambient(uint64_t wanted)
{
	int r = SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

	for (int cap = 0; cap < MAX_CAPS && r >= 0; cap++)
		if (wanted & BIT(cap))
			r = SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
	return r;
}

int caps_apply_child(const uint64_t sets[CAP_SETS])
{
	struct __user_cap_data_struct data[2];
	uint64_t raisable = 0;
	int r;

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(sets[CAPS_EFFECTIVE] >> 32 * i);
		data[i].permitted = (uint32_t)(sets[CAPS_PERMITTED] >> 32 * i);
		data[i].inheritable = (uint32_t)(sets[CAPS_INHERITABLE] >> 32 * i);
	}
	r = sys_capset(data);
	/* Read back: the kernel leaves out what it does not know. */
	if (r >= 0)
		r = sys_capget(data);
	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++)
		raisable |= (uint64_t)(data[i].permitted & data[i].inheritable) << 32 * i;
	r = set_ambient(sets[CAPS_AMBIENT] & raisable);
	return r < 0 ? r : SYS(prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
}
