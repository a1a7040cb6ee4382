/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filter as other runtimes read it: linux.seccomp of config.json. */
#ifndef CIS_ISOLATE_SECCOMP_EXPORT_H
#define CIS_ISOLATE_SECCOMP_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

struct json;

/*
 * @flags: CIS_ALLOW_*. Without @engines no namespaces and mounts either: then root inside may
 * be the host's, and whoever may make a user namespace is one more.
 */
struct json *seccomp_export(uint64_t flags, bool engines);

#endif
