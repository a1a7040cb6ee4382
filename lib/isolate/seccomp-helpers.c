/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filters of our own helpers: lists of permissions, for we know what they call. Anything
 * else kills them. Part of the build, as seccomp-compile.c is.
 */
#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "seccomp-program.h"

/* If @r says that all is well so far. */
static int allow_calls(scmp_filter_ctx ctx, const int *calls, size_t n, int r)
{
	for (size_t i = 0; i < n && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

/*
 * What lib/vfs/server.c calls, on descriptors it was born with. Memory without PROT_EXEC
 * only: the third argument is compared under a mask.
 */
static int add_vfs_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {SCMP_SYS(read),	   SCMP_SYS(pread64),
				    SCMP_SYS(writev),	   SCMP_SYS(munmap),
				    SCMP_SYS(ppoll),	   SCMP_SYS(sched_yield),
				    SCMP_SYS(clock_gettime), SCMP_SYS(exit_group),
				    SCMP_SYS(exit),	   SCMP_SYS(restart_syscall)};
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), r);
}

/*
 * What lib/egress/keeper.c and forward.c call: they talk by sockets they were born with.
 */
static int add_keeper_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {SCMP_SYS(ppoll),	     SCMP_SYS(recvfrom),
				    SCMP_SYS(sendto),	     SCMP_SYS(write),
				    SCMP_SYS(connect),	     SCMP_SYS(epoll_ctl),
				    SCMP_SYS(epoll_pwait),
				    SCMP_SYS(fstat),	     SCMP_SYS(newfstatat),
				    SCMP_SYS(clock_gettime), SCMP_SYS(exit_group),
				    SCMP_SYS(exit),	     SCMP_SYS(restart_syscall)};

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), 0);
}

/* lib/notify/serve.c, serve-caller.c: a look at who calls, and an answer into its memory. */
static int add_notify_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(clock_gettime), SCMP_SYS(close),	SCMP_SYS(exit_group),
		SCMP_SYS(fstat),	 SCMP_SYS(getdents64),	SCMP_SYS(ioctl),
		SCMP_SYS(newfstatat),	 SCMP_SYS(openat),	SCMP_SYS(ppoll),
		SCMP_SYS(pread64),	 SCMP_SYS(process_vm_writev), SCMP_SYS(read),
		SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(sendto),
		SCMP_SYS(sysinfo)};

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), 0);
}

/* lib/notify/serve-path.c, serve-image.c: below the caller's root, by descriptors. */
static int add_paths_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(close),      SCMP_SYS(exit_group), SCMP_SYS(fstat),
		SCMP_SYS(ioctl),      SCMP_SYS(mknodat),    SCMP_SYS(newfstatat),
		SCMP_SYS(openat),     SCMP_SYS(openat2),    SCMP_SYS(pread64),
		SCMP_SYS(read),	      SCMP_SYS(readlinkat), SCMP_SYS(recvfrom),
		SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(sendmsg),
		SCMP_SYS(statx),      SCMP_SYS(umask)};

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), 0);
}

/* lib/notify/mounter.c, image.c: mounts, in a child that goes where they belong. */
static int add_mounter_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(clone3),     SCMP_SYS(close),	    SCMP_SYS(exit_group),
		SCMP_SYS(fsconfig),   SCMP_SYS(fsmount),    SCMP_SYS(fsopen),
		SCMP_SYS(fstat),      SCMP_SYS(ftruncate),  SCMP_SYS(ioctl),
		SCMP_SYS(mount_setattr), SCMP_SYS(move_mount), SCMP_SYS(newfstatat),
		SCMP_SYS(open_tree),  SCMP_SYS(openat),	    SCMP_SYS(pread64),
		SCMP_SYS(recvmsg),    SCMP_SYS(sendfile),   SCMP_SYS(sendto),
		SCMP_SYS(setns),      SCMP_SYS(unshare),    SCMP_SYS(wait4)};

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), 0);
}

/* lib/egress/relay.c, record.c, and loops around them. */
static int add_relay_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(accept4),     SCMP_SYS(clock_gettime), SCMP_SYS(close),
		SCMP_SYS(connect),     SCMP_SYS(epoll_ctl),	SCMP_SYS(epoll_pwait),
		SCMP_SYS(exit),	       SCMP_SYS(exit_group),	SCMP_SYS(fstat),
		SCMP_SYS(getsockname), SCMP_SYS(getsockopt),	SCMP_SYS(newfstatat),
		SCMP_SYS(pipe2),       SCMP_SYS(recvfrom),	SCMP_SYS(restart_syscall),
		SCMP_SYS(sendmsg),     SCMP_SYS(sendto),	SCMP_SYS(setsockopt),
		SCMP_SYS(shutdown),    SCMP_SYS(splice),	SCMP_SYS(write)};
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				 SCMP_A1(SCMP_CMP_EQ, F_SETPIPE_SZ));

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), r);
}

/* Of IP, which its network namespace lets out where the gate's rules do. */
static int add_sockets(scmp_filter_ctx ctx, int type)
{
	static const int inet[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(inet) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)inet[i]),
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)type));
	return r;
}

/* lib/egress/names.c */
static int add_names_rules(scmp_filter_ctx ctx)
{
	int r = add_relay_rules(ctx);

	if (r >= 0)
		r = add_sockets(ctx, SOCK_STREAM);
	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(getrandom), 0);
}

/* lib/egress/inbound.c */
static int add_inbound_rules(scmp_filter_ctx ctx)
{
	int r = add_relay_rules(ctx);

	if (r >= 0)
		r = add_sockets(ctx, SOCK_STREAM);
	if (r >= 0)
		r = add_sockets(ctx, SOCK_DGRAM);
	return r < 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(recvmsg), 0);
}

/* lib/guard/copier-child.c: files below the two descriptors it was born with. */
static int add_artifact_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(close),      SCMP_SYS(exit),	   SCMP_SYS(exit_group),
		SCMP_SYS(fchmod),     SCMP_SYS(fchown),	   SCMP_SYS(fchownat),
		SCMP_SYS(fstat),      SCMP_SYS(ftruncate), SCMP_SYS(getdents64),
		SCMP_SYS(lseek),      SCMP_SYS(mkdirat),   SCMP_SYS(newfstatat),
		SCMP_SYS(openat),     SCMP_SYS(openat2),   SCMP_SYS(ppoll),
		SCMP_SYS(pread64),    SCMP_SYS(pwrite64),  SCMP_SYS(readlinkat),
		SCMP_SYS(restart_syscall), SCMP_SYS(symlinkat), SCMP_SYS(syncfs),
		SCMP_SYS(utimensat)};

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), 0);
}

/* mmap and mprotect without PROT_EXEC. */
static int allow_data_memory(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (r < 0)
		return r;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/*
 * unpack/: files below the directory that it is rooted in, and memory that holds no code.
 * Nothing that makes a process, a socket, a mount or a namespace. sysinfo is qsort()'s.
 */
static int add_unpack_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(brk),		SCMP_SYS(clock_gettime), SCMP_SYS(close),
		SCMP_SYS(exit),		SCMP_SYS(exit_group),	 SCMP_SYS(fchmod),
		SCMP_SYS(fchmodat),	SCMP_SYS(fchownat),	 SCMP_SYS(fgetxattr),
		SCMP_SYS(flistxattr),	 SCMP_SYS(fsetxattr),
		SCMP_SYS(fstat),	SCMP_SYS(fstatfs),	 SCMP_SYS(ftruncate),
		SCMP_SYS(futex),	SCMP_SYS(getdents64),	 SCMP_SYS(getrandom),
		SCMP_SYS(linkat),	SCMP_SYS(lseek),	 SCMP_SYS(madvise),
		SCMP_SYS(mkdirat),	SCMP_SYS(mknodat),	 SCMP_SYS(mremap),
		SCMP_SYS(munmap),	SCMP_SYS(newfstatat),	 SCMP_SYS(openat),
		SCMP_SYS(pread64),	SCMP_SYS(pwrite64),	 SCMP_SYS(read),
		SCMP_SYS(readlink),	SCMP_SYS(readlinkat),	 SCMP_SYS(renameat),
		SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(symlinkat),	SCMP_SYS(sysinfo),	 SCMP_SYS(unlinkat),
		SCMP_SYS(utimensat),	SCMP_SYS(write)};
	/* Not F_SETOWN and F_SETSIG: any signal to any process of one's id. */
	static const int commands[] = {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL};
	static const uint32_t ioctls[] = {FS_IOC_ENABLE_VERITY, FS_IOC_MEASURE_VERITY};
	int r = allow_data_memory(ctx);

	for (size_t i = 0; i < ARRAY_SIZE(commands) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	for (size_t i = 0; i < ARRAY_SIZE(ioctls) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, ioctls[i]));
	for (size_t i = 0; i < ARRAY_SIZE(calls) && r >= 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (r == -EDOM) /* readlink, where there is only readlinkat */
			r = 0;
	}
	return r;
}

/* Its parts that only pass on: what they hold, and memory. They open nothing. */
static int add_pass_rules(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(brk),	      SCMP_SYS(clock_gettime), SCMP_SYS(exit),
		SCMP_SYS(exit_group), SCMP_SYS(futex),	       SCMP_SYS(getrandom),
		SCMP_SYS(madvise),    SCMP_SYS(mremap),	       SCMP_SYS(munmap),
		SCMP_SYS(read),	      SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(write)};

	return allow_calls(ctx, calls, ARRAY_SIZE(calls), allow_data_memory(ctx));
}

int seccomp_compile_helper(enum seccomp_helper helper, struct sock_filter **ret,
			   unsigned short *ret_n, struct cis_error *err)
{
	static int (*const add[])(scmp_filter_ctx ctx) = {
		[SECCOMP_VFS] = add_vfs_rules,
		[SECCOMP_KEEPER] = add_keeper_rules,
		[SECCOMP_NAMES] = add_names_rules,
		[SECCOMP_INBOUND] = add_inbound_rules,
		[SECCOMP_ARTIFACT] = add_artifact_rules,
		[SECCOMP_UNPACK] = add_unpack_rules,
		[SECCOMP_PASS] = add_pass_rules,
		[SECCOMP_NOTIFY] = add_notify_rules,
		[SECCOMP_PATHS] = add_paths_rules,
		[SECCOMP_MOUNTER] = add_mounter_rules,
	};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	size_t n = 0;
	int r = ctx ? add[helper](ctx) : -ENOMEM;

	if (r >= 0)
		r = seccomp_program(ctx, ret, &n);
	seccomp_release(ctx);
	if (r < 0)
		return cis_fail(err, -r, "seccomp: compile the helper's filter");
	*ret_n = (unsigned short)n;
	return 0;
}
