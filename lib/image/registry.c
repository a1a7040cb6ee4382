/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/json.h"
#include "../base/str.h"
#include "credentials.h"
#include "tree.h"

#define PACKAGE "skopeo"
#define ARGS_MAX 16

void registry_done(struct registry *r)
{
	netbox_done(&r->box);
}

/* ---- files ----------------------------------------------------------------------------- */

static int add_given(struct registry *r, const char *at, const char *path, bool *ret,
		     struct cis_error *err)
{
	size_t before = r->box.n_files;
	int k = netbox_add_file(&r->box, at, path, err);

	*ret = r->box.n_files > before;
	return k == 0 && !*ret ? cis_fail(err, ENOENT, "%s", path) : k;
}

static int add_below(struct registry *r, const char *dir, const char *name, const char *at,
		     struct cis_error *err)
{
	cleanup_free char *path = NULL;

	if (!dir)
		return 0;
	if (str_format(&path, "%s/%s", dir, name) < 0)
		return cis_fail(err, ENOMEM, "%s", name);
	return netbox_add_file(&r->box, at, path, err);
}

/* Of files from number @from on: those with passwords of other registries, too. */
static int narrow_auth(struct registry *r, size_t from, struct cis_error *err)
{
	for (size_t i = from; i < r->box.n_files; i++) {
		struct netbox_file *f = &r->box.files[i];
		char *text;
		int k = credentials_of(f->text, f->len, f->at, r->repo, &text, err);

		if (k < 0)
			return k;
		explicit_bzero(f->text, f->len);
		free(f->text);
		f->text = text;
		f->len = strlen(text);
	}
	return 0;
}

/* containers-auth.json(5): the first of these that knows the registry counts. */
static int add_usual_auth(struct registry *r, struct cis_error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	const char *docker = getenv("DOCKER_CONFIG");
	char dir[64];
	int k;

	snprintf(dir, sizeof dir, "/run/containers/%u", (unsigned int)geteuid());
	k = runtime ? add_below(r, runtime, "containers/auth.json",
				"run/user/containers/auth.json", err)
		    : add_below(r, dir, "auth.json", "run/user/containers/auth.json", err);
	if (k == 0)
		k = add_below(r, home, ".config/containers/auth.json",
			      "home/.config/containers/auth.json", err);
	if (k == 0)
		k = docker ? add_below(r, docker, "config.json", "home/.docker/config.json",
				       err)
			   : add_below(r, home, ".docker/config.json",
				       "home/.docker/config.json", err);
	return k;
}

/*
 * containers-certs.d(5): the user's own, by "HOST:PORT/NAME". The host's are in /etc, where a key
 * that only root may read is not for the box.
 */
static int add_certificates(struct registry *r, struct cis_error *err)
{
	const char *home = getenv("HOME");
	cleanup_free char *path = NULL, *below = NULL;
	cleanup_close int dir = -1;
	cleanup(dir_closep) DIR *list = NULL;
	struct dirent *e;
	int k = str_format(&below, ".config/containers/certs.d/%.*s",
			   (int)strcspn(r->repo, "/"), r->repo);

	if (k == 0)
		k = str_format(&path, "%s/%s", home ? home : "", below);
	if (k < 0)
		return cis_fail(err, -k, "certificates");
	dir = home ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	list = dir < 0 ? NULL : tree_list(dir);
	while (k == 0 && list && (e = readdir(list))) {
		cleanup_free char *name = NULL, *at = NULL;
		const char *dot = strrchr(e->d_name, '.');

		if (!dot || (strcmp(dot, ".crt") != 0 && strcmp(dot, ".cert") != 0 &&
			     strcmp(dot, ".key") != 0))
			continue;
		if (str_format(&name, "%s/%s", path, e->d_name) < 0 ||
		    str_format(&at, "home/%s/%s", below, e->d_name) < 0)
			return cis_fail(err, ENOMEM, "certificates");
		k = netbox_add_file(&r->box, at, name, err);
	}
	return k;
}

int registry_add_files(struct registry *r, const char *authfile, const char *policy,
		       struct cis_error *err)
{
	const char *auth = authfile ? authfile : getenv("REGISTRY_AUTH_FILE");
	size_t before = r->box.n_files;
	int k = auth ? add_given(r, "auth.json", auth, &r->has_auth, err)
		     : add_usual_auth(r, err);

	if (k == 0)
		k = narrow_auth(r, before, err);
	if (k == 0)
		k = add_certificates(r, err);
	if (k < 0)
		return k;
	if (policy)
		return add_given(r, "policy.json", policy, &r->has_policy, err);
	return add_below(r, getenv("HOME"), ".config/containers/policy.json",
			 "home/.config/containers/policy.json", err);
}

/* ---- what it says ----------------------------------------------------------------------- */

/* Go's %q, as far as it matters. */
static void unquote(char *s)
{
	char *to = s;

	for (; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		*to++ = *s;
	}
	*to = '\0';
}

char *registry_message(char *said)
{
	static const char key[] = " msg=\"";
	size_t n = strlen(said);
	char *line, *msg;

	while (n > 0 && strchr(" \r\n", said[n - 1]))
		said[--n] = '\0';
	line = strrchr(said, '\n');
	line = line ? line + 1 : said;
	msg = strstr(line, key);
	if (msg) {
		line = msg + strlen(key);
		unquote(line);
	}
	str_tame(line);
	return line;
}

static const struct {
	const char *word;
	int errnum;
	const char *hint;
} known[] = {
	{"server gave HTTP response to HTTPS client", EPROTO,
	 "--tls-verify=false, if that is to be believed"},
	{"x509: ", EPROTO,
	 "whom to believe is in certs.d/HOST:PORT/ca.crt of /etc/containers"
	 " or ~/.config/containers"},
	{"is rejected by policy", EPERM,
	 "the policy is /etc/containers/policy.json, or --policy"},
	{"policy.json: no such file", ENOENT,
	 "apt install golang-github-containers-common, or --policy"},
	{"unauthorized", EACCES, "skopeo login, and --authfile"},
	{"authentication required", EACCES, "skopeo login, and --authfile"},
	{"manifest unknown", ENOENT, NULL},
	{"name unknown", ENOENT, NULL},
	{"no space left on device", ENOSPC, NULL},
	{"file too large", EFBIG, "a blob is longer than the manifest says"},
};

static int judge(const struct netbox_result *got, struct cis_error *err)
{
	const char *text;

	if (got->status == 0)
		return 0;
	text = registry_message(got->said);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strstr(text, known[i].word))
			continue;
		cis_fail_plain(err, known[i].errnum, "skopeo: %.380s", text);
		return known[i].hint ? cis_hint(err, "%s", known[i].hint) : -known[i].errnum;
	}
	if (got->status > 128)
		return cis_fail_plain(err, EIO, "skopeo was killed by signal %d",
				      got->status - 128);
	return cis_fail_plain(err, EIO, "skopeo: %.400s",
			      *text ? text : "it failed silently");
}

/* ---- asking ------------------------------------------------------------------------------ */

struct words {
	const char *v[ARGS_MAX + 1];
	size_t n;
};

static void add(struct words *w, const char *word)
{
	if (word && w->n < ARGS_MAX)
		w->v[w->n++] = word;
}

static void begin(struct words *w, const struct registry *r, const char *verb)
{
	*w = (struct words){0};
	add(w, "skopeo");
	add(w, r->has_policy ? "--policy=/policy.json" : NULL);
	add(w, verb);
	add(w, r->has_auth ? "--authfile=/auth.json" : NULL);
}

static int ask(const struct registry *r, struct words *w, const char *suffix, char **ret,
	       size_t *ret_len, struct cis_error *err)
{
	cleanup(netbox_result_done) struct netbox_result got = {0};
	cleanup_free char *ref = NULL;
	const struct netbox_job job = {
		.argv = w->v,
		.package = PACKAGE,
		.out_max = JSON_MAX_TEXT,
		.file_max = JSON_MAX_TEXT,
		.deadline = r->deadline,
		.stall_msec = r->stall_msec,
	};
	int k = str_format(&ref, "docker://%s%s", r->repo, suffix);

	if (k < 0)
		return cis_fail(err, -k, "skopeo");
	add(w, r->insecure ? "--tls-verify=false" : NULL);
	add(w, ref);
	k = netbox_run(&r->box, &job, &got, err);
	if (k == 0)
		k = judge(&got, err);
	if (k < 0)
		return k;
	*ret = steal_ptr(&got.out);
	*ret_len = got.out_len;
	return 0;
}

int registry_manifest(const struct registry *r, const char *suffix, char **ret,
		      size_t *ret_len, struct cis_error *err)
{
	struct words w;

	begin(&w, r, "inspect");
	add(&w, "--raw");
	return ask(r, &w, suffix, ret, ret_len, err);
}

int registry_config(const struct registry *r, const char *suffix, char **ret, size_t *ret_len,
		    struct cis_error *err)
{
	struct words w;

	begin(&w, r, "inspect");
	add(&w, "--raw");
	add(&w, "--config");
	return ask(r, &w, suffix, ret, ret_len, err);
}

/*
 * To an OCI layout, though of all that skopeo makes of a docker image there only layers are
 * as they were: it takes a blob that is there for granted, by name and size. "dir:" would
 * keep the rest, too, but empties the directory first.
 */
int registry_copy(const struct registry *r, const struct registry_copy *c,
		  struct cis_error *err)
{
	cleanup(netbox_result_done) struct netbox_result got = {0};
	cleanup_free char *ref = NULL;
	struct words w;
	const struct netbox_job job = {
		.argv = w.v,
		.package = PACKAGE,
		.out_max = JSON_MAX_TEXT,
		.file_max = c->file_max,
		.deadline = r->deadline,
		.stall_msec = r->stall_msec,
		.look = c->look,
		.arg = c->arg,
	};
	int k = str_format(&ref, "docker://%s%s", r->repo, c->suffix);

	if (k < 0)
		return cis_fail(err, -k, "skopeo");
	begin(&w, r, "copy");
	add(&w, "--quiet");
	add(&w, "--dest-oci-accept-uncompressed-layers");
	/* They are judged, but a layout has no place for them. */
	add(&w, "--remove-signatures");
	add(&w, r->insecure ? "--src-tls-verify=false" : NULL);
	add(&w, ref);
	add(&w, "oci:/work");
	k = netbox_run(&r->box, &job, &got, err);
	return k == 0 ? judge(&got, err) : k;
}
