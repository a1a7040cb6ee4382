/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries TCP connections that were redirected to it on to where they were meant to go,
 * after it has read the name that the client asks for and has been told that this name may
 * be reached at this address: TLS on 443, HTTP on 80 (there each request), nothing elsewhere.
 * One thread, one epoll descriptor that its owner waits for, any number of connections up
 * to a table's size; bytes that need not be read are spliced and never seen.
 *
 * What it may not do is written in how it is made: it decides nothing (decide), opens
 * nothing (connect), allocates nothing (its memory is given), reads no clock (now).
 *
 * Rejected: TPROXY, which wants CAP_NET_ADMIN of whoever listens; a thread a connection.
 *
 * System calls, for its filter: accept4, close, epoll_ctl, epoll_pwait, fcntl (F_SETPIPE_SZ),
 * getsockopt (SO_ERROR, TCP_INFO), pipe2, recvfrom, sendto, setsockopt (SO_LINGER, TCP_NODELAY),
 * shutdown, splice; before the filter epoll_create1; by the callbacks here
 * getsockname, getsockopt (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST), socket, connect.
 * SIGPIPE must be ignored by the owner: splice() knows no MSG_NOSIGNAL.
 */
#ifndef CIS_EGRESS_RELAY_H
#define CIS_EGRESS_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

/* What a client asks for. */
struct egress_ask {
	const char *name; /* canonical; NULL: none was said, or none is read on this port */
	int family;	  /* of the address it connected to */
	uint8_t address[16];
	uint16_t port;
	bool is_read; /* a name was looked for */
	bool has_ech; /* its hello may hide another name */
	const char
		*wrong; /* why none could be read, or NULL: a literal, part of a sentence */
	bool is_inbound; /* from there to here: of a listener with a place of its own */
	struct sockaddr_storage from; /* who connected, then */
};

struct egress_relay_ops {
	/* Where the client of @fd wanted to go. egress_relay_original() is the real one. */
	int (*original)(void *context, int fd, struct sockaddr_storage *ret);
	/*
	 * Whether that may be. @ret_why: a literal, for the record and for the person. Asked
	 * for each request of HTTP.
	 */
	bool (*decide)(void *context, const struct egress_ask *ask, const char **ret_why);
	/* A non-blocking socket that is connected or on its way: or -errno. */
	int (*connect)(void *context, const struct egress_ask *ask);
	/* Once a decision; of HTTP, where the name differs from the one before. */
	void (*opened)(void *context, uint64_t id, const struct egress_ask *ask, bool allowed,
		       const char *why);
	/* Of one that was allowed. @error: 0, or why it ended early: ETIMEDOUT, EDQUOT, ... */
	void (*ended)(void *context, uint64_t id, uint64_t bytes_up, uint64_t bytes_down,
		      int error);
	/* May be NULL. Asked before @n more bytes leave; false: none does, and it is over. */
	bool (*may_upload)(void *context, uint64_t id, uint64_t n);
};

struct egress_relay_config {
	const struct egress_relay_ops *ops;
	void *context;
	bool audit;	      /* what has no readable name is asked about, not refused */
	uint32_t connections; /* at most; further ones are reset */
	uint32_t waiting; /* of them, with a head that is not whole: the oldest is reset */
	uint32_t pipes;	  /* at most; two a connection that moves bytes */
	uint32_t large_pipes; /* of them, that may grow to 1 MiB: see relay-flow.c */
	uint32_t head_ms;     /* for a head */
	uint32_t connect_ms;  /* for an answer from where it goes */
	uint32_t linger_ms;   /* for a refused client to read why */
};

/* What is well tried. */
void egress_relay_defaults(struct egress_relay_config *c);

struct egress_relay;

/* Bytes of memory, aligned as pages are, and zeroed, for egress_relay_init(). */
size_t egress_relay_size(const struct egress_relay_config *c);

/* Makes the relay in @memory. NULL and *@ret_error without a descriptor. Copies @c. */
struct egress_relay *egress_relay_init(void *memory, const struct egress_relay_config *c,
				       int *ret_error);

/* Closes all connections (as errors) and descriptors; those that listen are the caller's. */
void egress_relay_done(struct egress_relay *r);

/* @fd (borrowed) listens and is non-blocking. 0 or -errno; -ENOSPC: EGRESS_LISTENERS_MAX. */
#define EGRESS_LISTENERS_MAX 20
int egress_relay_listen(struct egress_relay *r, int fd);
/* What is accepted there is carried to @to, whatever it says: nothing is read or decided. */
int egress_relay_listen_for(struct egress_relay *r, int fd,
			    const struct sockaddr_storage *to);

/* Readable when there is work. */
int egress_relay_fd(const struct egress_relay *r);

/*
 * Does what can be done now, without waiting. Returns in how many milliseconds it must be
 * called again even if the descriptor is silent: 0 at once, -1 never.
 */
int egress_relay_run(struct egress_relay *r, uint64_t now_ms);

/* How many there are now. */
uint32_t egress_relay_connections(const struct egress_relay *r);

/* The real callbacks: SO_ORIGINAL_DST of either family; a plain socket that connects. */
int egress_relay_original(void *context, int fd, struct sockaddr_storage *ret);
int egress_relay_connect(void *context, const struct egress_ask *ask);

#endif
