/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/json.h"
#include "../base/str.h"

/* "https://index.docker.io/v1/", "ghcr.io/acme", "localhost:5000": up to the first path. */
static bool is_for(const char *key, const char *host, size_t len)
{
	static const char *const hub[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};
	const char *scheme = strstr(key, "://");
	const char *at = scheme ? scheme + 3 : key;
	size_t n = strcspn(at, "/");
	bool is_hub = len == strlen(hub[0]) && strncmp(host, hub[0], len) == 0;

	if (n == len && strncasecmp(at, host, n) == 0)
		return true;
	for (size_t i = 0; is_hub && i < ARRAY_SIZE(hub); i++)
		if (n == strlen(hub[i]) && strncasecmp(at, hub[i], n) == 0)
			return true;
	return false;
}

static struct json *copy_words(const struct json *from)
{
	struct json *to = json_object_new();

	json_foreach(word, from)
		if (word->type == JSON_STRING)
			json_set_string(to, word->key, word->string);
	return to;
}

int credentials_of(const char *text, size_t len, const char *name, const char *repo, char **ret,
		   struct cis_error *err)
{
	cleanup(json_freep) struct json *all = NULL;
	cleanup(json_freep) struct json *one = json_object_new();
	struct json *kept = json_object_new();
	const struct json *auths;
	int r = json_parse(text, len, 0, name, &all, err);

	if (r == 0)
		r = json_want(all, JSON_OBJECT, err);
	auths = r == 0 ? json_get(all, "auths") : NULL;
	if (auths)
		r = json_want(auths, JSON_OBJECT, err);
	if (auths && r == 0)
		json_foreach(entry, auths)
			if (entry->type == JSON_OBJECT &&
			    is_for(entry->key, repo, strcspn(repo, "/")))
				json_set(kept, entry->key, copy_words(entry));
	json_set(one, "auths", kept);
	if (r < 0)
		return r;
	r = json_write(one, 0, ret);
	return r < 0 ? cis_fail(err, -r, "%s", name) : 0;
}
