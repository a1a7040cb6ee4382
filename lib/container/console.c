/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"
#include "../base/sys.h"

static int connect_to(const char *path, struct cis_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_close int dir = -1;
	int n;

	if (fd < 0)
		return cis_fail(err, errno, "connect to %s", path);
	n = snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	if ((size_t)n >= sizeof addr.sun_path) {
		/* Too long for an address: by a descriptor of where it is. */
		cleanup_free char *one = strdup(path), *two = strdup(path);

		if (!one || !two)
			return cis_fail(err, ENOMEM, "connect to %s", path);
		dir = open(dirname(one), O_PATH | O_DIRECTORY | O_CLOEXEC);
		n = snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/%s", dir,
			     basename(two));
		if (dir < 0 || (size_t)n >= sizeof addr.sun_path)
			return cis_fail(err, dir < 0 ? errno : ENAMETOOLONG, "connect to %s",
					path);
	}
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return cis_fail(err, errno, "connect to %s", path);
	return steal_fd(&fd);
}

/* One message with exactly one descriptor: what go-runc and conmon expect. */
static int send_fd(int conn, int fd, const char *text, size_t len, struct cis_error *err)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = len};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(conn, &hdr, MSG_NOSIGNAL) < 0 ? cis_fail(err, errno, "send a descriptor")
						     : 0;
}

int console_check(bool terminal, const char *socket, const int *ret, struct cis_error *err)
{
	if (terminal && !socket && !ret)
		return cis_fail_plain(err, EINVAL,
				      "cannot allocate tty if the runtime will detach without "
				      "setting console socket");
	if (!terminal && socket)
		return cis_fail_plain(err, EINVAL,
				      "cannot use console socket if the runtime will not detach "
				      "or allocate tty");
	return 0;
}

int console_give(int master, const char *path, int *ret, struct cis_error *err)
{
	static const char name[] = "/dev/ptmx";
	cleanup_close int conn = -1;

	if (!path) {
		*ret = fcntl(master, F_DUPFD_CLOEXEC, 3);
		return *ret < 0 ? cis_fail(err, errno, "console") : 0;
	}
	conn = connect_to(path, err);
	if (conn < 0)
		return cis_wrap(err, conn, "console socket");
	return send_fd(conn, master, name, sizeof name - 1, err);
}

int pidfd_give(pid_t pid, const char *path, struct cis_error *err)
{
	static const char name[] = "pidfd";
	cleanup_close int pidfd = sys_pidfd_open(pid), conn = -1;

	if (pidfd < 0)
		return cis_fail(err, -pidfd, "pidfd");
	conn = connect_to(path, err);
	if (conn < 0)
		return cis_wrap(err, conn, "pidfd socket");
	return send_fd(conn, pidfd, name, sizeof name - 1, err);
}

int listener_give(int listener, const struct config_seccomp *s, const struct container *ct,
		  struct cis_error *err)
{
	struct json *o = json_object_new(), *fds = json_array_new();
	cleanup_close int conn = connect_to(s->listener_path, err);
	cleanup_free char *text = NULL;
	int r = conn;

	json_set_string(o, "ociVersion", "1.3.0");
	json_push(fds, json_string_new("seccompFd"));
	json_set(o, "fds", fds);
	json_set_int(o, "pid", ct->init);
	json_set_string(o, "metadata", s->listener_metadata ? s->listener_metadata : "");
	json_set(o, "state", container_state(ct, STATUS_CREATING));
	if (r >= 0) {
		r = json_write(o, 0, &text);
		r = r < 0 ? cis_fail(err, -r, "seccomp listener")
			  : send_fd(conn, listener, text, strlen(text), err);
	}
	json_free(o);
	if (conn < 0)
		return cis_wrap(err, conn, "failed to connect with seccomp agent of "
					   "linux.seccomp.listenerPath");
	return r < 0 ? cis_wrap(err, r, "linux.seccomp.listenerPath") : 0;
}

int pid_file_write(const char *path, pid_t pid, struct cis_error *err)
{
	cleanup_free char *copy = strdup(path), *tmp = NULL;
	cleanup_close int fd = -1;
	char text[32], *slash;
	int r;

	if (!copy)
		return cis_fail(err, ENOMEM, "pid file");
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	r = str_format(&tmp, "%s/.%s", !slash ? "." : slash == copy ? "/" : copy,
		       slash ? slash + 1 : copy);
	if (r < 0)
		return cis_fail(err, ENOMEM, "pid file");
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return cis_fail(err, errno, "pid file %s", path);
	snprintf(text, sizeof text, "%d", pid);
	r = io_write_all(fd, text, strlen(text));
	if (r >= 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r < 0 ? cis_fail(err, -r, "pid file %s", path) : 0;
}
