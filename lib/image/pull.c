/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image of a registry, in four steps:
 *
 *	resolve   the reference becomes the digest of one manifest, whose bytes we have hashed
 *	admit     cosign agrees to that digest, where somebody demands it: admit-cosign.h
 *	fetch     skopeo copies what the store lacks, by that digest and under its policy
 *	compose   as of any image: every digest is computed again while it is unpacked
 *
 * Below the work directory:
 *
 *	source/   an OCI layout, ours: index, manifest, config; blobs are moved to it
 *	fetch/    what skopeo writes to, and nothing of it is read before skopeo is dead
 *	admit/    the same of cosign: neither finds what the other left
 *
 * A blob whose layer the store has is there as an empty file of its size (a hole), so that
 * skopeo does not fetch it: compose never opens it.
 */
#include <cisandbox.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/record.h"
#include "../base/sha256.h"
#include "../base/str.h"
#include "admit-cosign.h"
#include "compose.h"
#include "image.h"
#include "import.h"
#include "info.h"
#include "oci.h"
#include "ref.h"
#include "registry.h"
#include "tree.h"
#include "wire.h"

#define INDEX_DEPTH_MAX 4
#define TIMEOUT_MSEC (30 * 60 * 1000)
#define STALL_MSEC (60 * 1000)
/* Manifest, configuration and index are no layers, and skopeo writes them, too. */
#define SMALL_FILES_MAX (4 * JSON_MAX_TEXT)
#define FETCHED_FILES_MAX 4096
#define FETCHED_DEPTH_MAX 8

struct pull {
	struct cis_image_pull o;
	struct oci_platform platform_room;
	const struct oci_platform *platform; /* NULL: this machine's */
	struct image_ref ref;
	char name[IMAGE_NAME_LEN + 1];
	char *source; /* as in image.json */

	struct store store;
	struct work work;
	struct unpacker u;
	struct registry reg;
	char *fetch_path, *admit_path;
	int dir, blobs;		/* source/, source/blobs/sha256/ */
	int fetch, fetch_blobs; /* fetch/, fetch/blobs/sha256/ */

	char top[UNPACK_HEX]; /* what the reference meant: the manifest, or an index above it */
	char suffix[sizeof "@sha256:" + UNPACK_HEX]; /* of the manifest */
	struct admit_rule wanted;
	struct admit_record admitted;
	struct oci_image img;
	struct holds holds; /* layers that are there */
	bool had[IMAGE_LAYERS_MAX];
	uint64_t missing; /* bytes of those that are not */
	struct cis_image_progress progress;
};

static void pull_done(struct pull *p)
{
	oci_image_done(&p->img);
	holds_done(&p->holds);
	registry_done(&p->reg);
	unpacker_done(&p->u);
	p->dir = fd_close(p->dir);
	p->blobs = fd_close(p->blobs);
	p->fetch = fd_close(p->fetch);
	p->fetch_blobs = fd_close(p->fetch_blobs);
	work_done(&p->work);
	store_done(&p->store);
	image_ref_done(&p->ref);
	admit_rule_done(&p->wanted);
	admit_record_done(&p->admitted);
	free(p->fetch_path);
	free(p->admit_path);
	free(p->source);
}

static void tell(struct pull *p)
{
	if (p->o.progress)
		p->o.progress(&p->progress, p->o.arg);
}

/* ---- places ------------------------------------------------------------------------- */

static int make_dirs(int at, const char *const names[], size_t n, uid_t owner)
{
	for (size_t i = 0; i < n; i++)
		if (mkdirat(at, names[i], 0755) < 0 ||
		    fchownat(at, names[i], owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	return 0;
}

static int make_places(struct pull *p)
{
	static const char *const ours[] = {"source", "source/blobs", "source/blobs/sha256"};
	static const char *const theirs[] = {"fetch", "fetch/tmp", "fetch/blobs",
					     "fetch/blobs/sha256", "admit", "admit/tmp"};
	int r = make_dirs(p->work.fd, ours, ARRAY_SIZE(ours), geteuid());

	if (r == 0)
		r = make_dirs(p->work.fd, theirs, ARRAY_SIZE(theirs), NETBOX_ID);
	if (r == 0)
		r = str_format(&p->fetch_path, "%s/fetch", p->work.path);
	if (r == 0)
		r = str_format(&p->admit_path, "%s/admit", p->work.path);
	if (r < 0)
		return r;
	p->dir = tree_open_dir(p->work.fd, "source");
	p->blobs = tree_open_dir(p->work.fd, "source/blobs/sha256");
	p->fetch = tree_open_dir(p->work.fd, "fetch");
	p->fetch_blobs = tree_open_dir(p->work.fd, "fetch/blobs/sha256");
	return MIN(MIN(p->dir, p->blobs), MIN(p->fetch, p->fetch_blobs)) < 0 ? -EIO : 0;
}

static int begin(struct pull *p, struct cis_error *err)
{
	int r = store_open(&p->store, err);

	if (r == 0)
		r = work_begin(&p->work, &p->store, err);
	if (r == 0)
		r = unpacker_init(&p->u, work_name(&p->work), err);
	if (r < 0)
		return r;
	r = make_places(p);
	if (r < 0)
		return cis_fail(err, -r, "make directories in %s", p->store.path);
	p->reg.box.ids = &p->u;
	p->reg.box.lock = p->work.fd;
	p->reg.box.dir = p->fetch_path;
	p->reg.repo = p->ref.repo;
	p->reg.insecure = p->o.skip_tls_verify;
	p->reg.deadline = now_msec() + (p->o.timeout_ms ? p->o.timeout_ms : TIMEOUT_MSEC);
	p->reg.stall_msec = p->o.stall_ms ? p->o.stall_ms : STALL_MSEC;
	return registry_add_files(&p->reg, p->o.authfile, p->o.policy, err);
}

static int write_file(int dir, const char *name, const char *text, size_t len)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				      0644);

	return fd < 0 ? -errno : io_write_all(fd, text, len);
}

static int write_blob(const struct pull *p, const char *hex, const char *text, size_t len,
		      struct cis_error *err)
{
	int r = write_file(p->blobs, hex, text, len);

	return r < 0 ? cis_fail(err, -r, "write to %s", p->store.path) : 0;
}

/* ---- resolve ------------------------------------------------------------------------ */

static void set_suffix(struct pull *p, const char *hex)
{
	snprintf(p->suffix, sizeof p->suffix, "@sha256:%s", hex);
}

static int check_digest(const char *what, const char *text, size_t len, const char *wanted,
			struct cis_error *err)
{
	char hex[UNPACK_HEX];

	sha256_hex(text, len, hex);
	return strcmp(hex, wanted) == 0
		       ? 0
		       : cis_fail_plain(
				 err, EIO,
				 "the registry's %s has the digest sha256:%s, not sha256:%s",
				 what, hex, wanted);
}

/* The manifest or index @suffix. Its digest: what it must be, or if that is "" what it is. */
static int ask(struct pull *p, const char *suffix, char digest[static UNPACK_HEX], char **ret,
	       size_t *ret_len, struct cis_error *err)
{
	int r = registry_manifest(&p->reg, suffix, ret, ret_len, err);

	if (r == 0 && *digest)
		return check_digest("manifest", *ret, *ret_len, digest, err);
	if (r == 0)
		sha256_hex(*ret, *ret_len, digest);
	return r;
}

/* The index of our own layout. */
static int write_index(const struct pull *p, const struct oci_lead *lead, const char *hex,
		       size_t len, struct cis_error *err)
{
	static const char version[] = "{\"imageLayoutVersion\": \"1.0.0\"}\n";
	cleanup_free char *text = NULL;
	int r = str_format(&text,
			   "{\"schemaVersion\": 2, \"manifests\": [{\"mediaType\": \"%s\", "
			   "\"digest\": \"sha256:%s\", \"size\": %zu}]}\n",
			   lead->media, hex, len);

	if (r == 0)
		r = write_file(p->dir, "index.json", text, strlen(text));
	if (r == 0)
		r = write_file(p->dir, "oci-layout", version, strlen(version));
	return r < 0 ? cis_fail(err, -r, "write to %s", p->store.path) : 0;
}

static int take_config(struct pull *p, const struct oci_lead *lead, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = registry_config(&p->reg, p->suffix, &text, &len, err);

	if (r == 0)
		r = check_digest("configuration", text, len, lead->hex, err);
	return r < 0 ? r : write_blob(p, lead->hex, text, len, err);
}

/* Down through indexes to manifest and configuration: the layout is whole but for layers. */
static int resolve(struct pull *p, struct cis_error *err)
{
	char hex[UNPACK_HEX] = "", first[sizeof ":" + 128];

	memcpy(hex, p->ref.digest, UNPACK_HEX);
	set_suffix(p, hex);
	snprintf(first, sizeof first, ":%s", p->ref.tag ? p->ref.tag : "");
	for (int depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
		cleanup_free char *text = NULL;
		struct oci_lead lead;
		size_t len;
		int r = ask(p, *hex ? p->suffix : first, hex, &text, &len, err);

		if (r == 0)
			r = oci_follow(text, len, "manifest", p->platform, &lead, err);
		if (r < 0)
			return r;
		if (depth == 0)
			memcpy(p->top, hex, UNPACK_HEX);
		if (lead.is_index) {
			memcpy(hex, lead.hex, UNPACK_HEX);
			set_suffix(p, hex);
			continue;
		}
		set_suffix(p, hex);
		r = write_blob(p, hex, text, len, err);
		if (r == 0)
			r = take_config(p, &lead, err);
		if (r == 0)
			r = write_index(p, &lead, hex, len, err);
		return r < 0 ? r : oci_read(p->dir, NULL, p->platform, &p->img, err);
	}
	return cis_fail_plain(err, EINVAL, "indexes in indexes, more than %d deep",
			      INDEX_DEPTH_MAX);
}

/* ---- admit -------------------------------------------------------------------------- */

/* Nothing of its layers was fetched yet. skopeo's policy is asked when it copies. */
static int admit(struct pull *p, struct cis_error *err)
{
	const struct admit_question q = {
		.registry = &p->reg,
		.dir = p->admit_path,
		.digests = {p->top, p->suffix + strlen("@sha256:")},
	};

	return admit_image(&q, &p->wanted, &p->admitted, err);
}

static int read_demands(struct pull *p, struct cis_error *err)
{
	const char *const *deny = p->o.deny_packages;
	int r = p->o.verify ? admit_signer_parse(p->o.verify, &p->wanted.signer, err) : 0;

	p->wanted.sbom = p->o.require_sbom || (deny && *deny);
	for (; r == 0 && deny && *deny; deny++) {
		r = p->wanted.denied.n < ADMIT_DENIED_MAX
			    ? admit_denied_check(*deny, err)
			    : cis_fail_plain(err, E2BIG, "more than %d denied packages",
					     ADMIT_DENIED_MAX);
		if (r == 0 && strv_add(&p->wanted.denied, *deny) < 0)
			r = cis_fail(err, ENOMEM, "pull");
	}
	return r;
}

/* ---- fetch -------------------------------------------------------------------------- */

/* Does another layer, one that the store lacks, have the same blob? */
static bool is_wanted(const struct pull *p, const char *blob)
{
	for (size_t i = 0; i < p->img.n_layers; i++)
		if (!p->had[i] && strcmp(p->img.layers[i].blob, blob) == 0)
			return true;
	return false;
}

static int hold_layers(struct pull *p, struct cis_error *err)
{
	for (size_t i = 0; i < p->img.n_layers; i++) {
		int fd = layer_hold(p->work.store, p->img.layers[i].chain, err);

		if (fd < 0 && fd != -ENOENT)
			return fd;
		p->had[i] = fd >= 0;
		if (fd >= 0)
			p->holds.fds[p->holds.n++] = fd;
	}
	return 0;
}

static int make_hole(const struct pull *p, const struct oci_layer *l)
{
	cleanup_close int fd = openat(p->fetch_blobs, l->blob,
				      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	return ftruncate(fd, (off_t)l->size) < 0 ? -errno : 0;
}

/* What is to come, and holes for what is not. *ret_max: the biggest blob. */
static int prepare(struct pull *p, uint64_t *ret_max, struct cis_error *err)
{
	*ret_max = 0;
	for (size_t i = 0; i < p->img.n_layers; i++) {
		const struct oci_layer *l = &p->img.layers[i];
		int r;

		if (l->size > UNPACK_BYTES_MAX)
			return cis_fail_plain(err, EFBIG,
					      "layer %zu of %zu is to have %llu GiB", i + 1,
					      p->img.n_layers,
					      (unsigned long long)(l->size >> 30));
		if (is_wanted(p, l->blob)) {
			p->missing += l->size;
			*ret_max = MAX(*ret_max, l->size);
			continue;
		}
		p->progress.layer++;
		r = make_hole(p, l);
		if (r < 0)
			return cis_fail(err, -r, "write to %s", p->store.path);
	}
	return 0;
}

/* Before an hour of fetching, rather than after it. */
static int check_room(const struct pull *p, struct cis_error *err)
{
	struct statvfs st;

	if (p->missing > UNPACK_BYTES_MAX)
		return cis_fail_plain(err, EFBIG, "it has %llu GiB of layers",
				      (unsigned long long)(p->missing >> 30));
	if (fstatvfs(p->store.fd, &st) == 0 && st.f_bavail * st.f_frsize < p->missing)
		return cis_fail(err, ENOSPC, "%s: %llu MB are to come", p->store.path,
				(unsigned long long)(p->missing / 1000000));
	return 0;
}

/* Bytes on the disk; a hole has none. Never follows a link, and minds who takes us for a walk. */
static int count(int dirfd, int depth, unsigned int *files, uint64_t *bytes)
{
	cleanup(dir_closep) DIR *list = tree_list(dirfd);
	struct dirent *e;
	int r = 0;

	while (r == 0 && list && (e = readdir(list))) {
		cleanup_close int below = -1;
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (++*files > FETCHED_FILES_MAX || depth > FETCHED_DEPTH_MAX)
			return -EFBIG;
		if (S_ISREG(st.st_mode) && st.st_blocks)
			/* XFS sets aside up to three times what was written. */
			*bytes += MAX((uint64_t)st.st_size, 128 * (uint64_t)st.st_blocks);
		else if (S_ISDIR(st.st_mode) &&
			 (below = tree_open_dir(dirfd, e->d_name)) >= 0)
			r = count(below, depth + 1, files, bytes);
	}
	return r;
}

/* skopeo writes to fetch/oci-put-blob..., then renames to where it belongs. */
static int64_t look(void *arg, struct cis_error *err)
{
	struct pull *p = arg;
	unsigned int files = 0;
	uint64_t got = 0;

	if (count(p->fetch, 0, &files, &got) < 0 || got > p->missing + SMALL_FILES_MAX)
		return cis_fail_plain(err, EFBIG, "more bytes come than the manifest says");
	p->progress.done = MIN(got, p->missing);
	tell(p);
	return (int64_t)got;
}

/* What was fetched, from a directory of skopeo's into ours. */
static int take_blobs(struct pull *p, struct cis_error *err)
{
	for (size_t i = 0; i < p->img.n_layers; i++) {
		const char *blob = p->img.layers[i].blob;

		if (!is_wanted(p, blob) ||
		    faccessat(p->blobs, blob, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (renameat(p->fetch_blobs, blob, p->blobs, blob) < 0)
			return cis_fail(err, errno, "layer %zu of %zu was not fetched", i + 1,
					p->img.n_layers);
	}
	return 0;
}

static int fetch(struct pull *p, struct cis_error *err)
{
	struct registry_copy c = {.suffix = p->suffix, .look = look, .arg = p};
	uint64_t biggest;
	int r = hold_layers(p, err);

	p->progress.phase = CIS_IMAGE_FETCH;
	p->progress.layers = p->img.n_layers;
	if (r == 0)
		r = prepare(p, &biggest, err);
	if (r == 0)
		r = check_room(p, err);
	if (r < 0)
		return r;
	p->progress.total = p->missing;
	c.file_max = MAX(biggest, SMALL_FILES_MAX);
	r = registry_copy(&p->reg, &c, err);
	return r < 0 ? r : take_blobs(p, err);
}

/* ---- what is there ------------------------------------------------------------------ */

/* The image of that name as it is; -ENOENT without a message. */
static int read_present(const struct pull *p, struct image_info *ret, struct cis_error *err)
{
	cleanup_close int dir = image_lock(p->name, NULL);

	return dir < 0 ? dir : image_info_read(&p->store, dir, p->name, ret, err);
}

/* A name that only was derived shall not cost anybody an image. */
static int check_name(const struct pull *p, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info info = {0};
	int r = p->o.name ? -ENOENT : read_present(p, &info, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (info.source && strcmp(info.source, p->source) == 0)
		return 0;
	return cis_fail_plain(
		err, EEXIST,
		"the image \"%s\" in the store is %s%s (--name says another name, or "
		"that this one is to be replaced)",
		p->name, info.source ? "from " : "no pulled one",
		info.source ? info.source : "");
}

/* ---- compose ------------------------------------------------------------------------ */

static int compose(struct pull *p, struct cis_error *err)
{
	cleanup(holds_done) struct holds holds = {0};
	const struct compose c = {
		.w = &p->work,
		.u = &p->u,
		.dir = p->dir,
		.img = &p->img,
		.name = p->name,
		.source = p->source,
		.admitted = &p->admitted,
		.deadline = p->reg.deadline,
		.progress = p->o.progress,
		.arg = p->o.arg,
	};
	int r = compose_image(&c, &holds, err);

	if (r < 0)
		r = import_explain(&p->store, NULL, false, r, err);
	/* Again: somebody may have taken the name while bytes came. */
	if (r == 0)
		r = check_name(p, err);
	if (r == 0)
		r = import_publish(&p->work, p->name, err);
	if (r < 0)
		import_forget_layers(p->work.store, &holds);
	return r;
}

/* Its manifest, and all of it sound, as far as is known. */
static bool is_present(const struct pull *p, struct image_info *ret)
{
	cleanup_close int dir = tree_open_dir(p->store.fd, p->name);

	if (read_present(p, ret, NULL) < 0 || compose_check(dir, ret, NULL) < 0)
		return false;
	for (size_t i = 0; i < p->img.n_layers; i++)
		if (!p->had[i])
			return false;
	return strcmp(ret->img.digest + strlen("sha256:"), p->img.digest) == 0 &&
	       ret->source && strcmp(ret->source, p->source) == 0;
}

/*
 * Of an image that is there. A pull that demands nothing has nothing to add to what an earlier
 * one found.
 */
static int renew_record(struct pull *p, const struct image_info *now, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info fresh = {0};
	cleanup_close int dir = -1;
	int r;

	if (!admit_record_is_verified(&p->admitted) && now->admitted.repository)
		return 0;
	r = store_lock(&p->store, err);
	if (r < 0)
		return r;
	/* Under the lock the name means what it does now, whatever that has become. */
	r = dir = tree_open_dir(p->store.fd, p->name);
	if (r >= 0 && !is_present(p, &fresh))
		r = -ESTALE;
	if (r >= 0) {
		admit_record_done(&fresh.admitted);
		fresh.admitted = p->admitted;
		p->admitted = (struct admit_record){0};
		r = image_info_replace(dir, &fresh);
	}
	store_unlock(&p->store);
	return r < 0 ? cis_fail(err, -r, "write to %s/%s", p->store.path, p->name) : 0;
}

/* ---- all of it ---------------------------------------------------------------------- */

/* The policy is asked of an image that is there, too; the store stays as it is if it rejects. */
static int run(struct pull *p, struct cis_image *ret, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info was = {0}, now = {0};
	int r = begin(p, err);

	if (r == 0)
		r = check_name(p, err);
	if (r < 0)
		return r;
	tell(p);
	r = resolve(p, err);
	if (r == 0)
		r = admit(p, err);
	if (r == 0)
		r = fetch(p, err);
	if (r == 0 && is_present(p, &was)) {
		*ret = was.img;
		r = renew_record(p, &was, err);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = compose(p, err);
	if (r == 0)
		r = read_present(p, &now, err);
	if (r == 0)
		*ret = now.img;
	return r;
}

static int read_options(struct pull *p, const char *ref, const struct cis_image_pull *options,
			size_t size, struct cis_error *err)
{
	int r = 0;

	if (options)
		r = record_in(&p->o, sizeof p->o, options, size);
	if (r < 0)
		return cis_fail_plain(err, -r, "options of another version of the library");
	r = image_ref_parse(ref, &p->ref, err);
	if (r == 0)
		r = read_demands(p, err);
	if (r == 0 && p->o.platform) {
		r = oci_platform_parse(p->o.platform, &p->platform_room, err);
		p->platform = &p->platform_room;
	}
	if (r == 0 && !p->o.name && !*p->ref.name)
		r = cis_fail_plain(err, EINVAL,
				   "no name can be made of it: give one by --name");
	if (r == 0)
		r = store_check_name(p->o.name ? p->o.name : p->ref.name, err);
	if (r < 0)
		return r;
	snprintf(p->name, sizeof p->name, "%s", p->o.name ? p->o.name : p->ref.name);
	return image_ref_format(&p->ref, &p->source) < 0 ? cis_fail(err, ENOMEM, "pull") : 0;
}

int cis_image_pull(const char *ref, const struct cis_image_pull *options, size_t size,
		   struct cis_image *ret, struct cis_error *err)
{
	cleanup(pull_done) struct pull p = {
		.store = STORE_CLOSED,
		.work = {.fd = -1},
		.u = {.userns = -1},
		.dir = -1,
		.blobs = -1,
		.fetch = -1,
		.fetch_blobs = -1,
		.progress = {.phase = CIS_IMAGE_RESOLVE},
	};
	struct cis_image img;
	int r = read_options(&p, ref, options, size, err);

	if (r == 0)
		r = run(&p, &img, err);
	if (r >= 0 && ret)
		*ret = img;
	return r < 0 ? cis_wrap(err, r, "%.200s", ref) : r;
}
