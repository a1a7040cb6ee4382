/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "str.h"

int io_write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int io_write_file_at(int dfd, const char *path, const char *text)
{
	cleanup_close int fd = openat(dfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t k;

	if (fd < 0)
		return -errno;
	/* One write: kernel files take a value whole or not at all. */
	do
		k = write(fd, text, strlen(text));
	while (k < 0 && errno == EINTR);
	return k < 0 ? -errno : 0;
}

int io_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	size_t cap = MIN(max, (size_t)4096) + 1, len = 0;
	cleanup_free char *buf = malloc(cap);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t k;

		if (len + 1 == cap) {
			char *bigger = realloc(buf, cap * 2);

			if (!bigger)
				return -ENOMEM;
			buf = bigger;
			cap *= 2;
		}
		k = read(fd, buf + len, cap - len - 1);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		len += (size_t)k;
		if (len > max)
			return -EFBIG;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret = steal_ptr(&buf);
	return 0;
}

int io_open_given(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) && fs.f_type != PIPEFS_MAGIC)
		return -ESPIPE;
	return fcntl(fd, F_SETFL, 0) < 0 ? -errno : steal_fd(&fd);
}

int io_read_file_at(int dfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	cleanup_close int fd = openat(dfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return io_read_fd(fd, max, ret, ret_len);
}

int io_read_u64_at(int dfd, const char *path, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	int r = io_read_file_at(dfd, path, 4096, &text, NULL);

	if (r < 0)
		return r;
	if (strncmp(text, "max", 3) == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	errno = 0;
	*ret = strtoull(text, NULL, 10);
	return -errno;
}

int io_read_key_at(int dfd, const char *path, const char *key, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	size_t key_len = strlen(key);
	int r = io_read_file_at(dfd, path, 65536, &text, NULL);

	if (r < 0)
		return r;
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, key_len) == 0 && line[key_len] == ' ') {
			*ret = strtoull(line + key_len + 1, NULL, 10);
			return 0;
		}
	}
	return -ENODATA;
}
