/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forwarding.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/sys.h"
#include "egress.h"
#include "gate-messages.h"
#include "gate-send.h"
#include "rtnl.h"

const uint8_t *forwarding_target(bool six, unsigned int i)
{
	/* Root servers of DNS: no firewall has a rule of its own for https to them. */
	static const uint8_t four[FORWARDING_TARGETS][4] = {{198, 41, 0, 4}, {193, 0, 14, 129}};
	static const uint8_t others[FORWARDING_TARGETS][16] = {
		{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, [13] = 2, [15] = 0x30},
		{0x20, 0x01, 0x07, 0xfd, [15] = 1},
	};

	return six ? others[i] : four[i];
}

/* The kernel's own packet. It is forgotten with the socket. */
static int send_one(int gate, const struct egress_element *e, const uint8_t *to)
{
	const bool six = e->six;
	struct sockaddr_in from4 = {.sin_family = AF_INET, .sin_port = htons(e->protocol_low)};
	struct sockaddr_in6 from6 = {.sin6_family = AF_INET6,
				     .sin6_port = htons(e->protocol_low)};
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PROBE_TO)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(EGRESS_PROBE_TO)};
	const void *from = six ? (void *)&from6 : (void *)&from4;
	const void *target = six ? (void *)&to6 : (void *)&to4;
	const socklen_t len = six ? sizeof from6 : sizeof from4;
	cleanup_close int fd = rtnl_socket(gate, six ? AF_INET6 : AF_INET,
					   SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	memcpy(&from4.sin_addr, e->low, sizeof from4.sin_addr);
	memcpy(&from6.sin6_addr, e->low, sizeof from6.sin6_addr);
	memcpy(&to4.sin_addr, to, sizeof to4.sin_addr);
	if (six)
		memcpy(&to6.sin6_addr, to, sizeof to6.sin6_addr);
	if (bind(fd, from, len) < 0)
		return -errno;
	/* A firewall's reject comes back at once, and is an answer of a kind. */
	return connect(fd, target, len) < 0 && errno != EINPROGRESS && errno != ECONNREFUSED &&
			       errno != EHOSTUNREACH && errno != EACCES && errno != ENETUNREACH
		       ? -errno
		       : 0;
}

/* 1, or 0: no such packet was kept. */
static int was_kept(int nft, const struct egress_element *e)
{
	char text[EGRESS_ELEMENTS_SIZE(1)];
	int r = gate_talk(nft, text, elements_find(text, sizeof text, EGRESS_KEPT, e));

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/*
 * From a port that none of late was sent from, be it by the gate that had this number before:
 * sandboxes one after the other have the same. To delete what is kept takes 20 ms. Begins
 * anywhere, so that few are asked about.
 */
static int choose_port(int nft, struct egress_element *e)
{
	struct timespec now = {0};
	unsigned long port;
	int r = 1;

	clock_gettime(CLOCK_MONOTONIC, &now);
	port = (unsigned long)now.tv_nsec / 1024;
	for (unsigned int i = 0; i < UINT8_MAX && r > 0; i++) {
		e->protocol_low = (uint8_t)(1 + port++ % UINT8_MAX);
		r = was_kept(nft, e);
	}
	return r > 0 ? -EADDRNOTAVAIL : r;
}

static int try_once(int nft, int gate, const struct egress_addresses *a, bool six,
		    const uint8_t *to)
{
	/* Mostly it is there when connect() returns; a busy host takes its time. */
	static const long pauses_usec[] = {0, 200, 2000, 10000, 50000, 200000};
	struct egress_element e = {.six = six};
	int r;

	memcpy(e.low, six ? a->up6 : a->up4, six ? 16 : 4);
	r = choose_port(nft, &e);
	if (r >= 0)
		r = send_one(gate, &e, to);
	for (size_t i = 0; i < ARRAY_SIZE(pauses_usec) && r == 0; i++) {
		const struct timespec pause = {0, pauses_usec[i] * 1000};

		if (i)
			nanosleep(&pause, NULL);
		r = was_kept(nft, &e);
	}
	return r;
}

/* 1: it passes; 0: it does not; -errno. */
static int try_twice(int gate, const struct egress_addresses *a, bool six, const uint8_t *to)
{
	cleanup_close int nft = rtnl_socket(-1, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	int r = nft < 0 ? nft : try_once(nft, gate, a, six, to);

	if (r != 0)
		return r;
	/* Or the table there is an earlier make's, which keeps nothing: replaced in one go. */
	r = gate_send_child(EGRESS_HOST_ANEW, NULL);
	return r < 0 ? r : try_once(nft, gate, a, six, to);
}

int forwarding_judge(int gate, struct egress_addresses *a, const uint8_t *to4,
		     const uint8_t *to6, struct cis_error *err)
{
	int r = to4 ? try_twice(gate, a, false, to4) : 1, six = 1;

	if (r > 0 && a->six && to6)
		six = try_twice(gate, a, true, to6);
	if (r < 0 || six < 0)
		return cis_fail(err, r < 0 ? -r : -six,
				"network: find out whether the host's firewall lets pass");
	/* Half of it would hang: as good as IPv4, or off. */
	a->six = a->six && six;
	return r > 0 ? 0
		     : cis_fail_plain(err, EACCES,
				      "network: the host's firewall drops what gates send (it must "
				      "let pass what comes in by cisandbox+: cisandbox-egress(7), "
				      "THE HOST)");
}

/* The thread's: nobody else comes along. */
static int make_netns(void)
{
	cleanup_close int ours = SYS(openat, AT_FDCWD, "/proc/thread-self/ns/net",
				     O_RDONLY | O_CLOEXEC), fd = -1;
	int r = ours < 0 ? ours : SYS(unshare, CLONE_NEWNET);

	if (r < 0)
		return r;
	fd = SYS(openat, AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = SYS(setns, ours, CLONE_NEWNET);
	return fd < 0 ? fd : r < 0 ? r : steal_fd(&fd);
}

int forwarding_check(struct egress_addresses *ret, struct cis_error *err)
{
	cleanup_close int gate = -1;
	/* No sandbox has this number: the ids that it would have are the host's. */
	int r = egress_look(0, EGRESS_VETH, ret, err);

	if (r < 0)
		return r;
	gate = make_netns();
	if (gate < 0)
		return cis_fail(err, -gate, "network: make a namespace to try it with");
	r = egress_make_uplink(gate, ret, err);
	if (r >= 0)
		r = forwarding_judge(gate, ret, forwarding_target(false, 0),
				     forwarding_target(true, 0), err);
	egress_drop_uplink(ret, NULL);
	return r;
}
