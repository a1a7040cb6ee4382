/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody else's program that is to talk to registries, in a box: what they answer is hostile,
 * and the program is not ours. It runs as an id that is nobody's, without capabilities or a way
 * to get any, in pid, mount, ipc and uts namespaces of its own, below the default system call
 * filter. The network is the host's. It sees
 *
 *	/usr /etc ...      the host's programs and settings, read-only: what anybody may read
 *	/dev/null, /dev/urandom
 *	the files it is given, in memory
 *	/work              the one directory it can write to
 *
 * and nothing else: no /proc, /run, /home, no socket of a service. With who started it, it is
 * gone, and so is whatever it started.
 */
#ifndef CIS_NETBOX_H
#define CIS_NETBOX_H

#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/str.h"
#include "unpack.h"

#define NETBOX_ID 1 /* who it is, in the unpacker's user namespace */
#define NETBOX_FILES_MAX 16
#define NETBOX_FILE_MAX (1UL << 20)

/* There before the program is: "auth.json" for /auth.json. */
struct netbox_file {
	char *at;
	char *text;
	size_t len;
};

struct netbox {
	const struct unpacker *ids;
	/* Stays open until everybody in the box is dead: the lock of the work directory. */
	int lock;
	const char
		*dir; /* appears as /work; what NETBOX_ID is to write there must be its own */
	struct netbox_file files[NETBOX_FILES_MAX];
	size_t n_files;
};
void netbox_done(struct netbox *b);

/* 0, also if there is no file @path: then nothing appears. -EFBIG. */
int netbox_add_file(struct netbox *b, const char *at, const char *path,
		    struct cis_error *err);

struct netbox_job {
	const char *const *argv; /* argv[0] is looked for in the system's directories */
	const char *package;	 /* what to install if it is not there */
	const char *const *env;	 /* beside the usual; ends with NULL; may be NULL */
	size_t out_max;		 /* bytes of its stdout */
	uint64_t file_max;	 /* bytes of any file it writes */
	uint64_t deadline;	 /* now_msec() of the end of all patience */
	uint64_t stall_msec;	 /* as long without a byte */
	/* Now and then: bytes that it has got so far. Negative, with a message, ends it. */
	int64_t (*look)(void *arg, struct cis_error *err);
	void *arg;
};

struct netbox_result {
	char *out; /* NUL-terminated */
	size_t out_len;
	char *said; /* the end of what it wrote to stderr */
	int status; /* its exit status; 128 and more: a signal */
};
void netbox_result_done(struct netbox_result *r);

/*
 * Runs it to its end; whatever status it ends with is a success here. -ENOENT: it is not
 * installed. -ETIMEDOUT, -EFBIG: it was killed for that. Of the caller's environment it has
 * the proxies.
 */
int netbox_run(const struct netbox *b, const struct netbox_job *job,
	       struct netbox_result *ret, struct cis_error *err);

#endif
