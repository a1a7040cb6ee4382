/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seccomp-rules.h"

#include <errno.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "seccomp.h"

const struct seccomp_rule seccomp_rules[] = {
	{"kexec_load", EPERM, 0},
	{"kexec_file_load", EPERM, 0},
	{"init_module", EPERM, 0},
	{"finit_module", EPERM, 0},
	{"delete_module", EPERM, 0},
	{"create_module", ENOSYS, 0},
	{"query_module", ENOSYS, 0},
	{"get_kernel_syms", ENOSYS, 0},
	{"clock_settime", EPERM, 0},
	{"clock_settime64", EPERM, 0},
	{"settimeofday", EPERM, 0},
	{"stime", EPERM, 0},
	{"adjtimex", EPERM, 0},
	{"clock_adjtime", EPERM, 0},
	{"clock_adjtime64", EPERM, 0},
	{"swapon", EPERM, 0},
	{"swapoff", EPERM, 0},
	{"quotactl", EPERM, 0},
	{"quotactl_fd", EPERM, 0},
	{"acct", EPERM, 0},
	{"syslog", EPERM, 0},
	{"iopl", EPERM, 0},
	{"ioperm", EPERM, 0},
	{"open_by_handle_at", EPERM, 0},
	{"lookup_dcookie", ENOSYS, 0},
	{"nfsservctl", ENOSYS, 0},
	{"uselib", ENOSYS, 0},
	{"ustat", ENOSYS, 0},
	{"_sysctl", ENOSYS, 0},
	{"sysfs", ENOSYS, 0},
	{"vm86", ENOSYS, 0},
	{"vm86old", ENOSYS, 0},
	{"userfaultfd", EPERM, 0},
	{"vserver", ENOSYS, 0},
	/*
	 * Keyrings are half namespaced at best, and 200 keys a user would be
	 * the end of an inner engine with many containers. runc goes on without.
	 */
	{"keyctl", ENOSYS, 0},
	{"add_key", ENOSYS, 0},
	{"request_key", ENOSYS, 0},
	{"bpf", EPERM, CIS_ALLOW_BPF},
	{"perf_event_open", EPERM, CIS_ALLOW_PERF},
	/* Sidesteps every filter on the calls it carries out. */
	{"io_uring_setup", ENOSYS, CIS_ALLOW_IO_URING},
	{"io_uring_enter", ENOSYS, CIS_ALLOW_IO_URING},
	{"io_uring_register", ENOSYS, CIS_ALLOW_IO_URING},
	/* i386 sockets by a pointer that no filter can follow; libc has socket(2). */
	{"socketcall", ENOSYS, 0},
	{NULL, 0, 0},
};

const uint32_t seccomp_families[SECCOMP_FAMILIES] = {AF_UNSPEC, AF_UNIX,    AF_INET,
						     AF_INET6,  AF_NETLINK, AF_PACKET};
