/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between two processes of one program and one user: nothing here is hostile. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pool.h"

#define N_FDS 4
#define WORDS_MAX (16u << 20) /* execve() took them */

/* With the descriptors; then so many bytes of words, each with its NUL. */
struct head {
	uint32_t argc, envc, bytes, umask;
};

union fds_control {
	char buf[CMSG_SPACE(N_FDS * sizeof(int))];
	struct cmsghdr align;
};

static int send_all(int fd, const void *buf, size_t n)
{
	const char *at = buf;

	while (n) {
		ssize_t k = send(fd, at, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

static int recv_all(int fd, void *buf, size_t n)
{
	char *at = buf;

	while (n) {
		ssize_t k = recv(fd, at, n, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -ECONNRESET;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

static size_t add_size(char *const words[], uint32_t *ret_n)
{
	size_t bytes = 0;

	for (*ret_n = 0; words[*ret_n]; ++*ret_n)
		bytes += strlen(words[*ret_n]) + 1;
	return bytes;
}

static int send_head(int fd, const struct head *h, const int fds[N_FDS])
{
	union fds_control control = {{0}};
	struct iovec iov = {.iov_base = (void *)h, .iov_len = sizeof *h};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(N_FDS * sizeof(int));
	memcpy(CMSG_DATA(c), fds, N_FDS * sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == sizeof *h ? 0 : -EPIPE;
}

static int send_words(int fd, char *const words[])
{
	int r = 0;

	for (size_t i = 0; words[i] && r == 0; i++)
		r = send_all(fd, words[i], strlen(words[i]) + 1);
	return r;
}

int pool_send_job(int fd, int argc, char **argv)
{
	int fds[N_FDS] = {0, 1, 2, open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	mode_t mask = umask(0);
	struct head h = {.umask = mask};
	size_t bytes;
	int r;

	umask(mask);
	bytes = add_size(argv, &h.argc) + add_size(environ, &h.envc);
	h.bytes = (uint32_t)bytes;
	if (fds[3] < 0)
		return -errno;
	r = bytes > WORDS_MAX || h.argc != (uint32_t)argc ? -E2BIG : send_head(fd, &h, fds);
	close(fds[3]);
	if (r == 0)
		r = send_words(fd, argv);
	return r == 0 ? send_words(fd, environ) : r;
}

static int recv_head(int fd, struct head *ret, int fds[N_FDS])
{
	union fds_control control;
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof *ret};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	c = CMSG_FIRSTHDR(&msg);
	if (n != sizeof *ret || !c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(N_FDS * sizeof(int)))
		return -EBADMSG;
	memcpy(fds, CMSG_DATA(c), N_FDS * sizeof(int));
	return 0;
}

/* As execve() lays them out: @n pointers, then NULL. The word after the last one. */
static char *point(char **to, uint32_t n, char *word)
{
	while (n--) {
		*to++ = word;
		word += strlen(word) + 1;
	}
	*to = NULL;
	return word;
}

int pool_recv_job(int fd, struct pool_job *ret)
{
	struct head h;
	int r = recv_head(fd, &h, ret->fds);

	if (r < 0)
		return r;
	if (h.bytes > WORDS_MAX)
		return -E2BIG;
	/* For as long as we live: setters copy, the environment does not. */
	ret->words = malloc((size_t)h.bytes + 1);
	ret->argv = calloc(h.argc + 1, sizeof(char *));
	ret->envp = calloc(h.envc + 1, sizeof(char *));
	if (!ret->words || !ret->argv || !ret->envp)
		return -ENOMEM;
	r = recv_all(fd, ret->words, h.bytes);
	if (r < 0)
		return r;
	ret->argc = (int)h.argc;
	ret->umask = h.umask;
	point(ret->envp, h.envc, point(ret->argv, h.argc, ret->words));
	return 0;
}

int pool_send_status(int fd, int status)
{
	const int32_t value = status;

	return send_all(fd, &value, sizeof value);
}

int pool_recv_status(int fd, int *ret)
{
	int32_t value;
	ssize_t n = recv(fd, &value, sizeof value, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n != sizeof value)
		return -ECONNRESET;
	*ret = value;
	return 1;
}
