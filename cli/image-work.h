/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What takes long, in a child process: Ctrl-C and kill find us waiting, we end what the child
 * runs, and it cleans up behind itself.
 */
#ifndef CIS_CLI_IMAGE_WORK_H
#define CIS_CLI_IMAGE_WORK_H

#include <cisandbox.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define EXIT_SIGNAL 128

/* From now on a signal that would end us is remembered; 0 if there was none. */
void work_catch_signals(void);
int work_caught(void);
/* SIG_IGN or SIG_DFL for these, in a child. */
void work_signals(void (*handler)(int));

struct work_child {
	pid_t pid;
	int fd;		 /* what it says */
	char said[4096]; /* the end of that */
	size_t n;
	/* Called after each signal that we got, and now and then after the first. */
	void (*stop)(struct work_child *c, bool is_new);
};

/* Forks; in the child, which holds one end of a pipe, returns 0 and *ret_fd. */
pid_t work_start(struct work_child *c, int *ret_fd);
/* Until it has ended: its wait status. */
int work_wait(struct work_child *c);

/* What a child says that calls the library. */
struct work_report {
	int fd;
	struct cis_image image; /* the result */
	bool was_there;
};
/* For pull and import: @arg is the report. */
void work_progress(const struct cis_image_progress *p, void *arg);

/*
 * Calls @job in a child, shows what it is about and how far, prints the result. Returns the
 * exit status.
 */
typedef int work_job(struct work_report *report, void *arg, struct cis_error *err);
int work_run(const char *verb, const char *what, work_job *job, void *arg);

#endif
