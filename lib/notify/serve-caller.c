/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who makes the call, by descriptors below /proc/TID: opened, then the id is checked, and
 * from then on they are of that very thread whatever becomes of its number.
 */
#include <string.h>
#include <sys/uio.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "serve.h"

#define PAGE 4096

static uint64_t parse(const char *text, const char *key, unsigned int field, unsigned int radix)
{
	const char *p = strstr(text, key);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (p += strlen(key); field; field--) {
		p += strspn(p, "\t ");
		p += strcspn(p, "\t\n ");
	}
	for (p += strspn(p, "\t "); *p; p++) {
		unsigned int digit = *p >= 'a' ? (unsigned int)(*p - 'a') + 10
					       : (unsigned int)(*p - '0');

		if (digit >= radix)
			break;
		v = v * radix + digit;
	}
	return v;
}

static int read_status(struct caller *c)
{
	char text[PAGE];
	cleanup_close int fd = SYS(openat, c->dir, "status", O_RDONLY | O_CLOEXEC);
	const char *p;
	int n = fd < 0 ? fd : SYS(read, fd, text, sizeof text - 1);

	if (n < 0)
		return n;
	text[n] = '\0';
	/* Its name comes first, escaped, on one line: no line after it is its own words. */
	p = strchr(text, '\n');
	if (!p)
		return -ESRCH;
	c->fsuid = (uid_t)parse(p, "\nUid:", 3, 10);
	c->fsgid = (gid_t)parse(p, "\nGid:", 3, 10);
	c->umask = (mode_t)parse(p, "\nUmask:", 0, 8);
	c->caps = parse(p, "\nCapEff:", 0, 16);
	return strstr(p, "\nCapEff:") ? 0 : -ESRCH;
}

int caller_look(const struct serve *s, struct caller *ret)
{
	struct stat ns;
	char name[24] = "";
	int r;

	*ret = (struct caller){.dir = -1};
	num_append(name, sizeof name, s->page->call.pid);
	ret->dir = SYS(openat, s->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0)
		return -ESRCH;
	r = fstatat(ret->dir, "ns/user", &ns, 0) < 0 ? -errno : read_status(ret);
	if (!serve_is_valid(s))
		return -ESRCH;
	if (r < 0)
		return r == -EACCES ? -EPERM : r;
	ret->is_inner = ns.st_dev != s->userns_dev || ns.st_ino != s->userns_ino;
	return 0;
}

int caller_need(const struct caller *c, unsigned int cap)
{
	return !c->is_inner && (c->caps & 1ULL << cap) ? 0 : -EPERM;
}

/* A page at a time: the string may end just before what is not mapped. */
static int read_string(int mem, uint64_t address, char *ret, size_t room)
{
	size_t n = 0;

	while (n < room) {
		size_t want = MIN(PAGE - (address + n) % PAGE, room - n);
		int k = SYS(pread64, mem, ret + n, want, address + n);

		if (k <= 0)
			return -EFAULT;
		if (memchr(ret + n, '\0', (size_t)k))
			return 0;
		n += (size_t)k;
	}
	return -ENAMETOOLONG;
}

int caller_read_path(const struct serve *s, const struct caller *c, uint64_t address,
		     char ret[static CALLER_PATH_MAX])
{
	cleanup_close int mem = SYS(openat, c->dir, "mem", O_RDONLY | O_CLOEXEC);
	int r;

	/* From here on it is that memory, or nobody's. */
	if (!serve_is_valid(s))
		return -ESRCH;
	if (mem < 0)
		return mem == -EACCES ? -EPERM : mem;
	r = read_string(mem, address, ret, CALLER_PATH_MAX);
	return serve_is_valid(s) ? r : -ESRCH;
}

/*
 * By number, since a descriptor of /proc/TID/mem costs as much as all the rest of a
 * trapped sysinfo. The id is valid here; should the caller be killed, and its number come
 * round to another within this call, that would be a process of the same sandbox: we
 * may write to no other.
 */
int caller_write(const struct serve *s, uint64_t address, const void *data, size_t n)
{
	struct iovec from = {.iov_base = (void *)data, .iov_len = n};
	struct iovec to = {.iov_base = (void *)(uintptr_t)address, .iov_len = n};
	int r;

	if (!serve_is_valid(s))
		return -ESRCH;
	r = SYS(process_vm_writev, s->page->call.pid, &from, 1UL, &to, 1UL, 0UL);
	return r == (int)n ? 0 : -EFAULT;
}
