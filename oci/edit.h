/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration files of engines, changed as a person would: the bytes of one entry are put
 * in or replaced, all others stay. What is not plain to see is refused, not guessed.
 */
#ifndef CIS_OCI_EDIT_H
#define CIS_OCI_EDIT_H

#include <stdbool.h>
#include <stddef.h>

struct target {
	const char *verb; /* for messages */
	const char *file, *name, *path;
	bool is_default; /* the engine's default, too, unless somebody has chosen one */
};

enum edit { EDIT_FAILED = -1, EDIT_SAME, EDIT_DONE };

struct engine {
	const char *option; /* as in --docker */
	const char *file;
	const char *restart; /* what to do for it to be seen */
	/* The whole new text, to be freed; or SAME, or FAILED with the error told. */
	enum edit (*edit)(const struct target *t, const char *text, size_t len, char **ret);
	/* The path registered under that name, to be freed; 0 none, 1, -1 with it told. */
	int (*find)(const struct target *t, const char *text, size_t len, char **ret);
};

enum edit edit_docker(const struct target *t, const char *text, size_t len, char **ret);
int find_docker(const struct target *t, const char *text, size_t len, char **ret);
enum edit edit_containerd(const struct target *t, const char *text, size_t len, char **ret);
int find_containerd(const struct target *t, const char *text, size_t len, char **ret);
enum edit edit_crio(const struct target *t, const char *text, size_t len, char **ret);
int find_crio(const struct target *t, const char *text, size_t len, char **ret);
enum edit edit_podman(const struct target *t, const char *text, size_t len, char **ret);
int find_podman(const struct target *t, const char *text, size_t len, char **ret);

/* Ours, if under another path. */
bool is_our_path(const char *path);
/* "\r\n" where the text has them. */
const char *newline_of(const char *text);

/* install.c; one without option at the end */
extern const struct engine engines[];
/* Whether root's daemons may run it. NULL, or what is wrong. */
const char *why_not_executable(const char *path);

#endif
