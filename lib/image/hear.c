/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cisandbox-unpack says, taken for a stranger's word. */
#include "hear.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/io.h"
#include "../base/num.h"
#include "../fs/path.h"
#include "wire.h"

#define REPORT_MAX (UNPACK_TOLD_MAX + 65536)

static bool is_hex(const char *s)
{
	return strspn(s, "0123456789abcdef") == UNPACK_HEX - 1 && strlen(s) == UNPACK_HEX - 1;
}

/* Whoever made the archive may have written it. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			*s = '?';
}

static int take_hex(char ret[static UNPACK_HEX], const char *text)
{
	if (!is_hex(text))
		return -EBADMSG;
	memcpy(ret, text, UNPACK_HEX);
	return 0;
}

static int take_error(char *text, bool *ret_told, struct cis_error *err)
{
	int errnum = EIO;
	char *blank = strchr(text, ' ');

	*ret_told = blank && blank[1];
	if (!*ret_told)
		return -EBADMSG;
	make_printable(text);
	if (sscanf(text, "%4d", &errnum) != 1 || errnum <= 0 || errnum > 4095)
		errnum = EIO;
	return cis_fail_plain(err, errnum, "%.900s", blank + 1);
}

/* All layers' together have to fit into a number of JSON, or nobody could read the image. */
static int take_size(const char *text, uint64_t *ret)
{
	int r = str_parse_u64(text, ret);

	return r == 0 && *ret > UNPACK_ENTRIES_MAX * UNPACK_BYTES_MAX ? -EBADMSG : r;
}

static int take_path(struct strv *ret, const char *text)
{
	return !*text || path_is_below(text) ? strv_add(ret, text) : -EBADMSG;
}

static int take_turn(struct hearing *h, struct cis_error *err)
{
	int r = -EBADMSG;

	if (h->turn && !h->turned && h->got->links.n % 2 == 0) {
		h->turned = true;
		r = h->turn(h->got, h->arg, err);
		h->told = r < 0;
	}
	return r < 0 ? r : io_write_all(h->go, "", 1);
}

static int take_record(struct hearing *h, char key, char *text, struct cis_error *err)
{
	struct unpacked *ret = h->got;

	if (!strchr(h->keys, key))
		return -EBADMSG;
	switch (key) {
	case WIRE_SUM:
		return take_hex(h->sum, text);
	case WIRE_SIZE:
		return str_parse_u64(text, &h->size);
	case WIRE_LIST:
		return take_hex(ret->list, text);
	case WIRE_FILES:
		return take_size(text, &ret->files);
	case WIRE_VERITY:
		return take_size(text, &ret->verity);
	case WIRE_OPAQUE:
		return take_path(&ret->opaque, text);
	case WIRE_IMPLIED:
		return take_path(&ret->implied, text);
	case WIRE_LINK:
		return ret->links.n % 2 ? -EBADMSG : take_path(&ret->links, text);
	case WIRE_TARGET:
		return ret->links.n % 2 ? take_path(&ret->links, text) : -EBADMSG;
	case WIRE_WAIT:
		return take_turn(h, err);
	case WIRE_ERROR:
		return take_error(text, &h->told, err);
	case WIRE_DONE:
		h->done = true;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* All whole records of what has been read. */
static int take_records(struct hearing *h, struct cis_error *err)
{
	size_t at = 0;
	int r = 0;

	while (r == 0) {
		char *end = memchr(h->text + at, '\0', h->n - at);

		if (!end)
			break;
		if (h->done || end == h->text + at)
			return -EBADMSG;
		r = take_record(h, h->text[at], h->text + at + 1, err);
		at = (size_t)(end - h->text) + 1;
	}
	memmove(h->text, h->text + at, h->n - at);
	h->n -= at;
	return r;
}

#define TURN_MSEC 200

static void await(const struct hearing *h)
{
	struct pollfd p = {.fd = h->fd, .events = POLLIN};

	while (h->wait && poll(&p, 1, TURN_MSEC) == 0)
		h->wait(h->wait_arg);
}

int hearing_take(struct hearing *h, struct cis_error *err)
{
	for (;;) {
		ssize_t n;
		int r;

		await(h);
		n = read(h->fd, h->text + h->n, sizeof h->text - h->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : h->done && !h->n ? 0 : -EBADMSG;
		h->n += (size_t)n;
		h->total += (size_t)n;
		r = h->total > REPORT_MAX ? -EBADMSG : take_records(h, err);
		if (r < 0)
			return r;
		if (h->n == sizeof h->text)
			return -EBADMSG;
	}
}
