/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure half of a pull: what people and registries say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/credentials.h"
#include "image/oci.h"
#include "image/ref.h"
#include "image/registry.h"

#define HEX63 "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX "0" HEX63

/* ---- what people call an image ------------------------------------------------ */

static void test_ref(void **state)
{
	static const struct {
		const char *text, *repo, *tag, *name;
	} good[] = {
		{"debian", "docker.io/library/debian", "latest", "debian"},
		{"debian:12", "docker.io/library/debian", "12", "debian-12"},
		{"docker://debian:12", "docker.io/library/debian", "12", "debian-12"},
		{"docker.io/debian:latest", "docker.io/library/debian", "latest", "debian"},
		{"index.docker.io/a/b", "docker.io/a/b", "latest", "a-b"},
		{"ghcr.io/a/b:V1.2_x", "ghcr.io/a/b", "V1.2_x", "ghcr.io-a-b-v1.2_x"},
		{"localhost/x", "localhost/x", "latest", "localhost-x"},
		{"localhost:5000/x:y", "localhost:5000/x", "y", "localhost-5000-x-y"},
		{"a/b__c--d.e", "docker.io/a/b__c--d.e", "latest", "a-b__c--d.e"},
		{"[::1]:5000/x", "[::1]:5000/x", "latest", ""},
		{"a@sha256:" HEX, "docker.io/library/a", NULL, "a-0123456789ab"},
		{"a:1@sha256:" HEX, "docker.io/library/a", "1", "a-1"},
	};
	static const char *const bad[] = {
		"",
		":",
		"@",
		"/",
		"a/",
		"/a",
		"a//b",
		"A/b",
		"aB",
		"a:",
		"a:-b",
		"a: b",
		"a b",
		"a@",
		"a@sha256:12",
		"a@sha512:" HEX,
		"a@sha256:" HEX "0",
		"a__ b",
		"a..b",
		"a___b",
		"a_",
		"_a",
		"-a",
		"a.",
		"--help",
		"http://a/b",
		"oci:/etc",
		"../a",
		"a:5000x/b",
		"[::1/x",
		"[]/x.",
		"-a.b/c",
		"docker://docker://a",
		"a\nb",
		"a%b",
		"a:b/c:d:e",
		"a:"
		"0123456789012345678901234567890123456789012345678901234567890123"
		"0123456789012345678901234567890123456789012345678901234567890123x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cleanup(image_ref_done) struct image_ref ref = {0};

		assert_int_equal(image_ref_parse(good[i].text, &ref, NULL), 0);
		assert_string_equal(ref.repo, good[i].repo);
		assert_string_equal(ref.tag ? ref.tag : "(none)",
				    good[i].tag ? good[i].tag : "(none)");
		assert_string_equal(ref.name, good[i].name);
		assert_int_equal(strlen(ref.digest), strstr(good[i].text, "@sha") ? 64 : 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup(image_ref_done) struct image_ref ref = {0};

		if (image_ref_parse(bad[i], &ref, NULL) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void test_platform(void **state)
{
	static const char *const bad[] = {"",
					  "linux",
					  "linux/",
					  "/arm",
					  "linux/arm/",
					  "a/b/c/d",
					  "Linux/arm",
					  "linux/arm/v7/",
					  "linux/0123456789012345678901234567890123456789"};
	struct oci_platform p;

	(void)state;
	assert_int_equal(oci_platform_parse("linux/arm64", &p, NULL), 0);
	assert_string_equal(p.arch, "arm64");
	assert_string_equal(p.variant, "");
	assert_int_equal(oci_platform_parse("linux/arm/v7", &p, NULL), 0);
	assert_string_equal(p.variant, "v7");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(oci_platform_parse(bad[i], &p, NULL), -EINVAL);
}

/* ---- what a registry leads to --------------------------------------------------- */

static int follow(const char *text, const char *platform, struct oci_lead *ret)
{
	struct oci_platform p;

	assert_int_equal(oci_platform_parse(platform, &p, NULL), 0);
	return oci_follow(text, strlen(text), "manifest", &p, ret, NULL);
}

#define ENTRY(arch, variant, digit) \
	"{\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"size\": 1," \
	" \"digest\": \"sha256:" digit HEX63 "\", \"platform\": {\"os\": \"linux\"," \
	" \"architecture\": \"" arch "\"" variant "}}"
#define VARIANT(v) ", \"variant\": \"" v "\""
#define INDEX(media) \
	"{\"schemaVersion\": 2," media \
	" \"manifests\": [" ENTRY("arm", VARIANT("v6"), \
				  "6") "," ENTRY("arm", VARIANT("v7"), \
						 "7") "," ENTRY("amd64", "", "a") "]}"

static void test_follow(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"null",
		"{\"schemaVersion\": 1, \"manifests\": []}",
		"{\"schemaVersion\": 2}",
		"{\"schemaVersion\": 2, \"manifests\": {}}",
		"{\"schemaVersion\": 2, \"manifests\": []}",
		"{\"schemaVersion\": \"2\", \"manifests\": []}",
		INDEX("\"mediaType\": \"application/vnd.oci.image.layer.v1.tar\","),
		INDEX("\"mediaType\": \"\\\"}\","),
	};
	struct oci_lead lead;

	(void)state;
	assert_int_equal(follow(INDEX(""), "linux/amd64", &lead), 0);
	assert_true(lead.is_index && lead.hex[0] == 'a' && lead.size == 1);
	assert_int_equal(follow(INDEX(""), "linux/arm/v7", &lead), 0);
	assert_int_equal(lead.hex[0], '7');
	assert_int_equal(follow(INDEX(""), "linux/arm", &lead), 0);
	assert_int_equal(lead.hex[0], '6');
	assert_int_equal(follow(INDEX(""), "linux/mips", &lead), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(follow(bad[i], "linux/amd64", &lead) < 0);
}

static void test_message(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"panic\n", "panic"},
		{"time=\"x\" level=fatal msg=\"Error: \\\"a\\\" b\"\n", "Error: \"a\" b"},
		{"one\ntime=\"x\" msg=\"two\\x1b\"\n\n", "twox1b"},
		{"a\033[2Jb\tc", "a?[2Jb?c"},
		{" msg=\"", ""},
		{" msg=\"a\\", "a\\"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[128];

		snprintf(text, sizeof text, "%s", cases[i][0]);
		assert_string_equal(registry_message(text), cases[i][1]);
	}
}

static void test_credentials(void **state)
{
	static const char text[] =
		"{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"hub\"},"
		" \"ghcr.io/acme\": {\"auth\": \"acme\"}, \"GHCR.IO\": {\"auth\": \"all\", \"n\": 1},"
		" \"ghcr.io.evil.example\": {\"auth\": \"no\"}, \"ghcr.io:443\": {\"auth\": \"port\"}},"
		" \"credsStore\": \"desktop\"}";
	static const char *const cases[][2] = {
		{"docker.io/library/debian",
		 "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"hub\"}}}"},
		{"ghcr.io/acme/app", "{\"auths\":{\"ghcr.io/acme\":{\"auth\":\"acme\"},"
				     "\"GHCR.IO\":{\"auth\":\"all\"}}}"},
		{"ghcr.io:443/x", "{\"auths\":{\"ghcr.io:443\":{\"auth\":\"port\"}}}"},
		{"quay.io/x", "{\"auths\":{}}"},
	};
	struct cis_error err = {0};
	char *got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(credentials_of(text, strlen(text), "f", cases[i][0], &got, &err), 0);
		assert_string_equal(got, cases[i][1]);
		free(got);
	}
	assert_int_equal(credentials_of("{}", 2, "f", "quay.io/x", &got, &err), 0);
	assert_string_equal(got, "{\"auths\":{}}");
	free(got);
	assert_int_equal(credentials_of("[]", 2, "f", "quay.io/x", &got, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_ref),
		cmocka_unit_test(test_platform),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
