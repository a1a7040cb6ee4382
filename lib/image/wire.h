/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What passes between the library and cisandbox-unpack, and how much of an archive is too
 * much. The helper is born with these descriptors, /dev/null for what it does not need, and
 * no others:
 *
 *	3  the directory that it fills or reads, id-mapped, its root from then on
 *	4  the archive
 *	5  records, each a letter, text and NUL; the last is WIRE_DONE, or WIRE_ERROR
 *	6  the listing of the layer (unpack/listing.c), written or, to verify, read
 *	7  a byte comes after WIRE_WAIT: the library has done what takes the layers below
 *	8  where the archive goes on to
 *
 * argv[1] is its part:
 *
 *	sum     from 4 to 8, and its digest
 *	plain   from 4 to 8, decompressed
 *	layer   a tar with whiteouts
 *	tree    a tar of files as they are
 *	verify  compares the directory with its listing
 *
 * A layer goes through four of them: sum, plain, sum, layer. Both digests are made by a
 * process that reads no byte of what it hashes.
 */
#ifndef CIS_IMAGE_WIRE_H
#define CIS_IMAGE_WIRE_H

enum { WIRE_ROOT = 3, WIRE_IN, WIRE_REPORT, WIRE_LISTING, WIRE_GO, WIRE_OUT, WIRE_END };

#define WIRE_SUM 'd'     /* sha256 of what went through, in hex */
#define WIRE_SIZE 'z'    /* its bytes */
#define WIRE_LIST 'l'    /* sha256 of the listing */
#define WIRE_FILES 's'   /* bytes of its files */
#define WIRE_VERITY 'v'  /* bytes of those that have fs-verity */
#define WIRE_OPAQUE 'o'  /* a directory that hides those below it; "" is the root */
#define WIRE_IMPLIED 'i' /* a directory that no entry told of, only of what is in it */
#define WIRE_LINK 'h'    /* a hard link that is to be made to a file of a layer below, */
#define WIRE_TARGET 't'  /* to this one */
#define WIRE_WAIT 'w'    /* that was all of it; go on when these are as they are to be */
#define WIRE_ERROR 'e'   /* errno, blank, a sentence */
#define WIRE_DONE '.'

/* The limits of one archive. What real images have is a tenth of them or less. */
#define UNPACK_ENTRIES_MAX 500000
#define UNPACK_BYTES_MAX (64ULL << 30) /* of its files, holes included; of its tar */
#define UNPACK_RATIO_MAX 200           /* bytes made of one, beyond UNPACK_RATIO_FREE */
#define UNPACK_RATIO_FREE (64ULL << 20)
#define UNPACK_PATH_MAX 4000
#define UNPACK_NAMES_MAX (128UL << 20) /* bytes of names of directories */
#define UNPACK_IDS 65536 /* of owners, and so of the range that the helper runs in */
#define UNPACK_ID_SUM 1 /* who has no files has no root's id either */
#define UNPACK_ID_PLAIN 2
#define UNPACK_OPAQUE_MAX 10000       /* directories that hide those below */
#define UNPACK_TOLD_MAX (16UL << 20) /* bytes of names of what the library has to do */

#endif
