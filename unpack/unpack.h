/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cisandbox-unpack: reads the bytes of strangers, and has no power but over one directory.
 * main.c confines, hash.c and plain.c are what a layer passes through first, each in a
 * process of its own; stream.c reads its tar, entries.c makes files of that, place.c finds
 * where they belong, listing.c says what came of it.
 */
#ifndef CIS_UNPACK_H
#define CIS_UNPACK_H

#include <archive.h>
#include <archive_entry.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "image/wire.h"

#define HEX_SIZE 65

/* One record. What cannot be told ends the program: nobody is there to hear. */
void report(char key, const char *fmt, ...) CIS_PRINTF(2, 3);
/* The last one. */
_Noreturn void fail(int errnum, const char *fmt, ...) CIS_PRINTF(2, 3);
/* "...: what errno @errnum means". */
_Noreturn void fail_errno(int errnum, const char *fmt, ...) CIS_PRINTF(2, 3);

/* ---- hashes ------------------------------------------------------------------- */

/* Before the confinement: a provider is loaded from the host's disk. */
void hash_load(void);
EVP_MD_CTX *hash_new(void);
void hash_reset(EVP_MD_CTX *h);
void hash_add(EVP_MD_CTX *h, const void *buf, size_t n);
void hash_zeros(EVP_MD_CTX *h, uint64_t n);
void hash_end(EVP_MD_CTX *h, unsigned char ret[static 32]);
void hash_hex(const unsigned char sum[static 32], char ret[static HEX_SIZE]);

/* ---- from one descriptor to another, until the end ------------------------------ */

/* As it is; reports its digest and size. */
void hash_pass(int in, int out);
/* Decompressed, if it is compressed. */
void plain_pass(int in, int out);

/* ---- the archive -------------------------------------------------------------- */

struct stream {
	int fd;
	bool is_layer, filled;
	uint64_t n;
	struct archive *tar;
	unsigned char in[1 << 17];
};

/* What libarchive has to say of its last failure. */
const char *error_of(struct archive *a);

/* Under the confinement; fails by itself. */
void stream_open(struct stream *s, int fd, bool is_layer);
/* The next entry, or NULL at the end. */
struct archive_entry *stream_next(struct stream *s);
/* Reads what follows the last entry, for it counts in the digest. */
void stream_finish(struct stream *s);

/* ---- places ------------------------------------------------------------------- */

struct place {
	int dir; /* of the last name; -1 */
	char at[UNPACK_PATH_MAX + 1];
	bool is_layer; /* whiteouts give way to directories, and what is implied is told */
};

/*
 * @raw without "." and superfluous slashes; "" for the root. ".." is refused, since no
 * honest archive has it. A leading slash goes: whatever the name, it is of the layer.
 */
void name_clean(const char *raw, char ret[static UNPACK_PATH_MAX + 1]);
/* The last part of a clean name. */
const char *name_last(const char *name);
/*
 * The directory of the clean name @name, made where it is missing; borrowed until the next
 * call. A part of it that is no directory is refused: no link is ever followed.
 */
int place_parent(struct place *p, const char *name);
/* The same, but makes nothing: -ENOENT. */
int place_find_parent(struct place *p, const char *name);
/* Takes away what is at @name of @dir, unless it is a directory and @keep_dir. */
void place_clear(int dir, const char *name, bool keep_dir);
/* The directory @path is to hide those below, and the like. */
void place_tell(char key, const char *path);
/* The directories that were made without being told of, of which @known (sorted) are now. */
void place_tell_implied(char *const known[], size_t n_known);

/* ---- entries and listing -------------------------------------------------------- */

void entries_take(struct stream *s, bool is_layer);

/* Of a file that was just written: the listing need not read it again. */
void listing_remember(ino_t ino, const unsigned char sum[static 32]);
/* Gives files fs-verity, writes it, and reports its digest and the size of the files. */
void listing_write(int fd);
/* Compares the tree with it; fails naming the first file that differs. */
void listing_compare(int fd);

#endif
