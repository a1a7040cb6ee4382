/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libseccomp 2.5 writes programs to descriptors only. */
#include "seccomp-program.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"

int seccomp_program(scmp_filter_ctx ctx, struct sock_filter **ret, size_t *ret_n)
{
	cleanup_close int fd = memfd_create("cisandbox-filter", MFD_CLOEXEC);
	char *program;
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = io_read_fd(fd, 16 * BPF_MAXINSNS * sizeof **ret, &program, &len);
	if (r < 0)
		return r;
	*ret = (struct sock_filter *)(void *)program;
	*ret_n = len / sizeof **ret;
	return 0;
}
