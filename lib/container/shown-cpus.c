/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shown-cpus.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/io.h"
#include "../base/macros.h"
#include "../base/str.h"
#include "../vfs/cpus.h"
#include "profile.h"

static struct vfs_group group_of(const struct place *p, enum place_controller c)
{
	const struct place_group *g = place_of(p, c);

	return (struct vfs_group){g ? g->dir : -1, g && g->v2};
}

void shown_cpus_groups(const struct place *p, struct vfs_groups *ret)
{
	*ret = (struct vfs_groups){
		.memory = group_of(p, PLACE_MEMORY),
		.cpu = group_of(p, PLACE_CPU),
		.cpuacct = group_of(p, PLACE_CPUACCT),
		.cpuset = group_of(p, PLACE_CPUSET),
		.pids = group_of(p, PLACE_PIDS),
		.unified = place_unified_fd(p),
	};
}

unsigned int shown_cpus_turn(uid_t base, const char *id)
{
	unsigned int turn = base / PROFILE_IDS;

	while (!base && *id)
		turn += (unsigned char)*id++;
	return turn;
}

/* All there are: a container is not confined to what the engine is. */
void shown_cpus_facts(unsigned int turn, struct vfs_facts *ret)
{
	cleanup_free char *text = NULL;

	ret->turn = turn;
	CPU_ZERO(&ret->cpus);
	if (io_read_file_at(AT_FDCWD, "/sys/devices/system/cpu/online", 4096, &text, NULL) >= 0)
		cpus_parse_list(text, &ret->cpus);
	if (!CPU_COUNT(&ret->cpus))
		sched_getaffinity(0, sizeof ret->cpus, &ret->cpus);
}

void shown_cpus_read(struct shown_cpus *ret, const struct place *p, unsigned int turn)
{
	cleanup(vfs_sources_done) struct vfs_sources sources;
	struct vfs_facts facts = {0};
	struct vfs_kept kept = {0};
	struct vfs_groups groups;
	struct vfs_numbers n;
	char scratch[8];

	shown_cpus_groups(p, &groups);
	shown_cpus_facts(turn, &facts);
	vfs_sources_init(&sources);
	vfs_sources_open_cpus(&sources, &groups);
	vfs_numbers_read(&n, &kept, &sources, &facts, VFS_NEED_CPU, 0, scratch, sizeof scratch);
	ret->allowed = n.allowed;
	ret->shown = n.cpus;
	ret->fewer = CPU_COUNT(&n.cpus) < CPU_COUNT(&n.allowed);
}

/* ---- those that run already -------------------------------------------------------------- */

static void move_thread(pid_t tid, const struct shown_cpus *before, const struct shown_cpus *now)
{
	const cpu_set_t *to = now->fewer ? &now->shown : NULL;
	cpu_set_t has, all;

	if (sched_getaffinity(tid, sizeof has, &has) < 0)
		return;
	/* The kernel has moved those already that a smaller set left nowhere to run. */
	if (!CPU_EQUAL(&has, &before->shown) && !CPU_EQUAL(&has, &before->allowed) &&
	    !CPU_EQUAL(&has, &now->allowed))
		return;
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &all);
	sched_setaffinity(tid, sizeof all, to ? to : &all);
}

static void move_process(pid_t pid, const struct shown_cpus *before,
			 const struct shown_cpus *now)
{
	char path[48];
	struct dirent *e;
	uint64_t tid;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (str_parse_u64(e->d_name, &tid) == 0)
			move_thread((pid_t)tid, before, now);
	if (dir)
		closedir(dir);
}

void shown_cpus_move(const struct shown_cpus *before, const struct place *p,
		     unsigned int turn)
{
	struct shown_cpus now;
	int *pids = NULL;
	size_t n = 0;

	shown_cpus_read(&now, p, turn);
	if (CPU_EQUAL(&now.shown, &before->shown) && CPU_EQUAL(&now.allowed, &before->allowed))
		return;
	if (place_pids(p, &pids, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		move_process(pids[i], before, &now);
	free(pids);
}
