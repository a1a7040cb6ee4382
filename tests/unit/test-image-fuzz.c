/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What host root itself reads of a stranger's image, nearly right, the same in each run: the
 * words of cisandbox-unpack, index and manifest and configuration of a layout, the manifest of
 * docker save, and what the store keeps. What must hold is checked of all that is taken; whoever
 * refuses says why. CIS_FUZZ_ROUNDS makes it longer, CIS_FUZZ_SEED another.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/io.h"
#include "image/config.h"
#include "image/hear.h"
#include "image/info.h"
#include "image/layer.h"
#include "image/oci.h"
#include "image/tree.h"

#define ROUNDS 20000
#define ROUNDS_OF_DOCUMENTS_EACH 5
#define ROUNDS_OF_LAYOUTS_EACH 50 /* of which each starts sha256sum */

static char place[] = "/tmp/cisandbox-test-image-fuzz-XXXXXX";
static int dir;

static size_t rounds(void)
{
	const char *wanted = getenv("CIS_FUZZ_ROUNDS");

	return wanted ? strtoul(wanted, NULL, 10) : ROUNDS;
}

/* ---- what is done to bytes -------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252ULL;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n ? (size_t)(random_state >> 11) % n : 0;
}

/* Words that mean something to a reader, bytes that mean something to a parser. */
static const char *const words[] = {
	"null", "[]", "{}", "\"\"", "0", "-1", "9223372036854775807", "1e999", "true", "\"/\"",
	"\"..\"", "\"a=b\"", "\"=\"", "\"sha256:\"", "\"linux\"", "[[]]", "\"SIGKILL\"", "\"65\"",
	"\"application/vnd.oci.image.index.v1+json\"", "[null]", "\"\\u0000\"", "\"../../etc/passwd\""};
static const char marks[] = "\"{}[],:\\\0/.-0\n\xff\x80";

/* @buf has room for twice as many. */
static size_t change(char *buf, size_t n, size_t room)
{
	for (size_t i = below(3) + 1; i > 0 && n > 1; i--) {
		size_t at = below(n), k;
		const char *word;

		switch (below(5)) {
		case 0:
			buf[at] = marks[below(sizeof marks - 1)];
			break;
		case 1:
			buf[at] = (char)(buf[at] ^ 1 << below(8));
			break;
		case 2:
			k = below(MIN(n - at, (size_t)40));
			memmove(buf + at, buf + at + k, n - at - k);
			n -= k;
			break;
		case 3:
			k = below(MIN(n - at, (size_t)60));
			if (n + k <= room) {
				memmove(buf + at + k, buf + at, n - at);
				n += k;
			}
			break;
		default: /* a whole value for another */
			while (at > 0 && buf[at] != ':' && buf[at] != '[')
				at--;
			for (k = at + 1; k < n && !strchr(",]}", buf[k]);)
				k++;
			word = words[below(ARRAY_SIZE(words))];
			if (n - (k - at - 1) + strlen(word) <= room) {
				memmove(buf + at + 1 + strlen(word), buf + k, n - k);
				memcpy(buf + at + 1, word, strlen(word));
				n = n - (k - at - 1) + strlen(word);
			}
		}
	}
	return n;
}

static void put(const char *name, const char *text, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, n), 0);
	close(fd);
}

static void put_changed(const char *name, const char *text)
{
	char buf[8192];
	size_t n = strlen(text);

	assert_true(2 * n < sizeof buf);
	memcpy(buf, text, n);
	put(name, buf, below(10) ? change(buf, n, sizeof buf) : n);
}

/* A reason, and one that fits a line. */
static void check_refusal(int r, const struct cis_error *err)
{
	assert_true(r < 0 && r > -4096);
	assert_true(*err->message && strlen(err->message) < sizeof err->message);
}

static bool is_hex(const char *text)
{
	return strlen(text) == UNPACK_HEX - 1 &&
	       strspn(text, "0123456789abcdef") == UNPACK_HEX - 1;
}

/* ---- the helper's words ------------------------------------------------------------------- */

static bool is_clean(const char *path)
{
	char copy[UNPACK_PATH_MAX + 1024], *rest = copy;
	bool all = true;

	if (!*path)
		return true;
	snprintf(copy, sizeof copy, "%s", path);
	for (char *part; (part = strsep(&rest, "/"));)
		all = all && *part && strcmp(part, ".") != 0 && strcmp(part, "..") != 0;
	return all;
}

static int turn(const struct unpacked *so_far, void *arg, struct cis_error *err)
{
	size_t *turns = arg;

	(void)err;
	++*turns;
	assert_true(so_far->links.n % 2 == 0);
	for (size_t i = 0; i < so_far->opaque.n; i++)
		assert_true(is_clean(so_far->opaque.v[i]));
	for (size_t i = 0; i < so_far->implied.n; i++)
		assert_true(is_clean(so_far->implied.v[i]));
	for (size_t i = 0; i < so_far->links.n; i++)
		assert_true(is_clean(so_far->links.v[i]));
	return 0;
}

static int hear_one(const char *text, size_t n, size_t *turns)
{
	cleanup(unpacked_done) struct unpacked got = {0};
	struct hearing h = {.keys = "loihtwse.", .turn = turn, .arg = turns, .got = &got};
	struct cis_error err = {0};
	int words_[2], go[2], r;

	assert_int_equal(pipe(words_), 0);
	assert_int_equal(pipe(go), 0);
	h.fd = words_[0];
	h.go = go[1];
	assert_int_equal(io_write_all(words_[1], text, n), 0);
	close(words_[1]);
	r = hearing_take(&h, &err);
	assert_true(*turns <= 1 && !*h.sum && !h.size);
	if (r == 0)
		assert_true(h.done && (!*got.list || is_hex(got.list)));
	if (h.told)
		check_refusal(r, &err);
	for (const char *p = err.message; h.told && *p; p++)
		assert_true((unsigned char)*p >= ' ' && *p != 127);
	close(words_[0]);
	close(go[0]);
	close(go[1]);
	return r;
}

static void test_words(void **state)
{
	static const char said[] = "o\0" "oetc/opaque\0" "iusr\0" "iusr/lib\0" "hbin/a\0" "tbin/b\0" "w\0"
		"l0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\0" "s12345\0" ".";
	static const char sorry[] = "oetc\0" "e28 write a: No space left on device";
	size_t taken = 0, told = 0, all = rounds();

	(void)state;
	for (size_t i = 0; i < all; i++) {
		bool is_sorry = i % 8 == 0;
		size_t n = is_sorry ? sizeof sorry : sizeof said, turns = 0;
		char buf[1024];
		int r;

		memcpy(buf, is_sorry ? sorry : said, n);
		r = hear_one(buf, i < 16 ? n : change(buf, n, sizeof buf), &turns);
		assert_true(i >= 16 || (r == 0) == !is_sorry);
		taken += r == 0;
		told += turns;
	}
	assert_true(taken > all / 50 && told > all / 50);
}

/* ---- documents ------------------------------------------------------------------------------ */

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char config_text[] =
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=b\",\"PATH=/bin\"],"
	"\"Entrypoint\":[\"/e\"],\"Cmd\":[\"c\",\"d\"],\"User\":\"u:g\",\"WorkingDir\":\"/w\","
	"\"StopSignal\":\"SIGRTMIN+3\"},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]}}";

static void test_config(void **state)
{
	size_t taken = 0, all = rounds() / ROUNDS_OF_DOCUMENTS_EACH;

	(void)state;
	for (size_t i = 0; i < all; i++) {
		cleanup(image_config_done) struct image_config c = {0};
		struct cis_error err = {0};
		int r;

		put_changed("config.json", config_text);
		r = image_config_read(dir, "x", &c, &err);
		if (r < 0) {
			check_refusal(r, &err);
			continue;
		}
		taken++;
		assert_true(!c.workdir || c.workdir[0] == '/');
		assert_true(c.stop_signal >= 0 && c.stop_signal <= 64);
		for (size_t k = 0; k < c.env.n; k++)
			assert_true(strchr(c.env.v[k], '=') > c.env.v[k]);
	}
	assert_true(taken > all / 50 && taken < all);
}

static void test_info(void **state)
{
	static const char text[] = "{\"name\":\"x\",\"digest\":\"sha256:" HEX "\",\"size\":12,"
				   "\"created\":1700000000,\"layers\":[\"" HEX "\",\"" HEX "\"]}";
	const struct store s = {.path = place, .fd = -1, .layers = -1};
	size_t taken = 0, all = rounds() / ROUNDS_OF_DOCUMENTS_EACH;

	(void)state;
	for (size_t i = 0; i < all; i++) {
		cleanup(image_info_done) struct image_info info = {0};
		struct cis_error err = {0};
		int r;

		put_changed("image.json", text);
		r = image_info_read(&s, dir, "x", &info, &err);
		if (r < 0) {
			check_refusal(r, &err);
			continue;
		}
		taken++;
		assert_string_equal(info.img.name, "x");
		assert_true(info.layers.n <= IMAGE_LAYERS_MAX);
		for (size_t k = 0; k < info.layers.n; k++)
			assert_true(is_hex(info.layers.v[k]));
	}
	assert_true(taken > all / 50 && taken < all);
}

/* ---- images ------------------------------------------------------------------------------------ */

/* Its name is its digest, so that what was changed is also read. */
static void put_blob(const char *text, size_t n, char ret[static UNPACK_HEX])
{
	char command[256], name[128];
	FILE *sum;

	put("blob", text, n);
	snprintf(command, sizeof command, "sha256sum %s/blob", place);
	sum = popen(command, "r");
	assert_non_null(sum);
	assert_int_equal(fscanf(sum, "%64s", ret), 1);
	pclose(sum);
	snprintf(name, sizeof name, "blobs/sha256/%s", ret);
	assert_int_equal(renameat(dir, "blob", dir, name), 0);
}

static size_t maybe_change(char *buf, const char *text, size_t room)
{
	size_t n = strlen(text);

	memcpy(buf, text, n);
	return below(3) ? n : change(buf, n, room);
}

static void make_layout(bool is_saved)
{
	char buf[8192], text[4096], config[UNPACK_HEX], manifest[UNPACK_HEX];
	size_t n = maybe_change(buf, config_text, sizeof buf);

	put_blob(buf, n, config);
	if (is_saved) {
		unlinkat(dir, "oci-layout", 0);
		snprintf(text, sizeof text,
			 "[{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[\"a:1\",\"b:2\"],"
			 "\"Layers\":[\"blobs/sha256/" HEX "\"]}]", config);
		put_changed("manifest.json", text);
		return;
	}
	unlinkat(dir, "manifest.json", 0);
	put("oci-layout", "{}", 2);
	snprintf(text, sizeof text,
		 "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1"
		 "+json\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"application"
		 "/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:" HEX "\",\"size\":5}]}",
		 config, n);
	n = maybe_change(buf, text, sizeof buf);
	put_blob(buf, n, manifest);
	snprintf(text, sizeof text,
		 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image."
		 "manifest.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu,\"annotations\":"
		 "{\"org.opencontainers.image.ref.name\":\"a:1\"}}]}", manifest, n);
	n = maybe_change(buf, text, sizeof buf);
	put("index.json", buf, n);
}

static void test_images(void **state)
{
	size_t taken = 0, all = rounds() / ROUNDS_OF_LAYOUTS_EACH;

	(void)state;
	for (size_t i = 0; i < all; i++) {
		cleanup(oci_image_done) struct oci_image img = {0};
		struct cis_error err = {0};
		int r;

		assert_int_equal(mkdirat(dir, "blobs", 0700) | mkdirat(dir, "blobs/sha256", 0700), 0);
		make_layout(i % 2);
		r = oci_read(dir, below(2) ? "a:1" : NULL, NULL, &img, &err);
		assert_int_equal(tree_remove(dir, "blobs"), 0);
		if (r < 0) {
			check_refusal(r, &err);
			continue;
		}
		taken++;
		assert_true(img.n_layers >= 1 && img.n_layers <= IMAGE_LAYERS_MAX);
		assert_true(is_hex(img.digest) && img.config && (img.manifest || i % 2));
		for (size_t k = 0; k < img.n_layers; k++) {
			const struct oci_layer *l = &img.layers[k];

			assert_true(l->path && is_hex(l->diff) && is_hex(l->chain));
			assert_true(!*l->blob || is_hex(l->blob));
		}
	}
	assert_true(taken > all / 50 && taken < all);
}

static int set_up(void **state)
{
	(void)state;
	if (getenv("CIS_FUZZ_SEED"))
		random_state ^= (uint64_t)strtoul(getenv("CIS_FUZZ_SEED"), NULL, 10) << 20;
	if (!mkdtemp(place))
		return -1;
	dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir);
	return tree_remove(AT_FDCWD, place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_images),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
