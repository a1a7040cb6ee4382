/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts, made detached and attached by descriptor: no host path is walked
 * twice, and nothing ever shows in the host's mount namespace. Everything
 * here is raw system calls and may run between clone and execve.
 */
#ifndef CIS_FS_MOUNT_H
#define CIS_FS_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The single mount at @path (nothing below it), detached. fd or -errno. */
int mount_clone_tree(int dirfd, const char *path, bool readonly);

/*
 * Maps a detached mount's owners through @userns_fd. -EINVAL usually means
 * that the file system underneath cannot be id-mapped.
 */
int mount_idmap(int mount_fd, int userns_fd);

/* "key=value" or "key", comma-separated, to the file system context @fs. May be NULL. */
int mount_set_options(int fs, const char *options);

/*
 * A new instance of a file system, detached. @options is a comma-separated
 * list of key or key=value, or NULL; @source may be NULL. fd or -errno.
 */
int mount_new(const char *type, const char *source, const char *options, uint64_t attrs);

/* Attaches at @target ("a/b") below @rootfd; no symbolic link is followed. */
int mount_attach(int mount_fd, int rootfd, const char *target);

#endif
