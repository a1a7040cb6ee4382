/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"

#define MAX_MESSAGE 4096
#define BARRIER_MSEC 30000 /* systemd may be busy, but not for ever */

static const char *address(void)
{
	const char *text = getenv("NOTIFY_SOCKET");

	return text && *text ? text : NULL;
}

bool notify_is_wanted(void)
{
	return address();
}

/* A path, or with @ a name that is no file. */
static int connect_host(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(address());
	int fd;

	if (len >= sizeof addr.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, address(), len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int notify_open(struct notify *n, struct call *c)
{
	struct cis_error err = {0};

	*n = (struct notify){.inside = -1, .host = -1};
	if (!notify_is_wanted())
		return 0;
	n->inside = cis_oci_notify_open(&c->rt, c->argv[0], &err);
	if (n->inside == -ENOENT && err.code == ENOENT)
		return 0;
	if (n->inside < 0)
		return oci_fail_err(&err);
	n->host = connect_host();
	return n->host < 0 ? oci_fail("NOTIFY_SOCKET=%s: %s", address(), errno_text(errno)) : 0;
}

/* Of its state, but not who the main process is, nor descriptors to keep: its are not ours. */
static bool is_allowed(const char *line)
{
	static const char *const words[] = {
		"READY=", "STATUS=", "RELOADING=", "MONOTONIC_USEC=", "STOPPING=", "ERRNO=",
		"BUSERROR=", "WATCHDOG=", "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=",
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* One datagram. Whether it says that the container is ready. */
static bool pass_message(struct notify *n, char *text)
{
	char out[MAX_MESSAGE + 1] = "", *save = NULL;
	bool ready = false;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!is_allowed(line))
			continue;
		ready |= strncmp(line, "READY=1", strlen("READY=1")) == 0;
		/* No longer than what came. */
		strcat(out, line);
		strcat(out, "\n");
	}
	/* A service manager that is gone cannot be told: the container runs all the same. */
	if (*out)
		send(n->host, out, strlen(out), MSG_NOSIGNAL);
	return ready;
}

bool notify_pass_on(struct notify *n)
{
	char text[MAX_MESSAGE];
	bool ready = false;
	ssize_t len;

	while ((len = recv(n->inside, text, sizeof text - 1, MSG_TRUNC)) >= 0) {
		/* Half a message is none. */
		if ((size_t)len >= sizeof text)
			continue;
		text[len] = '\0';
		ready |= pass_message(n, text);
	}
	return ready;
}

void notify_main_pid(struct notify *n, int pid)
{
	char text[32];
	int len = snprintf(text, sizeof text, "MAINPID=%d\n", pid);

	send(n->host, text, (size_t)len, MSG_NOSIGNAL);
}

/* Until systemd has read all of it: it asks who we are, and soon we are not any more. */
static void barrier(struct notify *n)
{
	char text[] = "BARRIER=1", room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
			   .msg_control = room, .msg_controllen = sizeof room};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct pollfd p;
	int ends[2];

	if (pipe(ends) < 0)
		return;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &ends[1], sizeof(int));
	p = (struct pollfd){.fd = ends[0]};
	if (sendmsg(n->host, &m, MSG_NOSIGNAL) >= 0) {
		close(ends[1]);
		poll(&p, 1, BARRIER_MSEC);
	} else {
		close(ends[1]);
	}
	close(ends[0]);
}

static int pid_of(struct call *c)
{
	struct json v;
	char *text = NULL;
	long long pid = 0;

	if (cis_oci_state_json(&c->rt, c->argv[0], &text, NULL) < 0)
		return 0;
	if (jtext_get((struct json){text, text + strlen(text)}, "pid", &v))
		jtext_number(v, &pid);
	free(text);
	return (int)pid;
}

void notify_wait(struct notify *n, struct call *c)
{
	struct pollfd fds[2] = {{.fd = n->inside, .events = POLLIN}, {.events = POLLIN}};
	int pid = n->inside < 0 ? 0 : pid_of(c);
	bool ready = false;

	if (pid <= 0)
		return;
	fds[1].fd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (!ready && fds[1].fd >= 0 && !fds[1].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		ready = notify_pass_on(n);
	}
	if (fds[1].fd >= 0)
		close(fds[1].fd);
	if (!ready)
		return;
	notify_main_pid(n, pid);
	barrier(n);
}

void notify_close(struct notify *n)
{
	if (n->inside >= 0)
		close(n->inside);
	if (n->host >= 0)
		close(n->host);
	*n = (struct notify){.inside = -1, .host = -1};
}
