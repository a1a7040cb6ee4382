/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is admitted: rules, versions, SBOMs, records; and none of it trips over garbage. */
#include "image/admit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"

#define HEX "14876b8e6e5bda26a2458f3f7953beaa57da047233aabe850da513d4ab8e7d5b"
#define OTHER "24876b8e6e5bda26a2458f3f7953beaa57da047233aabe850da513d4ab8e7d5b"
#define PEM                                                       \
	"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQc\n" \
	"DQgAE\n-----END PUBLIC KEY-----\n"

/* ---- base64 -------------------------------------------------------------------------- */

static void test_base64(void **state)
{
	static const struct {
		const char *text, *wanted; /* NULL: refused */
	} cases[] = {
		{"", ""},         {"YQ==", "a"},    {"YWI=", "ab"},   {"YWJj", "abc"},
		{"+/+/", "\xfb\xff\xbf"}, {"YQ=", NULL}, {"YQ", NULL}, {"Y===", NULL},
		{"YR==", NULL},   {"YW=j", NULL},   {"YW\nj", NULL},  {"-_-_", NULL},
		{"====", NULL},   {"YQ==YQ==", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *out = NULL;
		size_t n;
		int r = base64_decode(cases[i].text, strlen(cases[i].text), &out, &n);

		assert_int_equal(r, cases[i].wanted ? 0 : -EBADMSG);
		if (r == 0)
			assert_string_equal(out, cases[i].wanted);
		if (r == 0)
			assert_int_equal(n, strlen(cases[i].wanted));
	}
}

/* ---- packages ------------------------------------------------------------------------- */

static void test_versions(void **state)
{
	static const struct {
		const char *type, *version, *rule;
		bool denied;
	} cases[] = {
		{"deb", "5.6.0-0.2", "p=5.6.0", true},
		{"deb", "5.6.0-0.2", "p=5.6.0-0.2", true},
		{"deb", "5.6.0-0.2", "p=5.6.0-0.3", false},
		{"deb", "5.6.1+really5.4.5-1", "p=5.6.1", false},
		{"deb", "3.0.9-1", "p<3.0.11", true},
		{"deb", "3.0.11-1~deb12u2", "p<3.0.11", false},
		{"deb", "3.0.11-1~deb12u2", "p<3.0.11-1", true},
		{"deb", "3.0.11~rc1-1", "p<3.0.11", true},
		{"deb", "2:9.0.1-4", "p<9.1", true}, /* an epoch that the rule does not name */
		{"deb", "2:9.0.1-4", "p<1:9.1", false},
		{"deb", "2:9.0.1-4", "p<2:9.1", true},
		{"apk", "1.2.3-r0", "p<1.2.3", false},
		{"apk", "1.2.3-r0", "p<=1.2.3", true},
		{"rpm", "1.1.1k-9.el8", "p<1.1.1l", true},
		{"npm", "4.17.20", "p<4.17.21", true},
		{"npm", "4.17.21", "p<4.17.21", false},
		{"npm", "4.17.21-rc.1", "p<4.17.21", true},
		{"npm", "4.17.21-canary.1", "p<4.17.21", true},
		{"npm", "4.17.21+build.7", "p<4.17.21", false},
		{"npm", "10.0.0", "p<9.0.0", false},
		{"maven", "2.17.0", "p<2.17.1", true},
		{"maven", "2.17", "p=2.17.0", true},
		{"maven", "1.0-SNAPSHOT", "p<1.0", true},
		{"pypi", "1.0rc1", "p<1.0", true},
		{"pypi", "1.0.dev3", "p<1.0.0", true},
		{"pypi", "1.0a1", "p<1.0", true},
		{"pypi", "1.0.post1", "p<=1.0", false},
		{"golang", "v1.9.3", "p<1.10.0", true},
		{"golang", "v0.0.0-20210101000000-abcdef", "p<0.1.0", true},
		{"generic", "1.0.2k", "p<1.0.2m", true},
		{"generic", "1.0.2m", "p<1.0.2k", false},
		{"", "5.6.0-0.2", "p=5.6.0", true},
		{"npm", "1.0", "p", true},
		{"npm", "NOASSERTION", "p<2", true}, /* who knows */
		{"npm", NULL, "p<2", true},
		{"npm", "1", "q<2", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct admit_package p = {"p", NULL, cases[i].version, NULL};
		char purl[64];

		snprintf(purl, sizeof purl, "pkg:%s/p", cases[i].type);
		p.purl = *cases[i].type ? purl : NULL;
		assert_int_equal(admit_denied_check(cases[i].rule, NULL), 0);
		if (admit_is_denied(cases[i].rule, &p) != cases[i].denied)
			fail_msg("%s: %s %s", cases[i].rule, cases[i].type, cases[i].version);
	}
}

static void test_names(void **state)
{
	const struct admit_package log4j = {"log4j-core", "org.apache.logging.log4j", "2.14.0",
					    "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0"};
	static const char *const wrong[] = {"", "<1", "a>1", "a<", "a<=", "a b", "a<1<2", "a=~"};

	(void)state;
	assert_true(admit_is_denied("log4j-core", &log4j));
	assert_true(admit_is_denied("LOG4J-Core<2.17.1", &log4j));
	assert_true(admit_is_denied("org.apache.logging.log4j/log4j-core<2.17.1", &log4j));
	assert_true(admit_is_denied("org.apache.logging.log4j:log4j-core", &log4j));
	assert_true(admit_is_denied("pkg:maven/org.apache.logging.log4j/log4j-core<3", &log4j));
	assert_false(admit_is_denied("pkg:maven/org.apache.logging.log4j/log4j", &log4j));
	assert_false(admit_is_denied("log4j", &log4j));
	assert_false(admit_is_denied("log4j-core-extra", &log4j));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (admit_denied_check(wrong[i], NULL) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
}

/* ---- what cosign prints ---------------------------------------------------------------- */

static void test_signatures(void **state)
{
	static const char of[] =
		"[{\"critical\":{\"identity\":{\"docker-reference\":\"r\"},\"image\":"
		"{\"docker-manifest-digest\":\"sha256:%s\"},\"type\":\"%s\"},\"optional\":null}]";
	static const char type[] = "cosign container image signature";
	struct cis_error err = {0};
	char text[512];

	(void)state;
	snprintf(text, sizeof text, of, HEX, type);
	assert_int_equal(admit_read_signatures(text, strlen(text), HEX, &err), 0);
	assert_int_equal(admit_read_signatures(text, strlen(text), OTHER, &err), -EACCES);
	snprintf(text, sizeof text, of, HEX, "atomic container signature");
	assert_int_equal(admit_read_signatures(text, strlen(text), HEX, &err), -EACCES);
	assert_int_equal(admit_read_signatures("[]", 2, HEX, &err), -EACCES);
	assert_int_equal(admit_read_signatures("[{}]", 4, HEX, &err), -EACCES);
	assert_int_equal(admit_read_signatures("{}", 2, HEX, &err), -EINVAL);
	assert_int_equal(admit_read_signatures("", 0, HEX, &err), -EINVAL);
}

static char *encode(const char *s)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(s), at = 0;
	char *out = calloc(1, (n + 2) / 3 * 4 + 1);

	assert_non_null(out);
	for (size_t i = 0; i < n; i += 3) {
		unsigned char b[3] = {(unsigned char)s[i], i + 1 < n ? (unsigned char)s[i + 1] : 0,
				      i + 2 < n ? (unsigned char)s[i + 2] : 0};

		out[at++] = letters[b[0] >> 2];
		out[at++] = letters[(b[0] & 3) << 4 | b[1] >> 4];
		out[at++] = i + 1 < n ? letters[(b[1] & 15) << 2 | b[2] >> 6] : '=';
		out[at++] = i + 2 < n ? letters[b[2] & 63] : '=';
	}
	return out;
}

static char *envelope(const char *digest, const char *predicate_type, const char *predicate)
{
	cleanup_free char *statement = NULL, *payload = NULL;
	char *ret = NULL;

	assert_int_equal(str_format(&statement,
				    "{\"_type\":\"https://in-toto.io/Statement/v0.1\","
				    "\"predicateType\":\"%s\",\"subject\":[{\"name\":\"r\","
				    "\"digest\":{\"sha256\":\"%s\"}}],\"predicate\":%s}",
				    predicate_type, digest, predicate), 0);
	payload = encode(statement);
	assert_int_equal(str_format(&ret,
				    "{\"payloadType\":\"application/vnd.in-toto+json\","
				    "\"payload\":\"%s\",\"signatures\":[{\"sig\":\"\"}]}\n",
				    payload), 0);
	return ret;
}

#define SPDX "https://spdx.dev/Document"
#define CYCLONEDX "https://cyclonedx.org/bom"
static const char spdx[] =
	"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{\"name\":\"zlib\"},{\"name\":\"xz-utils\","
	"\"versionInfo\":\"5.6.0-0.2\",\"externalRefs\":[{\"referenceType\":\"purl\","
	"\"referenceLocator\":\"pkg:deb/debian/xz-utils@5.6.0-0.2?arch=amd64\"}]}]}";
static const char cyclonedx[] =
	"{\"bomFormat\":\"CycloneDX\",\"components\":[{\"name\":\"a\",\"version\":\"1\",\"components\":["
	"{\"name\":\"b\",\"version\":\"2\"},{\"name\":\"c\",\"components\":[{\"name\":\"deep\","
	"\"version\":\"3.1\"}]}]},{\"name\":\"e\",\"components\":[]}]}";

/* In one document; @rule may be NULL. */
static int look(const char *digest, const char *type, const char *sbom, const char *rule,
		struct cis_error *err)
{
	cleanup_free char *text = envelope(digest, type, sbom);
	cleanup(strv_done) struct strv denied = {0};
	uint64_t packages = 0;
	int r;

	if (rule)
		assert_int_equal(strv_add(&denied, rule), 0);
	r = admit_read_attestations(text, strlen(text), HEX, &denied, &packages, err);
	return r < 0 ? r : (int)packages;
}

static void test_sboms(void **state)
{
	static const struct {
		const char *type, *sbom, *rule;
		int wanted; /* packages, or an error */
	} cases[] = {
		{SPDX, spdx, NULL, 2},
		{SPDX "/v2.3", spdx, NULL, 2},
		{SPDX, spdx, "xz-utils=5.6.0", -EACCES},
		{SPDX, spdx, "pkg:deb/debian/xz-utils<5.6.2", -EACCES},
		{SPDX, spdx, "xz-utils<5.6.0", 2},
		{SPDX, spdx, "zlib<1", -EACCES}, /* it does not say which zlib */
		{CYCLONEDX, cyclonedx, NULL, 5},
		{CYCLONEDX, cyclonedx, "deep", -EACCES},
		{CYCLONEDX, cyclonedx, "e", -EACCES},
		{CYCLONEDX, cyclonedx, "deep<3.1", 5},
		{CYCLONEDX, spdx, NULL, -EBADMSG},
		{SPDX, cyclonedx, NULL, -EBADMSG},
		{"https://slsa.dev/provenance/v1", spdx, NULL, -EACCES},
		{SPDX "ary", spdx, NULL, -EACCES},
		{SPDX, "[]", NULL, -EINVAL},
		{SPDX, "{\"spdxVersion\":\"SPDX-2.3\"}", NULL, -EINVAL},
		{SPDX, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":{}}", NULL, -EINVAL},
		{SPDX, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[]}", "a", 0},
		{SPDX, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{}]}", NULL, -EBADMSG},
		{SPDX, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[1]}", NULL, -EBADMSG},
		{SPDX, "{\"spdxVersion\":\"SPDX-3.0\",\"packages\":[]}", NULL, -EBADMSG},
		{SPDX, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[],\"packages\":[]}", NULL, -EINVAL},
		{CYCLONEDX, "{\"bomFormat\":\"CycloneDX\",\"components\":[{\"name\":\"a\","
			    "\"components\":{\"x\":{\"name\":\"e\"}}}]}", NULL, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cis_error err = {0};
		int r = look(HEX, cases[i].type, cases[i].sbom, cases[i].rule, &err);

		if (r != cases[i].wanted)
			fail_msg("case %zu: %d (%s)", i, r, err.message);
	}
}

static void test_attestations(void **state)
{
	cleanup_free char *good = envelope(HEX, SPDX, spdx), *both = NULL, *many = NULL;
	cleanup_free char *other = envelope(OTHER, SPDX, spdx);
	const struct strv none = {0};
	struct cis_error err = {0};
	uint64_t n;

	(void)state;
	assert_int_equal(look(OTHER, SPDX, spdx, NULL, &err), -EACCES);
	assert_non_null(strstr(err.message, "is about sha256:" HEX));
	assert_int_equal(look(HEX, SPDX, spdx, "xz-utils<=5.6.1", &err), -EACCES);
	assert_string_equal(err.message, "SBOM: has the package xz-utils 5.6.0-0.2, which is denied "
					 "by \"xz-utils<=5.6.1\"");
	assert_int_equal(admit_read_attestations("", 0, HEX, &none, &n, &err), -EACCES);
	assert_int_equal(admit_read_attestations("{}\n", 3, HEX, &none, &n, &err), -EINVAL);
	/* That of another image beside it does no harm, and is not looked through. */
	assert_int_equal(str_format(&both, "%s%s\n", other, good), 0);
	assert_int_equal(admit_read_attestations(both, strlen(both), HEX, &none, &n, &err), 0);
	assert_int_equal(n, 2);
	/* More than anybody attaches. */
	many = calloc(65, strlen(good) + 1);
	assert_non_null(many);
	for (int i = 0; i < 65; i++)
		memcpy(many + (size_t)i * strlen(good), good, strlen(good));
	assert_int_equal(admit_read_attestations(many, strlen(many), HEX, &none, &n, &err), -E2BIG);
}

/* As big as that of a whole distribution, whose last package is denied. */
static void test_large(void **state)
{
	enum { PACKAGES = 60000 };
	cleanup_free char *sbom = malloc(PACKAGES * 160 + 256);
	char *end = sbom;
	struct cis_error err = {0};

	(void)state;
	assert_non_null(sbom);
	end += sprintf(end, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[");
	for (int i = 0; i < PACKAGES; i++)
		end += sprintf(end, "{\"name\":\"p%d\",\"versionInfo\":\"1.%d\",\"externalRefs\":[{"
			       "\"referenceType\":\"purl\",\"referenceLocator\":\"pkg:deb/p%d@1\"}]},",
			       i, i, i);
	sprintf(end - 1, "]}");
	assert_int_equal(look(HEX, SPDX, sbom, "p59999<1.59999", &err), PACKAGES);
	assert_int_equal(look(HEX, SPDX, sbom, "p59999<=1.59999", &err), -EACCES);
	/* A million values are too many, whatever they are. */
	end = stpcpy(sbom, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[0");
	for (int i = 0; i < 1000000; i++)
		end = stpcpy(end, ",0");
	strcpy(end, "]}");
	assert_int_equal(look(HEX, SPDX, sbom, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.message, "more than 1000000 values"));
}

static void test_terminal(void **state)
{
	struct cis_error err = {0};

	(void)state;
	assert_int_equal(look(HEX, SPDX, "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{\"name\":\"a\","
			      "\"versionInfo\":\"1\\u001b[2J\\u009b2J\"}]}", "a", &err), -EACCES);
	assert_string_equal(err.message, "SBOM: has the package a 1?[2J??2J, which is denied by \"a\"");
}

/* What is changed anywhere is never admitted for another digest, and nothing breaks. */
static void test_garbage(void **state)
{
	cleanup_free char *a = envelope(OTHER, SPDX, spdx), *b = envelope(OTHER, CYCLONEDX, cyclonedx);
	const char *const seeds[] = {a, b};
	cleanup(strv_done) struct strv denied = {0};
	uint32_t seed = 1;
	uint64_t n;

	(void)state;
	assert_int_equal(strv_add(&denied, "deep<3"), 0);
	for (int i = 0; i < 20000; i++) {
		cleanup_free char *text = strdup(seeds[i % 2]);
		size_t len = strlen(text);

		for (int k = 0; k < 1 + i % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % len] = (char)(i % 3 ? (seed >> 3) % 95 + 32 : seed >> 24);
		}
		if (admit_read_attestations(text, len, HEX, &denied, &n, NULL) == 0)
			fail_msg("admitted: %s", text);
		admit_read_signatures(text, len, HEX, NULL);
	}
	/* Signed garbage. Whether it is admitted is its signer's to answer for. */
	for (int i = 0; i < 10000; i++) {
		cleanup_free char *sbom = strdup(i % 2 ? spdx : cyclonedx);

		for (int k = 0; k < 1 + i % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			sbom[(seed >> 8) % strlen(sbom)] = (char)((seed >> 3) % 95 + 32);
		}
		look(HEX, i % 2 ? SPDX : CYCLONEDX, sbom, "deep<3", NULL);
	}
}

/* ---- rules ------------------------------------------------------------------------------- */

static char dir[] = "/tmp/test-admit-XXXXXX";

static void put(const char *name, const char *text, mode_t mode)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int make_files(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	put("key", PEM, 0644);
	put("loose", PEM, 0666);
	put("private", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END X-----\n", 0600);
	put("roots", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0644);
	return chdir(dir);
}

static int remove_files(void **state)
{
	static const char *const names[] = {"key", "loose", "private", "roots"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	return chdir("/") < 0 ? -1 : rmdir(dir);
}

static void test_signers(void **state)
{
	static const struct {
		const char *text, *wrong; /* NULL: taken */
	} cases[] = {
		{"cosign-key=key", NULL},
		{"cosign-key=key,tlog=off", NULL},
		{"identity=a@b.c,issuer=https://i", NULL},
		{"identity=a@b.c,issuer=https://i,ca-roots=roots", NULL},
		{"cosign-key=none", "No such file"},
		{"cosign-key=/", "no regular file"},
		{"cosign-key=loose", "can be written by others"},
		{"cosign-key=private", "is no public key"},
		{"cosign-key=roots", "is no public key"},
		{"cosign-key=key,identity=a,issuer=b", "want either"},
		{"cosign-key=key,ca-roots=roots", "want either"},
		{"cosign-key=key,cosign-key=key", "twice"},
		{"identity=a", "want either"},
		{"issuer=a", "want either"},
		{"ca-roots=roots", "want either"},
		{"", "is none of"},
		{"cosign-key=", "cosign-key needs a value"},
		{"issuer", "issuer needs a value"},
		{"key=key", "is none of"},
		{"tlog=on", "is none of"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(admit_signer_done) struct admit_signer s = {0};
		struct cis_error err = {0};
		int r = admit_signer_parse(cases[i].text, &s, &err);

		if (cases[i].wrong ? r == 0 || !strstr(err.message, cases[i].wrong) : r < 0)
			fail_msg("\"%s\": %d (%s)", cases[i].text, r, err.message);
	}
}

static const char policy[] =
	"{ // of a test\n"
	"\"accept-imports\": true, \"rules\": [\n"
	"{\"prefix\": \"ghcr.io/acme\", \"identity\": \"a@b.c\", \"issuer\": \"https://i\",\n"
	" \"deny-packages\": [\"xz-utils=5.6.0\"]},\n"
	"{\"prefix\": \"ghcr.io/acme/base\", \"accept-unsigned\": true},\n"
	"{\"prefix\": \"r:5000/x\", \"cosign-key\": \"%s/key\", \"tlog\": false},\n"
	"{\"prefix\": \"r:5000/y\", \"cosign-key\": \"%s/key\"}]}";

static void load(struct admit_policy *p)
{
	cleanup_free char *text = NULL;
	struct cis_error err = {0};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	assert_int_equal(str_format(&text, policy, dir, dir), 0);
#pragma GCC diagnostic pop
	if (admit_policy_parse(text, strlen(text), "p", p, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_policy(void **state)
{
	static const struct {
		const char *repository, *prefix; /* NULL: no rule */
	} cases[] = {
		{"ghcr.io/acme/tool", "ghcr.io/acme"},
		{"ghcr.io/acme", "ghcr.io/acme"},
		{"ghcr.io/acme/base/debian", "ghcr.io/acme/base"},
		{"ghcr.io/acme/based", "ghcr.io/acme"},
		{"ghcr.io/acmetoo/tool", NULL},
		{"docker.io/ghcr.io/acme", NULL},
		{"", NULL},
	};
	static const char *const wrong[][2] = {
		{"[]", "expected an object"},
		{"{}", "\"rules\" is missing"},
		{"{\"rules\": {}}", "expected an array"},
		{"{\"rules\": [], \"accept-import\": true}", "did you mean \"accept-imports\""},
		{"{\"rules\": [{}]}", "\"prefix\" is missing"},
		{"{\"rules\": [{\"prefix\": \"a\"}]}", "want either"},
		{"{\"rules\": [{\"prefix\": \"a/\", \"accept-unsigned\": true}]}", "no repository"},
		{"{\"rules\": [{\"prefix\": \"a/*\", \"accept-unsigned\": true}]}", "no repository"},
		{"{\"rules\": [{\"prefix\": \"a\", \"cosign-key\": \"key\"}]}", "absolute"},
		{"{\"rules\": [{\"prefix\": \"a\", \"cosign-key\": \"/nowhere/key\"}]}", "No such file"},
		{"{\"rules\": [{\"prefix\": \"a\", \"accept-unsigned\": true, \"issuer\": \"i\"}]}",
		 "accepts what is unsigned"},
		{"{\"rules\": [{\"prefix\": \"a\", \"accept-unsigned\": true, \"require-sbom\": true}]}",
		 "whose signature"},
		{"{\"rules\": [{\"prefix\": \"a\", \"identity\": \"i\", \"issuer\": \"i\", "
		 "\"deny-packages\": [\"a>1\"]}]}", "there is no \">\""},
		{"{\"rules\": [{\"prefix\": \"a\", \"accept-unsigned\": true}, "
		 "{\"prefix\": \"a\", \"accept-unsigned\": true}]}", "a second rule"},
	};
	cleanup(admit_policy_done) struct admit_policy p = {0};

	(void)state;
	load(&p);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct admit_rule *rule = admit_policy_find(&p, cases[i].repository);

		assert_int_equal(!rule, !cases[i].prefix);
		if (rule)
			assert_string_equal(rule->prefix, cases[i].prefix);
	}
	assert_true(admit_policy_find(&p, "ghcr.io/acme")->sbom);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct admit_policy none = {0};
		struct cis_error err = {0};

		if (admit_policy_parse(wrong[i][0], strlen(wrong[i][0]), "p", &none, &err) == 0 ||
		    !strstr(err.message, wrong[i][1]))
			fail_msg("%s: %s", wrong[i][0], err.message);
	}
}

/* ---- records ------------------------------------------------------------------------------- */

#define TRUST "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"

static void test_records(void **state)
{
	static const struct {
		const char *text, *wrong; /* NULL: it may start */
	} cases[] = {
		{"null", NULL}, /* imported */
		{"{\"repository\":\"ghcr.io/acme/base\",\"digest\":\"d\"}", NULL},
		{"{\"repository\":\"quay.io/a\",\"digest\":\"d\"}", "no rule is for quay.io/a"},
		{"{\"repository\":\"r:5000/x\",\"digest\":\"d\"}", "was not verified with the key"},
		{"{\"repository\":\"r:5000/x\",\"digest\":\"d\",\"cosign-key\":\"sha256:\",\"trust\":\""
		 TRUST "\",\"tlog\":false}", NULL},
		{"{\"repository\":\"r:5000/x\",\"digest\":\"d\",\"cosign-key\":\"sha256:\",\"trust\":\"X"
		 TRUST "\",\"tlog\":false}", "was not verified with the key"},
		{"{\"repository\":\"r:5000/x\",\"digest\":\"d\",\"identity\":\"i\",\"issuer\":\"i\","
		 "\"trust\":\"" TRUST "\",\"tlog\":true}", "was not verified with the key"},
		{"{\"repository\":\"r:5000/y\",\"digest\":\"d\",\"cosign-key\":\"sha256:\",\"trust\":\""
		 TRUST "\",\"tlog\":false}", "without the transparency log"},
		{"{\"repository\":\"r:5000/y\",\"digest\":\"d\",\"cosign-key\":\"sha256:\",\"trust\":\""
		 TRUST "\",\"tlog\":true}", NULL},
		{"{\"repository\":\"ghcr.io/acme/t\",\"digest\":\"d\",\"identity\":\"a@b.c\",\"issuer\":"
		 "\"https://i\",\"tlog\":true}", "no SBOM"},
		{"{\"repository\":\"ghcr.io/acme/t\",\"digest\":\"d\",\"identity\":\"a@b.c\",\"issuer\":"
		 "\"https://i\",\"tlog\":true,\"sbom\":\"spdx\",\"packages\":1,\"denied\":[\"a\"]}",
		 "was not looked through for \"xz-utils=5.6.0\""},
		{"{\"repository\":\"ghcr.io/acme/t\",\"digest\":\"d\",\"identity\":\"a@b.c\",\"issuer\":"
		 "\"https://i\",\"tlog\":true,\"sbom\":\"spdx\",\"packages\":1,"
		 "\"denied\":[\"a\",\"xz-utils=5.6.0\"]}", NULL},
		{"{\"repository\":\"ghcr.io/acme/t\",\"digest\":\"d\",\"identity\":\"a@b.c\",\"issuer\":"
		 "\"https://j\",\"tlog\":true,\"sbom\":\"spdx\",\"packages\":1,"
		 "\"denied\":[\"a\",\"xz-utils=5.6.0\"]}", "was not verified as signed by"},
		{"{\"repository\":\"ghcr.io/acme/t\",\"digest\":\"d\",\"identity\":\"a@b.c\",\"issuer\":"
		 "\"https://i\",\"trust\":\"X\",\"tlog\":true,\"sbom\":\"spdx\",\"packages\":1,"
		 "\"denied\":[\"a\",\"xz-utils=5.6.0\"]}", "was not verified as signed by"},
	};
	cleanup(admit_policy_done) struct admit_policy p = {0};
	const struct admit_policy no_policy = {0};

	(void)state;
	load(&p);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(admit_record_done) struct admit_record rec = {0};
		cleanup(json_freep) struct json *doc = NULL, *again = NULL;
		cleanup_free char *a = NULL, *b = NULL;
		struct cis_error err = {0};
		int r = json_parse(cases[i].text, strlen(cases[i].text), 0, "r", &doc, &err);

		if (r == 0 && doc->type == JSON_OBJECT)
			r = admit_record_read(doc, &rec, &err);
		assert_int_equal(r, 0);
		r = admit_record_judge(&p, &rec, &err);
		if (cases[i].wrong ? r != -EACCES || !strstr(err.message, cases[i].wrong) : r < 0)
			fail_msg("case %zu: %d (%s)", i, r, err.message);
		assert_int_equal(admit_record_judge(&no_policy, &rec, &err), 0);
		/* What is written is what is read. */
		again = admit_record_json(&rec);
		if (!again)
			continue;
		assert_int_equal(json_write(again, 0, &a), 0);
		admit_record_done(&rec);
		assert_int_equal(admit_record_read(again, &rec, NULL), 0);
		json_freep(&again);
		again = admit_record_json(&rec);
		assert_int_equal(json_write(again, 0, &b), 0);
		assert_string_equal(a, b);
	}
	p.imports = false;
	assert_int_equal(admit_record_judge(&p, &(struct admit_record){0}, NULL), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_sboms),
		cmocka_unit_test(test_attestations),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_signers),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
