/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/sys.h"

/* ---- memory ------------------------------------------------------------------- */

int vault_make(struct vault *v, size_t room)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;

	room = (MAX(room, 1) + page - 1) / page * page;
	at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	if (madvise(at, room, MADV_DONTDUMP) < 0) {
		int r = -errno;

		munmap(at, room);
		return r;
	}
	*v = (struct vault){at, room};
	return 0;
}

int vault_seal(const struct vault *v)
{
	if (!v->at)
		return 0;
	if (mlock(v->at, v->room) < 0 || madvise(v->at, v->room, MADV_WIPEONFORK) < 0)
		return -errno;
	return 0;
}

void vault_done(struct vault *v)
{
	if (!v->at)
		return;
	explicit_bzero(v->at, v->room);
	munmap(v->at, v->room);
	*v = (struct vault){0};
}

/* ---- the list ------------------------------------------------------------------ */

bool secret_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	if (n < 1 || n > SECRET_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)name[i]) ||
		    (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i])))
			return false;
	return true;
}

/* One byte more than may be there, so that too much shows. */
static int read_value(int fd, struct secret *ret)
{
	int r = vault_make(&ret->vault, SECRET_MAX + 1);

	if (r < 0)
		return r;
	while (ret->len <= SECRET_MAX) {
		ssize_t k = read(fd, ret->vault.at + ret->len, SECRET_MAX + 1 - ret->len);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		ret->len += (size_t)k;
	}
	return ret->len > SECRET_MAX ? -E2BIG : 0;
}

/* Only what it takes is to be locked later. */
static void trim(struct secret *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t keep = (MAX(s->len, 1) + page - 1) / page * page;

	if (keep == s->vault.room)
		return;
	munmap(s->vault.at + keep, s->vault.room - keep);
	s->vault.room = keep;
}

static int check(const struct secrets *s, const char *name, struct cis_error *err)
{
	if (!secret_name_is_valid(name))
		return cis_fail_plain(err, EINVAL,
				      "secret \"%s\": a name has letters, digits and _.-, at "
				      "most %d, and begins with no dot or dash",
				      name, SECRET_NAME_MAX);
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return cis_fail_plain(err, EEXIST, "secret %s: given twice", name);
	if (s->n == SECRETS_MAX)
		return cis_fail_plain(err, E2BIG, "secret %s: more than %d", name, SECRETS_MAX);
	return 0;
}

int secrets_add(struct secrets *s, const char *name, int fd, struct cis_error *err)
{
	struct secret one = {0}, *bigger;
	int r = check(s, name, err);

	if (r < 0)
		return r;
	strncpy(one.name, name, sizeof one.name - 1);
	bigger = reallocarray(s->v, s->n + 1, sizeof *bigger);
	if (!bigger)
		return cis_fail(err, ENOMEM, "secret %s", name);
	s->v = bigger;
	r = read_value(fd, &one);
	if (r == -E2BIG)
		r = cis_fail_plain(err, E2BIG, "secret %s: larger than 1M", name);
	else if (r < 0)
		r = cis_fail(err, -r, "secret %s: read it", name);
	else if (s->total + one.len > SECRET_TOTAL_MAX)
		r = cis_fail_plain(err, E2BIG, "secret %s: with the others more than 4M", name);
	if (r < 0) {
		vault_done(&one.vault);
		return r;
	}
	trim(&one);
	s->total += one.len;
	s->v[s->n++] = one;
	return 0;
}

int secrets_seal(const struct secrets *s, struct cis_error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		int r = vault_seal(&s->v[i].vault);

		if (r < 0) {
			cis_fail(err, -r, "secret %s: lock it in memory", s->v[i].name);
			cis_hint(err, "raise the limit memlock, ulimit -l");
			return r;
		}
	}
	return 0;
}

void secrets_done(struct secrets *s)
{
	for (size_t i = 0; i < s->n; i++)
		vault_done(&s->v[i].vault);
	free(s->v);
	*s = (struct secrets){0};
}
