/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AppArmor profiles and SELinux labels of a container. NULL and "" ask for nothing. */
#ifndef CIS_ISOLATE_LSM_H
#define CIS_ISOLATE_LSM_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/error.h"

bool lsm_apparmor_enabled(void);
bool lsm_selinux_enabled(void);

/* -EOPNOTSUPP: asked for, and not on this host. "unconfined" needs no AppArmor. */
int lsm_apparmor_check(const char *profile, struct cis_error *err);
int lsm_selinux_check(const char *label, struct cis_error *err);

/*
 * Profile docker: engines' default profiles forbid mount and ptrace to all in a container, so
 * ours takes their place, where the kernel has it. One that somebody chose, or
 * "unconfined", is theirs to choose; without ours an engine's own stays, and nothing is
 * ever left away. Borrowed from the arguments.
 */
#define LSM_APPARMOR_OURS "cisandbox-container"
const char *lsm_apparmor_choose(const char *wanted, bool ours_is_loaded);
/* Whether it is among "NAME (MODE)" lines, the kernel's list of what is loaded. */
bool lsm_apparmor_lists(const char *profiles, const char *name);
bool lsm_apparmor_is_loaded(const char *name);

/*
 * What a mount is to be labelled for: binds, and what has no labels of its own, are not. NULL
 * without SELinux too, since the kernel would not know the option.
 */
const char *lsm_mount_label(const char *label, const char *type, bool selinux_is_enabled);

/* What the next execve changes to. Raw calls; @procfd: procfd_open(). */
int lsm_apparmor_exec_child(int procfd, const char *profile);
int lsm_selinux_exec_child(int procfd, const char *label);

/* The label of keyrings made from here on. A kernel without it is no error. */
int lsm_selinux_keycreate_child(int procfd, const char *label);

/*
 * The option context="LABEL" for the data of mount(2), where the quotes keep the commas
 * of a label together; fsconfig() takes the label as it is. "" for no label. -EINVAL,
 * -ENAMETOOLONG.
 */
int lsm_mount_label_option(const char *label, char *buf, size_t n);

#endif
