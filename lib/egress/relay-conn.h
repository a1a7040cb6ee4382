/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the relay share: relay.c has the tables, time and events, relay-head.c
 * what is read and decided, relay-flow.c moves bytes.
 */
#ifndef CIS_EGRESS_RELAY_CONN_H
#define CIS_EGRESS_RELAY_CONN_H

#include "hello.h"
#include "http.h"
#include "relay.h"

#define HEAD_SIZE HELLO_MAX
#define REPLY_SIZE 64
#define NONE UINT32_MAX

enum phase {
	UNUSED,
	HEAD,	    /* nothing was decided yet */
	CONNECTING, /* allowed; waits for where it goes */
	FLOW,
	LINGER, /* was told that it is refused; what it still says is not heard */
};

enum kind { PLAIN, TLS, HTTP };

enum { CLIENT, SERVER };
enum { UP, DOWN };

/* Connections that wait for the same thing: the oldest first, with one patience for all. */
enum queue { NO_QUEUE, WAIT_HEAD, WAIT_CONNECT, WAIT_LINGER, WAIT_PIPE, N_QUEUES };

struct queue_ends {
	uint32_t first, last, n, ms;
};

struct side {
	int fd; /* owned, or -1 */
	/* What the last try has said, and events since: they come once (EPOLLET). */
	bool readable, writable;
	bool has_ended; /* will send nothing more */
	bool is_broken; /* was reset */
};

struct way {
	uint32_t pipe;	  /* index, or NONE */
	uint32_t in_pipe; /* bytes */
	uint64_t bytes;	  /* delivered */
	bool done;	  /* and the other side knows it */
};

struct conn {
	uint32_t generation;
	uint8_t phase, kind, queue;
	bool in_again, was_opened;
	bool is_raw;	   /* what the client says may all go unread */
	bool awaits_reply; /* until the first bytes of the server are known */
	bool after_retry;  /* TLS: the server wants a second hello, of the same name */
	bool is_refused; /* a later request: the answers to those before are still let through */
	struct side side[2];
	struct way way[2];
	uint32_t next, prev;
	uint64_t deadline, id;
	uint64_t granted; /* bytes that may_upload() was asked about */
	struct egress_ask ask;
	const char *why;
	char name[NAME_MAX_LEN + 1];
	/* Bytes of the client: gone, may go, read by a parser, read from the socket. */
	uint32_t start, clear, fed, len;
	uint8_t reply[REPLY_SIZE]; /* of the server, while awaits_reply */
	uint32_t reply_len, reply_sent;
	union {
		struct hello hello;
		struct http http;
	};
};

struct pipe {
	int fd[2];
	bool is_large;
};

struct listener {
	int fd;
	bool is_inbound;
	struct sockaddr_storage to; /* then */
};

struct egress_relay {
	struct egress_relay_config config;
	int epoll;
	uint64_t now, last_id;
	uint64_t accept_again; /* when descriptors had run out; 0: they have not */
	struct listener listeners[EGRESS_LISTENERS_MAX];
	uint32_t n_listeners;
	uint32_t n_conns, n_pipes, n_large;
	uint32_t free_conn; /* a list by .next, of those that were used */
	uint32_t n_touched; /* behind these none was: most never cost memory */
	uint32_t n_free_pipes;
	uint32_t again_first, n_again; /* a ring */
	struct queue_ends queues[N_QUEUES];
	struct conn *conns;
	struct pipe *pipes;
	uint32_t *free_pipes, *again;
	uint8_t (*heads)[HEAD_SIZE];
};

/* relay.c */
uint32_t conn_index(const struct egress_relay *r, const struct conn *c);
void conn_wait(struct egress_relay *r, struct conn *c, enum queue q);
void conn_again(struct egress_relay *r, struct conn *c);
/* Ends it. With an error both peers are reset, as they would have reset each other. */
void conn_end(struct egress_relay *r, struct conn *c, int error);
/* NONE if there is none to have now; then it waits for one. */
uint32_t pipe_take(struct egress_relay *r, struct conn *c);
/* One that is not empty is closed. */
void pipe_give(struct egress_relay *r, struct way *w);
int conn_watch(struct egress_relay *r, struct conn *c, int which);

static inline uint8_t *conn_head(struct egress_relay *r, struct conn *c)
{
	return r->heads[conn_index(r, c)];
}

/* relay-head.c: where these return -errno, @c has ended. */
int head_begin(struct egress_relay *r, struct conn *c);
/* The same, of one that goes where its listener says. */
int head_begin_inbound(struct egress_relay *r, struct conn *c, const struct listener *l);
/* Reads what the client says first, until it is decided. */
int head_run(struct egress_relay *r, struct conn *c);
/* It has said too little for too long; or there is no room for it any more. */
void head_late(struct egress_relay *r, struct conn *c, bool may_pass);
/* Looks at bytes in the buffer that were not looked at, and says which may go. */
int head_follow(struct egress_relay *r, struct conn *c);
/* Bytes of the server, while they are awaited; @at_end: no more will come. */
void head_replied(struct egress_relay *r, struct conn *c, bool at_end);
/* Tells the client that it is refused, and why, in its own protocol. */
void head_refuse(struct egress_relay *r, struct conn *c);

/* relay-flow.c */
void flow_run(struct egress_relay *r, struct conn *c);
void flow_drain(struct egress_relay *r, struct conn *c);
/* recvfrom() into the buffer of the client's bytes. 1: some; 0: none now; -errno. */
int flow_fill(struct egress_relay *r, struct conn *c);

#endif
