/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may open which device. config.json has a list in which the last word counts; v1
 * has a default and exceptions, and so that is what the list is reduced to, for both
 * versions.
 */
#ifndef CIS_CGROUP_DEVICES_H
#define CIS_CGROUP_DEVICES_H

#include <linux/bpf.h>

#include "../container/config.h"
#include "place.h"

/* The kernel's bits. */
#define DEVICE_MKNOD BPF_DEVCG_ACC_MKNOD
#define DEVICE_READ BPF_DEVCG_ACC_READ
#define DEVICE_WRITE BPF_DEVCG_ACC_WRITE
#define DEVICE_ALL (DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE)

struct device_exception {
	char type;            /* 'b', 'c' */
	int64_t major, minor; /* -1: any */
	unsigned int access;
};

struct device_policy {
	bool allow; /* by default; the exceptions then deny */
	struct device_exception *v;
	size_t n, room;
};

/*
 * Rules are taken one after another, beginning with everything denied. Where that stays
 * the default, what every container has (null, zero, terminals, making of nodes) is
 * allowed at the end, as in runc. -EINVAL: a rule takes a part out of a wildcard before
 * it, which no list of exceptions can say.
 */
int device_policy_make(struct device_policy *d, const struct config_resources *r,
		       struct cis_error *err);
void device_policy_done(struct device_policy *d);

/* The policy as a program of BPF_PROG_TYPE_CGROUP_DEVICE; the caller frees *ret. */
int device_program(const struct device_policy *d, struct bpf_insn **ret, size_t *ret_n);

/* Puts the program on the group @dir, in the place of our former one if there is one. */
int device_program_attach(int dir, const struct device_policy *d, struct cis_error *err);

/* The part of place_apply(). */
int devices_apply(const struct place *p, const struct config_resources *r,
		  struct cis_error *err);

#endif
