/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of config.json, and what becomes of them. After <cmocka.h>. */
#ifndef TEST_CONFIG_PARTS_H
#define TEST_CONFIG_PARTS_H

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/config-read.h"
#include "container/config.h"

#define DOC "%s"
#define TOP "{'ociVersion':'1.0.2-dev','root':{'path':'r'},%s}"

#define PROCESS "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
		"'process':{'args':['a'],'cwd':'/',%s}}"

#define MOUNT "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
	      "'mounts':[{'destination':'/a','type':'tmpfs',%s}]}"

#define OPTIONS "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
		"'mounts':[{'destination':'/a','type':'tmpfs','options':[%s]}]}"

#define LINUX "{'ociVersion':'1.0.2-dev','root':{'path':'r'},'linux':{%s}}"
#define RES "{'ociVersion':'1.0.2-dev','root':{'path':'r'},'linux':{'resources':{%s}}}"

#define SECCOMP "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
		"'linux':{'seccomp':{'defaultAction':'SCMP_ACT_ERRNO',%s}}}"

/* @text in @frame, with quotes; for the caller to free. */
static char *document(const char *frame, const char *text)
{
	const char *at = strstr(frame, DOC);
	char *doc = NULL;

	assert_non_null(at);
	assert_int_equal(str_format(&doc, "%.*s%s%s", (int)(at - frame), frame, text, at + 2),
			 0);
	for (char *p = doc; *p; p++)
		if (*p == '\'')
			*p = '"';
	return doc;
}

static inline void refuse(const char *frame, const char *text, const char *message)
{
	cleanup_free char *doc = document(frame, text);
	struct cis_error err = {0};
	struct config c;
	unsigned line = 0, column = 0;
	int n = 0, r = config_parse(&c, doc, strlen(doc), &err);

	config_done(&c);
	if (r == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(r, -err.code);
	assert_int_equal(sscanf(err.message, "config.json:%u:%u: %n", &line, &column, &n), 2);
	assert_int_equal(line, 1);
	assert_true(column > 0 && column <= strlen(doc));
	assert_string_equal(err.message + n, message);
	r = config_parse(&c, doc, strlen(doc), NULL);
	config_done(&c);
	assert_true(r < 0);
}

struct refusal {
	const char *frame, *text, *message;
};

static inline void refuse_all(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		refuse(rows[i].frame, rows[i].text, rows[i].message);
}

#define IDMAP(a, b, n) "{'containerID':" #a ",'hostID':" #b ",'size':" #n "}"

#endif
