/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of egress out of files: lists, presets, and what a run in audit mode learns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "egress-policy.h"
#include "egress/policy-table.h"
#include "egress/ruleset.h"

/* ---- files ------------------------------------------------------------------------ */

static void file_refused(const char *text, size_t len, const char *why)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	int r = ruleset_allow_text(&rs, text, len, "f", &err);

	if (r >= 0 || !strstr(err.message, why))
		fail_msg("%.60s: %d %s", text, r, err.message);
	ruleset_done(&rs);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"example.com\n\n  a..b\n", "f:3: rule \"a..b\": a label is empty"},
		{"a.com b.com\n", "f:1: rule \"a.com b.com\": there is a blank"},
		{"a.com\rb.com\n", "f:1: rule \"a.com\\x0db.com\": there is a control"},
		{"a.com\r\r\n", "f:1: rule \"a.com\\x0d\": there is a control"},
		{"a.com\n*\n", "f:2: rule \"*\": "},
		{"preset no-such\n", "f:1: there is no preset \"no-such\""},
		{"preset github debian\n", "f:1: preset \"github debian\": a name has"},
		{"preset no-lan\n", "f:1: preset no-lan denies"},
		{"preset ../x\n", "f:1: preset \"../x\": a name has"},
		{"deny x.com\n", "there is a blank"},
		{"undeny no-lan\n", "there is a blank"},
		{"-x.com\n+y\n", "f:2: rule \"+y\": \"+\" has no place"},
		{"a.com\xff\n", "f:1: rule \"a.com\\xff\": the byte 0xff is not UTF-8"},
	};
	const size_t mega = 1 << 20;
	char *line = malloc(mega + 1);

	(void)state;
	assert_non_null(line);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		file_refused(cases[i].text, strlen(cases[i].text), cases[i].why);
	file_refused("a.com\nb\0.com\n", 13, "f:2: rule \"b\\x00.com\": there is a control");
	file_refused("\0", 1, "f:1: rule \"\\x00\": there is a control");
	file_refused("preset git\0hub\n", 15, "f:1: there is no such preset");
	memset(line, 'a', mega);
	line[mega] = '\n';
	file_refused(line, mega + 1, "aaa...\": it is longer than any rule");
	file_refused(line, mega, "f:1: rule \"aaa");
	memcpy(line, "preset ", 7);
	file_refused(line, mega, "f:1: there is no such preset");
	free(line);
}

static void test_files_merge(void **state)
{
	static const char one[] = "\xef\xbb\xbf# ours\r\n"
				  "preset pypi\r\n"
				  "\tb.example:443   # why\n"
				  "b.example:80#\n"
				  "  \n"
				  "*.b.example\n"
				  "B.EXAMPLE.:22\n";
	static const char two[] = "b.example\npreset\tdebian \npreset pypi\n"
				  "203.0.113.0/24:5/udp\n2001:db8::1\nb.example:443\n"
				  "a.example:*\n9.9.9.8\n[2001:db8::/32]:7\na.example:1";
	static const char wanted[] = "# what a run used\n#\n# 2026\n"
				     "preset debian\npreset pypi\n"
				     "a.example:*\na.example:1\n"
				     "b.example\nb.example:22\n*.b.example\n"
				     "9.9.9.8\n203.0.113.0/24:5/udp\n"
				     "[2001:db8::/32]:7\n2001:db8::1\n";
	struct ruleset rs = {0}, again = {0};
	struct cis_error err = {0};
	struct policy *p;
	char *text, *text2;

	(void)state;
	must(ruleset_allow_text(&rs, one, sizeof one - 1, "one", &err), &err);
	must(ruleset_allow_text(&rs, two, sizeof two - 1, "two", &err), &err);
	text = printed(&rs);
	assert_string_equal(text, wanted);
	must(ruleset_allow_text(&again, text, strlen(text), "again", &err), &err);
	text2 = printed(&again);
	assert_string_equal(text2, wanted);
	must(ruleset_compile(&again, key, &p, &err), &err);
	wants(p, "b.example", "t22 t80 t443");
	wants(p, "a.example", "a0");
	wants(p, "files.pythonhosted.org", "t443");
	wants(p, "deb.debian.org", "t80 t443");
	wants_at(p, "203.0.113.9", "u5");
	wants_at(p, "2001:db8::1", "t7 t80 t443");
	wants_at(p, "2001:db8::2", "t7");
	policy_free(p);
	free(text);
	free(text2);
	ruleset_done(&rs);
	ruleset_done(&again);
}

/* What a shell makes of <(grep ...) that finds nothing; and of a name nothing is waited for. */
static void test_pipes(void **state)
{
	char dir[] = "/tmp/cisandbox-pipes.XXXXXX", fifo[64], path[64];
	struct cis_error err = {0};
	struct ruleset rs = {0};
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	must(ruleset_allow_file(&rs, path, &err), &err);
	assert_int_equal(rs.allow.n, 0);
	close(ends[0]);
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(ruleset_allow_file(&rs, fifo, &err), -ESPIPE);
	assert_non_null(strstr(err.message, "a pipe into which nobody writes"));
	unlink(fifo);
	rmdir(dir);
	ruleset_done(&rs);
}

static void test_learn(void **state)
{
	static const struct {
		const char *name;
		uint8_t address[4], proto;
		uint16_t port;
	} seen[] = {
		{"y.example", {0}, IPPROTO_TCP, 80},
		{"z.example", {0}, IPPROTO_TCP, 443},
		{"a.example", {0}, IPPROTO_TCP, 80},
		{"z.example.", {0}, IPPROTO_TCP, 443},
		{"A.example", {0}, IPPROTO_TCP, 443},
		{"a.example", {0}, IPPROTO_UDP, 443},
		{NULL, {203, 0, 113, 7}, IPPROTO_TCP, 22},
		{NULL, {203, 0, 113, 7}, IPPROTO_TCP, 22},
		{"a.example", {0}, IPPROTO_TCP, 80},
	};
	struct ruleset rs = {0};
	struct cis_error err = {0};
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		must(ruleset_observe(&rs, seen[i].name, AF_INET, seen[i].address,
				     (struct egress_port){seen[i].proto, seen[i].port}, &err),
		     &err);
	text = printed(&rs);
	assert_string_equal(text,
			    "# what a run used\n#\n# 2026\na.example\na.example:443/udp\n"
			    "y.example:80\nz.example:443\n203.0.113.7:22\n");
	free(text);
	assert_int_equal(ruleset_observe(&rs, "a b", 0, NULL, (struct egress_port){6, 1},
					 &err),
			 -EINVAL);
	assert_int_equal(ruleset_observe(&rs, "a\nb", 0, NULL, (struct egress_port){6, 1},
					 &err),
			 -EINVAL);
	assert_int_equal(ruleset_observe(&rs, "a", 0, NULL, (struct egress_port){6, 0}, &err),
			 -EINVAL);
	assert_int_equal(ruleset_observe(&rs, "a", 0, NULL, (struct egress_port){1, 1}, &err),
			 -EINVAL);
	ruleset_done(&rs);
}

/* ---- presets ---------------------------------------------------------------------- */

static void test_presets(void **state)
{
	static const char *const there[] = {"github", "gitlab", "forgejo", "docker-hub",
					    "ghcr",   "debian", "pypi",	   "npm",
					    "crates", "go",	"maven"};
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p;
	const char *name;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		must(ruleset_allow_preset(&rs, there[i], "--preset", &err), &err);
	assert_int_equal(rs.presets.n, ARRAY_SIZE(there));
	for (size_t i = 0; (name = ruleset_preset_name(i)); i++)
		if (!preset_is_default(name))
			must(ruleset_allow_preset(&rs, name, "--preset", &err), &err);
	must(ruleset_compile(&rs, key, &p, &err), &err);
	wants(p, "github.com", "t22 t443");
	wants(p, "x.actions.githubusercontent.com", "t443");
	wants(p, "evil.blob.core.windows.net", "");
	wants(p, "registry-1.docker.io", "t443");
	policy_free(p);
	ruleset_done(&rs);
}

static void write_preset(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s.json", dir, name);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, ""), -ENOENT);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void test_preset_directory(void **state)
{
	static const struct {
		const char *name, *text, *why; /* NULL: fine */
	} cases[] = {
		{"mine",
		 "{\"version\":1,\"description\":\"d\",\"allow\":[\"a.example\"],"
		 "\"deny\":[\"b.example\"]} // comment",
		 NULL},
		/* Newer than ours. */
		{"pypi", "{\"version\":2,\"description\":\"d\",\"allow\":[\"new.example\"]}",
		 NULL},
		{"bad-rule", "{\"version\":1,\"description\":\"d\",\n\"allow\":[\n\"a..b\"]}",
		 "bad-rule.json:3: rule \"a..b\": a label"},
		{"bad-deny", "{\"version\":1,\"description\":\"d\",\"deny\":[\"a:1\"]}",
		 "all ports"},
		{"bad-type", "{\"version\":1,\"description\":\"d\",\"allow\":[1]}",
		 "expected a string"},
		{"bad-list", "{\"version\":1,\"description\":\"d\",\"allow\":\"a\"}",
		 "expected an array"},
		{"bad-key", "{\"version\":1,\"description\":\"d\",\"include\":[\"bad-key\"]}",
		 "include"},
		{"no-version", "{\"description\":\"d\"}", "version"},
		{"bad-version", "{\"version\":0,\"description\":\"d\"}", "version"},
		{"no-text", "", "no-text.json"},
		{"no-json", "a.example\n", "no-json.json:1"},
	};
	char dir[] = "/tmp/test-egress-XXXXXX", path[256];
	struct cis_error err = {0};
	struct ruleset rs = {0};
	struct policy *p;

	(void)state;
	assert_non_null(mkdtemp(dir));
	must(ruleset_presets_in(&rs, dir, &err), &err);
	/* What is denied by default is not replaced. */
	write_preset(dir, "no-lan", "{\"version\":9,\"description\":\"d\",\"deny\":[]}");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		write_preset(dir, cases[i].name, cases[i].text);
		r = ruleset_allow_preset(&rs, cases[i].name, "--preset", &err);
		if (cases[i].why ? r >= 0 || !strstr(err.message, cases[i].why) ||
					   !str_starts(err.message, "--preset: ")
				 : r < 0)
			fail_msg("%s: %d %s", cases[i].name, r, err.message);
		snprintf(path, sizeof path, "%s/%s.json", dir, cases[i].name);
		unlink(path);
		if (cases[i].why) {
			ruleset_done(&rs);
			must(ruleset_presets_in(&rs, dir, &err), &err);
			continue;
		}
		must(ruleset_compile(&rs, key, &p, &err), &err);
		wants(p, "a.example", "t80 t443");
		wants(p, "b.example", "");
		wants(p, "new.example", i ? "t80 t443" : "");
		wants(p, "pypi.org", "");
		never(p, "10.0.0.1", true);
		policy_free(p);
	}
	assert_true(ruleset_allow_preset(&rs, "absent", "--preset", &err) == -ENOENT);
	assert_non_null(strstr(err.message, dir));
	must(ruleset_allow_preset(&rs, "npm", "--preset", &err), &err);
	snprintf(path, sizeof path, "%s/no-lan.json", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_true(ruleset_allow_file(&rs, "/nonexistent/allow.txt", &err) == -ENOENT);
	assert_non_null(strstr(err.message, "/nonexistent/allow.txt"));
	ruleset_done(&rs);
}

/* ---- chance, always the same ------------------------------------------------------ */

/* Files of anything: an error names a line, or what was taken is written and read again. */
static void test_fuzz_files(void **state)
{
	static const char *const bits[] = {
		"a.example", "\n", "\n", "\r\n", "#", " ", "preset ", "debian", "pypi", "*.",
		":22", "203.0.113.0/24", "2001:db8::1", "[", "]", "\t", "\xef\xbb\xbf", "..", "x",
	};
	unsigned int taken = 0;

	(void)state;
	chance_state = 99;
	for (unsigned int i = 0; i < 20000; i++) {
		struct ruleset rs = {0}, again = {0};
		struct cis_error err = {0};
		char text[512], *once, *twice;
		size_t len = 0;

		for (uint32_t n = chance(20); n > 0; n--) {
			const char *bit = bits[chance(ARRAY_SIZE(bits))];

			memcpy(text + len, bit, strlen(bit));
			len += strlen(bit);
		}
		if (len > 0 && chance(5) == 0)
			text[chance((uint32_t)len)] = (char)chance(256);
		if (ruleset_allow_text(&rs, text, len, "f", &err) < 0) {
			assert_true(str_starts(err.message, "f:"));
			ruleset_done(&rs);
			continue;
		}
		taken++;
		once = printed(&rs);
		must(ruleset_allow_text(&again, once, strlen(once), "f", &err), &err);
		twice = printed(&again);
		assert_string_equal(once, twice);
		free(once);
		free(twice);
		ruleset_done(&rs);
		ruleset_done(&again);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_files_merge),
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_preset_directory),
		cmocka_unit_test(test_fuzz_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
