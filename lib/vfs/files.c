/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include "../base/macros.h"

#define MEMORY (VFS_NEED_MEMORY | VFS_NEED_MEMINFO)
#define CPU_TIME (VFS_NEED_CPU | VFS_NEED_USAGE)

/* One number or more, the sandbox's own; what it starts with is the host's. */
#define INTS(path, n, lowest, highest)                                                 \
	{path, 0644, VFS_NEED_HOST, gen_copy, value_ints, lowest, highest, n}
#define INT(path, lowest, highest) INTS(path, 1, lowest, highest)
#define READONLY(path, needs, generate) {path, 0444, needs, generate, NULL, 0, 0, 0}
#define INT_HIGHEST 2147483647LL
#define INT_LOWEST (-INT_HIGHEST - 1)

const struct vfs_file vfs_files[] = {
	READONLY("proc/meminfo", MEMORY, gen_meminfo),
	READONLY("proc/swaps", MEMORY, gen_swaps),
	READONLY("proc/cpuinfo", VFS_NEED_CPU | VFS_NEED_HOST | VFS_LONG | VFS_STEADY, gen_cpuinfo),
	READONLY("proc/stat", CPU_TIME | VFS_NEED_LOAD | VFS_LONG, gen_stat),
	READONLY("proc/uptime", CPU_TIME, gen_uptime),
	READONLY("proc/loadavg", VFS_NEED_LOAD, gen_loadavg),
	READONLY("proc/diskstats", VFS_NEED_IO | VFS_NEED_HOST | VFS_LONG, gen_diskstats),
	READONLY("proc/vmstat", MEMORY | VFS_NEED_IO | VFS_NEED_HOST | VFS_LONG, gen_vmstat),
	{"proc/slabinfo", 0400, 0, gen_slabinfo, NULL, 0, 0, 0},
	READONLY("proc/pressure/cpu", VFS_NEED_PRESSURE_CPU, gen_copy),
	READONLY("proc/pressure/memory", VFS_NEED_PRESSURE_MEMORY, gen_copy),
	READONLY("proc/pressure/io", VFS_NEED_PRESSURE_IO, gen_copy),
	READONLY("proc/pressure/irq", VFS_NEED_PRESSURE_IRQ, gen_copy),
	READONLY("sys/devices/system/cpu/online", VFS_NEED_CPU, gen_cpu_list),
	READONLY("sys/devices/system/cpu/possible", VFS_NEED_CPU, gen_cpu_list),
	READONLY("sys/devices/system/cpu/present", VFS_NEED_CPU, gen_cpu_list),
	READONLY("sys/devices/system/cpu/offline", 0, gen_empty_line),
	READONLY("sys/devices/system/node/node0/cpulist", VFS_NEED_CPU, gen_cpu_list),
	READONLY("sys/devices/system/node/node0/cpumap", VFS_NEED_CPU, gen_cpu_mask),
	READONLY("sys/devices/system/node/node0/meminfo", MEMORY, gen_node_meminfo),
	READONLY("sys/devices/system/node/node0/vmstat", MEMORY | VFS_NEED_HOST | VFS_LONG,
		 gen_vmstat),
	READONLY("sys/devices/system/node/node0/numastat", MEMORY | VFS_NEED_HOST, gen_vmstat),
	READONLY("proc/zoneinfo", 0, gen_nothing),
	READONLY("proc/buddyinfo", 0, gen_nothing),
	READONLY("proc/interrupts", VFS_NEED_CPU | VFS_LONG, gen_cpu_head),
	READONLY("proc/softirqs", VFS_NEED_CPU | VFS_LONG, gen_cpu_head),
	{"sys/devices/virtual/dmi/id/product_uuid", 0400, 0, gen_product_uuid, NULL, 0, 0, 0},
	READONLY("proc/sys/kernel/random/boot_id", 0, gen_boot_id),

	/* kubelet sets these and will not start where it cannot. */
	INT("proc/sys/vm/overcommit_memory", 0, 2),
	INT("proc/sys/vm/panic_on_oom", 0, 2),
	INT("proc/sys/kernel/panic", INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/kernel/panic_on_oops", INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/kernel/keys/root_maxkeys", 1, INT_HIGHEST),
	INT("proc/sys/kernel/keys/root_maxbytes", 1, INT_HIGHEST),
	/* kube-proxy. */
	INT("proc/sys/net/netfilter/nf_conntrack_max", 0, INT_HIGHEST),
	INT("proc/sys/net/nf_conntrack_max", 0, INT_HIGHEST),
	/* Each network namespace has it, and each switches it on for the whole machine. */
	{"proc/sys/net/netfilter/nf_hooks_lwtunnel", 0644, VFS_NEED_HOST | VFS_OF_ALL, gen_copy,
	 value_ints, 0, 1, 1},
	{"sys/module/nf_conntrack/parameters/hashsize", 0600, VFS_NEED_HOST, gen_copy,
	 value_parameter, 1, INT_HIGHEST, 1},
	/* systemd-sysctl, and what installers of databases and the like turn up. */
	INT("proc/sys/vm/max_map_count", 0, INT_HIGHEST),
	INT("proc/sys/vm/swappiness", 0, 200),
	INT("proc/sys/vm/overcommit_ratio", INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/vm/dirty_ratio", 0, 100),
	INT("proc/sys/vm/dirty_background_ratio", 0, 100),
	INT("proc/sys/vm/vfs_cache_pressure", 0, INT_HIGHEST),
	INT("proc/sys/vm/min_free_kbytes", 0, INT_HIGHEST),
	INT("proc/sys/vm/mmap_min_addr", 0, INT64_MAX),
	INT("proc/sys/fs/file-max", 0, INT64_MAX),
	INT("proc/sys/fs/nr_open", 64, 2147483584LL),
	INT("proc/sys/fs/aio-max-nr", 0, INT64_MAX),
	INT("proc/sys/fs/inotify/max_user_watches", 0, INT_HIGHEST),
	INT("proc/sys/fs/inotify/max_user_instances", 0, INT_HIGHEST),
	INT("proc/sys/fs/inotify/max_queued_events", 0, INT_HIGHEST),
	INT("proc/sys/fs/protected_hardlinks", 0, 1),
	INT("proc/sys/fs/protected_symlinks", 0, 1),
	INT("proc/sys/fs/protected_regular", 0, 2),
	INT("proc/sys/fs/protected_fifos", 0, 2),
	INT("proc/sys/fs/suid_dumpable", 0, 2),
	INT("proc/sys/kernel/pid_max", 301, 4194304),
	INT("proc/sys/kernel/threads-max", 20, INT_HIGHEST),
	INT("proc/sys/kernel/kptr_restrict", 0, 2),
	INT("proc/sys/kernel/dmesg_restrict", 0, 1),
	INT("proc/sys/kernel/perf_event_paranoid", INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/kernel/randomize_va_space", INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/kernel/sysrq", INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/kernel/yama/ptrace_scope", 0, 3),
	INTS("proc/sys/kernel/printk", 4, INT_LOWEST, INT_HIGHEST),
	INT("proc/sys/kernel/core_uses_pid", INT_LOWEST, INT_HIGHEST),
	{"proc/sys/kernel/core_pattern", 0644, VFS_NEED_HOST, gen_copy, value_string, 0, 127, 0},
	/* Servers of QUIC and the like. */
	INT("proc/sys/net/core/rmem_max", 2304, INT_HIGHEST),
	INT("proc/sys/net/core/wmem_max", 4608, INT_HIGHEST),
	INT("proc/sys/net/core/rmem_default", 2304, INT_HIGHEST),
	INT("proc/sys/net/core/wmem_default", 4608, INT_HIGHEST),
	INT("proc/sys/net/core/netdev_max_backlog", INT_LOWEST, INT_HIGHEST),
};

const size_t vfs_n_files = ARRAY_SIZE(vfs_files);
_Static_assert(ARRAY_SIZE(vfs_files) <= VFS_FILES_MAX, "shared memory has room for so many");
_Static_assert(VFS_FILES_MAX == VFS_HOST_FILES_MAX, "one descriptor a file");
