/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/sys.h"

/* Lists of words, each ended by a null pointer in memory. */
enum list { JOB_ARGV, JOB_ENVP, JOB_CANDIDATES, JOB_LISTS };

/*
 * At the beginning; then groups, then room for the lists' pointers, then all words, each with
 * its NUL: work directory, host name, lists. Of one program for itself: native layout.
 */
struct head {
	uint32_t uid, gid, n_groups;
	uint32_t n[JOB_LISTS];
	uint16_t rows, cols, tty;
	uint64_t total;
};

static size_t pointers_at(const struct head *h)
{
	size_t at = sizeof *h + h->n_groups * sizeof(gid_t);

	return (at + sizeof(char *) - 1) / sizeof(char *) * sizeof(char *);
}

static size_t words_at(const struct head *h)
{
	size_t n = 0;

	for (size_t i = 0; i < JOB_LISTS; i++)
		n += h->n[i] + 1;
	return pointers_at(h) + n * sizeof(char *);
}

static size_t size_of(const struct strv *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += strlen(l->v[i]) + 1;
	return n;
}

static char *put(char *at, const char *word)
{
	return stpcpy(at, word) + 1;
}

static void fill(char *buf, const struct head *h, const struct plan_exec *e,
		 const char *hostname)
{
	const struct strv *lists[] = {&e->argv, &e->envp, &e->candidates};
	char *at = buf + words_at(h);

	memcpy(buf, h, sizeof *h);
	if (e->n_groups)
		memcpy(buf + sizeof *h, e->groups, e->n_groups * sizeof(gid_t));
	at = put(put(at, e->cwd), hostname);
	for (size_t i = 0; i < JOB_LISTS; i++)
		for (size_t k = 0; k < lists[i]->n; k++)
			at = put(at, lists[i]->v[k]);
}

int job_write(const struct plan_exec *e, const char *hostname, unsigned short rows,
	      unsigned short cols)
{
	struct head h = {
		.uid = e->uid, .gid = e->gid, .n_groups = (uint32_t)e->n_groups,
		.n = {(uint32_t)e->argv.n, (uint32_t)e->envp.n, (uint32_t)e->candidates.n},
		.rows = rows, .cols = cols, .tty = e->tty,
	};
	cleanup_close int fd = -1;
	char *buf;
	int r;

	h.total = words_at(&h) + strlen(e->cwd) + strlen(hostname) + 2 + size_of(&e->argv) +
		  size_of(&e->envp) + size_of(&e->candidates);
	if (h.total > JOB_MAX)
		return -E2BIG;
	buf = calloc(1, h.total);
	if (!buf)
		return -ENOMEM;
	fill(buf, &h, e, hostname);
	fd = memfd_create("cisandbox-job", MFD_CLOEXEC);
	r = fd < 0 ? -errno : io_write_all(fd, buf, h.total);
	/* There may be passwords among the variables. */
	explicit_bzero(buf, h.total);
	free(buf);
	return r < 0 ? r : steal_fd(&fd);
}

int job_open_child(int fd, struct job *ret)
{
	struct plan_exec *e = &ret->exec;
	struct strv *lists[] = {&e->argv, &e->envp, &e->candidates};
	struct head h;
	char *base, *word, **at;
	long r = SYS(pread64, fd, &h, sizeof h, 0);

	if (r != sizeof h)
		return r < 0 ? (int)r : -EBADMSG;
	/* Private: what we write into it is ours alone. */
	base = mmap(NULL, h.total, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	*ret = (struct job){.rows = h.rows, .cols = h.cols};
	e->name = "command";
	e->uid = h.uid;
	e->gid = h.gid;
	e->tty = h.tty;
	e->groups = (gid_t *)(void *)(base + sizeof h);
	e->n_groups = h.n_groups;
	at = (char **)(void *)(base + pointers_at(&h));
	e->cwd = base + words_at(&h);
	word = e->cwd + strlen(e->cwd) + 1;
	ret->hostname = word;
	for (size_t i = 0; i < JOB_LISTS; i++) {
		lists[i]->v = at;
		lists[i]->n = h.n[i];
		for (size_t k = 0; k < h.n[i]; k++) {
			word += strlen(word) + 1;
			*at++ = word;
		}
		*at++ = NULL;
	}
	return 0;
}
