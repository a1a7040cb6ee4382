/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole reads and writes: small kernel files, and nothing half written. */
#ifndef CIS_BASE_IO_H
#define CIS_BASE_IO_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "macros.h"

/* Writes all of @n bytes, retrying EINTR. 0 or -errno. Async-signal-safe. */
int io_write_all(int fd, const void *buf, size_t n);

/* openat + one write of the string @text + close. Async-signal-safe. */
int io_write_file_at(int dfd, const char *path, const char *text);

/*
 * A file that people name, for reading, without waiting for somebody to write to it: -ESPIPE if it
 * is a named pipe. One without a name, of a shell's "<(...)", has a writer.
 */
int io_open_given(const char *path);

/*
 * Reads a file of at most @max bytes into a fresh, NUL-terminated buffer that
 * the caller frees. -EFBIG if it is longer. *ret_len may be NULL.
 */
int io_read_file_at(int dfd, const char *path, size_t max, char **ret, size_t *ret_len);
int io_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

/* First decimal number of a one-value kernel file; "max" reads as UINT64_MAX. */
int io_read_u64_at(int dfd, const char *path, uint64_t *ret);

/* The number behind "key " in a flat-keyed kernel file such as memory.events. */
int io_read_key_at(int dfd, const char *path, const char *key, uint64_t *ret);

#endif
