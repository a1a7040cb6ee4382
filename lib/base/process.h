/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes: made, told apart, and freed of what they inherit. */
#ifndef CIS_BASE_PROCESS_H
#define CIS_BASE_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct clone_args;
struct strv;

/*
 * clone3 with all signals blocked in the child, or a handler of the caller's could run
 * there. 0 in the child, a pid, or -errno; then whatever args->pidfd points to is
 * undefined.
 */
int process_clone(struct clone_args *args);

/*
 * Runs @work in a process that shares memory and descriptors with the caller, who sleeps
 * meanwhile, with all signals blocked: a handler of the program's would run twice, in one
 * memory. Namespaces and working directory that it changes are its own. It may clone, even
 * what lives on. 128K of stack; neither malloc nor locks. Returns what @work does, or -errno.
 */
int process_run_aside(int (*work)(void *arg), void *arg);

/*
 * Waits for the end of one child, whatever its signal at the end, and takes it out of the
 * process table. The status, as of waitpid, or -errno. Nobody (@pid 0 or less): -ECHILD.
 */
int process_wait(pid_t pid);
/* The same by descriptor, which stays the caller's. @ret may be NULL. 0 or -errno. */
int process_reap(int pidfd, siginfo_t *ret);

/*
 * Default actions, nothing blocked: what is about to be executed inherits no signal that
 * is ignored. Raw calls only.
 */
void process_reset_signals_child(void);

/*
 * When it started, in clock ticks since boot: with the pid it names a process for good,
 * since pids come round again. *ret_state: 'R', 'S', 'Z' ...; may be NULL. -ESRCH.
 */
int process_start_time(pid_t pid, uint64_t *ret, char *ret_state);

/*
 * What execve tries for @name, in this order: a shell's search of PATH in @env, done here
 * because the child may not allocate. Of several PATHs the last counts. -ENOMEM.
 */
int process_candidates(struct strv *ret, const char *name, const struct strv *env);
#define PROCESS_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Whether we are in a user namespace other than the host's own, whose root can make no
 * device nodes and restrict no group's devices, whatever its capabilities. Without /proc:
 * no.
 */
bool process_is_in_userns(void);
/* A user, or root of a user namespace: the host's groups, devices, ids are not ours. */
bool process_is_rootless(void);

/* The last value of @key, or NULL. */
const char *process_env(const struct strv *env, const char *key);

#endif
