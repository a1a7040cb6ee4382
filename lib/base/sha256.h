/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-256 (FIPS 180-4) of a text in memory: of a few kilobytes, for which a program costs a
 * thousand times the work. What is big goes through sha256sum or the unpacker.
 */
#ifndef CIS_BASE_SHA256_H
#define CIS_BASE_SHA256_H

#include <stddef.h>

#define SHA256_HEX 65

/* In lower-case hexadecimal. */
void sha256_hex(const void *data, size_t len, char ret[static SHA256_HEX]);

#endif
