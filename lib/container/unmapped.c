/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unmapped.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "../base/fd.h"
#include "../base/sys.h"

#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570
#endif

/* The kernel's own: who may do what there is not a matter of owners on a disk. */
static const uint64_t kernels[] = {
	PROC_SUPER_MAGIC,  SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
	DEBUGFS_MAGIC,     TRACEFS_MAGIC,  SECURITYFS_MAGIC,   SELINUX_MAGIC,
	BPF_FS_MAGIC,      NSFS_MAGIC,     DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC,
	PSTOREFS_MAGIC,    CONFIGFS_MAGIC, BINFMTFS_MAGIC,
};

bool unmapped_is_optional(const char *optional, const char *destination)
{
	const size_t n = strlen(destination);

	if (!optional || strcmp(optional, "all") == 0)
		return optional;
	while (*optional) {
		size_t len = strcspn(optional, ",");

		if (len == n && strncmp(optional, destination, n) == 0)
			return true;
		optional += len + (optional[len] == ',');
	}
	return false;
}

enum unmapped unmapped_decide(const struct unmapped_facts *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
		if (f->fs_type == kernels[i])
			return UNMAPPED_AS_IT_IS;
	/* Its nodes are used by their modes; sockets and shm below it are mounts of their own. */
	if (f->is_host_dev)
		return UNMAPPED_AS_IT_IS;
	if (f->fs_type == TMPFS_MAGIC && strcmp(f->destination, "/dev/shm") == 0)
		return UNMAPPED_OWN_SHM;
	return unmapped_is_optional(f->optional, f->destination) ? UNMAPPED_AS_IT_IS
								 : UNMAPPED_REFUSED;
}

/* Kernels before 6.3 cannot map tmpfs, and engines bring the one for /dev/shm along. */
static int make_own_shm(struct box *b, struct config *c, size_t i, const struct statfs *fs)
{
	struct config_mount *m = &c->mounts[i];
	const unsigned long long size = fs->f_blocks * (unsigned long long)fs->f_bsize;
	int r = str_set(&m->source, "shm");

	if (r >= 0)
		r = str_set(&m->type, "tmpfs");
	if (r >= 0)
		r = str_format(&m->data, "mode=1777,size=%llu", size);
	if (r < 0)
		return r;
	m->bind = m->recursive = m->idmap = false;
	m->set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	m->propagation = 0;
	b->trees[i] = fd_close(b->trees[i]);
	return 0;
}

int unmapped_bind(struct box *b, struct config *c, size_t i, int errnum,
		  struct cis_error *err)
{
	const struct config_mount *m = &c->mounts[i];
	struct unmapped_facts facts = {
		.destination = m->destination,
		.optional = config_annotation(c, UNMAPPED_ANNOTATION),
	};
	struct stat st, dev;
	struct statfs fs;
	int r;

	/* Another reason than the file system's: not ours to judge. */
	if (errnum != EINVAL && errnum != EPERM)
		return cis_fail(err, errnum, "id-map the mount of %s at %s", m->source,
				m->destination);
	if (fstatfs(b->trees[i], &fs) < 0 || fstat(b->trees[i], &st) < 0)
		return cis_fail(err, errno, "look at %s", m->source);
	facts.fs_type = (uint64_t)fs.f_type;
	facts.is_host_dev = stat("/dev", &dev) == 0 && dev.st_dev == st.st_dev;
	switch (unmapped_decide(&facts)) {
	case UNMAPPED_AS_IT_IS:
		return 0;
	case UNMAPPED_OWN_SHM:
		r = make_own_shm(b, c, i, &fs);
		return r < 0 ? cis_fail(err, -r, "%s", m->destination) : 0;
	case UNMAPPED_REFUSED:
		break;
	}
	cis_fail_plain(err, EOPNOTSUPP,
		       "%s at %s: its file system, or one mounted in it, cannot be id-mapped",
		       m->source, m->destination);
	return cis_hint(err, "put it on ext4, xfs or btrfs, or mount it as it is, all of it "
			     "nobody's, by the annotation " UNMAPPED_ANNOTATION "=%s",
			m->destination);
}
