/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a service did not come up, in its own last words. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "fs/path.h"
#include "sandbox.h"

#define LOG_TAIL 300

/*
 * The end of a service's log, for the error message. The file is in the
 * sandbox's hands: opened as inside, never a FIFO, and shown without control
 * characters.
 */
static void read_log_tail(const struct cis_sandbox *sb, const char *log, char *out, size_t size)
{
	/* A secret that begins before the tail is to be known by its beginning. */
	char path[64], buf[MASK_WORD_MAX + LOG_TAIL], masked[MASK_OUT(sizeof buf)];
	cleanup_close int root = -1, fd = -1;
	const char *tail = buf;
	off_t len;
	ssize_t n;

	*out = '\0';
	snprintf(path, sizeof path, "/proc/%d/root", sb->pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		fd = path_open_in(root, log);
	if (fd < 0)
		return;
	len = lseek(fd, 0, SEEK_END);
	lseek(fd, len > (off_t)sizeof buf ? len - (off_t)sizeof buf : 0, SEEK_SET);
	n = read(fd, buf, sizeof buf);
	if (n > 0 && sb->mask) {
		/* What [MASKED] makes shorter would let the rest of one begun before buf in. */
		size_t skip = len > (off_t)sizeof buf ? MASK_WORD_MAX : 0;

		n = (ssize_t)mask_tail(sb->mask, buf, skip, (size_t)n, masked, sizeof masked);
		tail = masked;
	}
	if (n > (ssize_t)size - 1) {
		tail += n - ((ssize_t)size - 1);
		n = (ssize_t)size - 1;
	}
	for (ssize_t i = 0; i < n; i++)
		out[i] = tail[i] == '\n' ? '|' : tail[i] < ' ' || tail[i] > '~' ? '?' : tail[i];
	out[MAX(n, 0)] = '\0';
}

int service_failed(struct cis_sandbox *sb, uint32_t index, int errnum, int status,
		   struct cis_error *err)
{
	const struct plan_exec *e;
	char tail[LOG_TAIL + 1], cause[64];

	if (index >= sb->plan.n_services)
		return cis_fail_plain(err, EPROTO, "service %u failed", index);
	e = &sb->plan.services[index];
	read_log_tail(sb, e->log, tail, sizeof tail);
	if (errnum == ETIMEDOUT)
		snprintf(cause, sizeof cause, "no answer within %llu s",
			 (unsigned long long)e->timeout_ms / 1000);
	else if (errnum)
		snprintf(cause, sizeof cause, "%s", strerror(errnum));
	else if (WIFSIGNALED(status))
		snprintf(cause, sizeof cause, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(cause, sizeof cause, "ended with status %d", WEXITSTATUS(status));
	cis_fail_plain(err, EIO, "service %s (%s): %s%s%s%s%s", e->name, e->argv.v[0], cause,
		       *tail ? "; end of its log " : "", *tail ? e->log : "",
		       *tail ? ": " : "", tail);
	if (err)
		err->stage = CIS_STAGE_SERVICE;
	return -EIO;
}
