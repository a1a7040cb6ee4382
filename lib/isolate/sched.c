/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sched.h"

#include <linux/ioprio.h>
#include <string.h>

#include "../base/num.h"
#include "../base/sys.h"
#include "../container/config.h"
#include "procfd.h"

#define LONG_BITS (8 * sizeof(long))
#define MAX_CPUS 8192  /* the kernel's own bound on x86; cpu_set_t ends at 1024 */
#define MAX_NODES 1024 /* the same of CONFIG_NODES_SHIFT */

/* struct sched_attr, which libc defines since 2.41 and <linux/sched/types.h> before. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

int sched_policy_child(const struct config_scheduler *s)
{
	struct attr a = {
		.size = sizeof a,
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};

	return s->given ? SYS(sched_setattr, 0, &a, 0) : 0;
}

int sched_ioprio_child(int ioprio)
{
	return SYS(ioprio_set, IOPRIO_WHO_PROCESS, 0, ioprio);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static int take_number(const char **p, size_t limit, size_t *ret)
{
	size_t v = 0;

	if (**p < '0' || **p > '9')
		return -EINVAL;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		v = v * 10 + (size_t)(**p - '0');
		if (v >= limit)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/* "7" or "0-3", and what follows up to the comma. */
static int take_range(const char **p, size_t limit, size_t *first, size_t *last)
{
	int r = take_number(p, limit, first);

	*last = *first;
	if (r >= 0 && **p == '-') {
		(*p)++;
		r = take_number(p, limit, last);
	}
	while (is_blank(**p))
		(*p)++;
	if (r >= 0 && ((**p && **p != ',') || *first > *last))
		r = -EINVAL;
	return r;
}

int sched_parse_list(const char *text, unsigned long *mask, size_t bits)
{
	size_t first = 0, last = 0;
	bool any = false;

	memset(mask, 0, bits / 8);
	for (const char *p = text; *p;) {
		int r;

		if (*p == ',' || is_blank(*p)) {
			p++;
			continue;
		}
		r = take_range(&p, bits, &first, &last);
		if (r < 0)
			return r;
		for (size_t i = first; i <= last; i++)
			mask[i / LONG_BITS] |= 1UL << i % LONG_BITS;
		any = true;
	}
	return any ? 0 : -EINVAL;
}

int sched_affinity_child(const char *cpus)
{
	unsigned long mask[MAX_CPUS / LONG_BITS];
	int r = sched_parse_list(cpus, mask, MAX_CPUS);

	return r < 0 ? r : SYS(sched_setaffinity, 0, sizeof mask, mask);
}

void sched_affinity_reset_child(void)
{
	unsigned long mask[MAX_CPUS / LONG_BITS];

	memset(mask, 0xff, sizeof mask);
	SYS(sched_setaffinity, 0, sizeof mask, mask);
}

int sched_mempolicy_child(int mode, const char *nodes)
{
	unsigned long mask[MAX_NODES / LONG_BITS];
	int r;

	if (!nodes || !*nodes)
		return SYS(set_mempolicy, mode, NULL, 0);
	r = sched_parse_list(nodes, mask, MAX_NODES);
	/* The kernel takes one off what it is told. */
	return r < 0 ? r : SYS(set_mempolicy, mode, mask, MAX_NODES + 1);
}

int sched_personality_child(unsigned long persona)
{
	int r = SYS(personality, persona);

	return r < 0 ? r : 0;
}

int sched_oom_score_child(int procfd, int score)
{
	char path[64], text[16] = "";
	int r = procfd_self_child(procfd, "oom_score_adj", path, sizeof path);

	if (r < 0)
		return r;
	if (score < 0)
		strcat(text, "-");
	num_append(text, sizeof text,
		   (unsigned long long)(score < 0 ? -(long long)score : score));
	return procfd_write_child(procfd, path, text);
}
