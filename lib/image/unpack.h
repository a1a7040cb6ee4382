/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cisandbox-unpack, from the side of who starts it. */
#ifndef CIS_IMAGE_UNPACK_H
#define CIS_IMAGE_UNPACK_H

#include <stdint.h>

#include "../base/error.h"
#include "../base/str.h"

/* Host ids of nobody's, and a user namespace in which they are 0 to 65535. */
struct unpacker {
	char owner[64]; /* who has them on loan; "" before unpacker_init() */
	char *program;
	uint32_t base;
	int userns;
};

/*
 * @owner: to be given to unpacker_release() should we be killed. -ENOENT: the program is
 * not installed.
 */
int unpacker_init(struct unpacker *u, const char *owner, struct cis_error *err);
void unpacker_done(struct unpacker *u);
void unpacker_release(const char *owner);

#define UNPACK_HEX 65

/*
 * What was unpacked. The digests of the archive (of a layer) as it is and decompressed, and
 * its size, are true. The rest is the helper's word, as hostile as the archive.
 */
struct unpacked {
	char blob[UNPACK_HEX], diff[UNPACK_HEX];
	uint64_t size;
	char list[UNPACK_HEX];
	uint64_t files, verity; /* bytes; of those with fs-verity */
	/* Clean relative paths without ".."; "" is the root. */
	struct strv opaque, implied;
	struct strv links; /* by twos: a name, and the file below that it is to be */
};
void unpacked_done(struct unpacked *u);

enum unpack_what {
	UNPACK_LAYER,  /* the archive @in into @dir; whiteouts count; @listing is written */
	UNPACK_TREE,   /* the archive @in into @dir */
	UNPACK_VERIFY, /* @dir is compared with @listing */
};

/* While it runs, a few times a second: so many bytes of @in were read. */
typedef void unpack_tell(uint64_t done, void *arg);
/* In the middle of UNPACK_LAYER, while the helper waits: what only the caller can do. */
typedef int unpack_turn(const struct unpacked *so_far, void *arg, struct cis_error *err);

/*
 * Runs the helper on the directory @path of the host. Owners of what it makes there are
 * 0-based. What it made before it failed stays.
 */
struct unpack_job {
	enum unpack_what what;
	const char *path;
	int in, listing; /* -1 where there is none */
	unpack_turn *turn;
	void *arg;
	unpack_tell *tell; /* may be NULL */
	void *tell_arg;
};
int unpacker_run(const struct unpacker *u, const struct unpack_job *job, struct unpacked *ret,
		 struct cis_error *err);

#endif
