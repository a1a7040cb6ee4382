/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox uses, and which of its limits it has reached. */
#include "supervise.h"

#include <stdio.h>

#include "base/clock.h"
#include "bundle.h"
#include "disk.h"

struct figures {
	struct group_stat group;
	struct scratch_usage disk; /* size 0: not known */
	struct gate_numbers gate;
	bool has_gate;
};

static void read_figures(const struct cis_sandbox *sb, struct figures *ret)
{
	int r;

	*ret = (struct figures){0};
	if (sb->is_bundle) {
		bundle_stat(&sb->container.place, &ret->group);
		return;
	}
	ret->has_gate = gate_read_numbers(sb->state.dir, gate_number(&sb->gate), &ret->gate) >= 0;
	group_stat(&sb->group, &ret->group);
	r = sb->plan.n_fds ? scratch_usage(sb->plan.fds[SLOT_SCRATCH], &ret->disk)
			   : disk_usage_of(&sb->state, sb->pid, &ret->disk);
	if (r < 0)
		ret->disk = (struct scratch_usage){0};
}

/*
 * What is left when a writer is refused: crumbs, too small for it. An ext4 keeps up to a MiB back
 * for its own blocks.
 */
static uint64_t disk_crumbs(const struct cis_sandbox *sb, uint64_t size)
{
	return sb->plan.disk == CIS_DISK_LOOP ? MIN(MAX(size / 256, 1ULL << 20), size / 4)
					      : size / 256;
}

/*
 * Looks, once a second or ten times, not each refusal: who was refused, and removed between two
 * of them what had filled the disk, was told by its own ENOSPC or EDQUOT alone.
 */
static void check_disk(struct cis_sandbox *sb, const struct scratch_usage *disk)
{
	const uint64_t inodes_left = disk->inodes_size - disk->inodes;
	uint64_t host_left = UINT64_MAX;
	char text[200];

	sb->disk_peak = MAX(sb->disk_peak, disk->used);
	if (disk->size && disk->left <= disk_crumbs(sb, disk->size) && !sb->disk_seen) {
		sb->disk_seen = true;
		snprintf(text, sizeof text,
			 "disk limit reached: %lluM of %lluM in use%s (raise --disk)",
			 (unsigned long long)disk->used >> 20,
			 (unsigned long long)disk_size(&sb->spec) >> 20,
			 sb->plan.disk == CIS_DISK_LOOP ? ", the rest is ext4's own" : "");
		supervise_post(sb, CIS_EVENT_DISK_LIMIT, disk->used, "limit.hit", text);
	}
	if (disk->inodes_size && !inodes_left && !sb->inodes_seen) {
		sb->inodes_seen = true;
		snprintf(text, sizeof text,
			 "disk limit reached: all of %llu inodes in use (raise --disk-inodes)",
			 (unsigned long long)disk->inodes_size);
		supervise_post(sb, CIS_EVENT_DISK_LIMIT, disk->inodes, "limit.hit", text);
	}
	if (sb->plan.disk != CIS_DISK_TMPFS && !sb->host_disk_seen)
		host_left = disk_host_left();
	if (host_left < SCRATCH_HOST_LEAST) {
		sb->host_disk_seen = true;
		snprintf(text, sizeof text,
			 "the host's file system under the disk is full, not the disk: %lluM of "
			 "%lluM in use (free some on the host)",
			 (unsigned long long)disk->used >> 20,
			 (unsigned long long)disk_size(&sb->spec) >> 20);
		supervise_post(sb, CIS_EVENT_HOST_DISK, host_left, "host.full", text);
	}
}

static void check_limits(struct cis_sandbox *sb, const struct figures *f)
{
	const struct group_stat *st = &f->group;
	char text[200];

	if (st->oom_kills > sb->oom_kills_seen) {
		int n = snprintf(text, sizeof text, "memory limit reached: %llu process(es) killed",
				 (unsigned long long)st->oom_kills);

		if (!sb->is_bundle)
			snprintf(text + n, sizeof text - (size_t)n, " (raise --memory, now %lluM)",
				 (unsigned long long)sb->spec.memory >> 20);
		supervise_post(sb, CIS_EVENT_MEMORY_LIMIT, st->oom_kills, "limit.hit", text);
		sb->oom_kills_seen = st->oom_kills;
	}
	if (st->pids_refused && !sb->pids_seen) {
		sb->pids_seen = true;
		snprintf(text, sizeof text,
			 "pids limit reached: new processes are refused (raise --pids, now "
			 "%llu)",
			 (unsigned long long)sb->spec.pids);
		supervise_post(sb, CIS_EVENT_PIDS_LIMIT, st->pids_refused, "limit.hit", text);
	}
	if (!sb->is_bundle)
		check_disk(sb, &f->disk);
}

static void note_usage(struct cis_sandbox *sb, const struct figures *f)
{
	sb->disk_peak = MAX(sb->disk_peak, f->disk.used);
	sb->last = (struct cis_usage){
		.memory = f->group.memory,
		.memory_peak = f->group.memory_peak,
		.cpu_usec = f->group.cpu_usec,
		.pids = f->group.pids,
		.disk = f->disk.used,
		.disk_peak = sb->disk_peak,
		.wall_msec = sb->started_msec ? now_msec() - sb->started_msec : 0,
		.has_gate = f->has_gate,
		.flows = f->gate.flows,
		.bytes_up = f->gate.up,
		.bytes_down = f->gate.down,
		.denied = f->gate.refused,
		.questions = f->gate.questions,
	};
}

void supervise_usage(struct cis_sandbox *sb)
{
	struct figures f;

	read_figures(sb, &f);
	note_usage(sb, &f);
}

void figures_look_at_disk(struct cis_sandbox *sb)
{
	struct scratch_usage disk;

	if (sb->plan.n_fds && scratch_usage(sb->plan.fds[SLOT_SCRATCH], &disk) >= 0)
		check_disk(sb, &disk);
}

bool figures_look(struct cis_sandbox *sb)
{
	struct figures f;
	uint64_t before = sb->disk_used;

	read_figures(sb, &f);
	check_limits(sb, &f);
	sb->disk_used = f.disk.used;
	/* Not once it is reaped: then its number may be another's. */
	if (sb->held < 0 && sb->plan.n_fds && !sb->payload_ended)
		sb->held = disk_hold(sb->pid, sb->plan.fds[SLOT_SCRATCH]);
	return !sb->disk_seen && f.disk.used > before &&
	       (f.disk.used - before) * 2 > f.disk.left;
}

/* When the command has ended; or at the very end, if there is no telling when it did. */
void figures_last(struct cis_sandbox *sb)
{
	struct figures f;

	if (sb->entered || !sb->started_msec || sb->has_last_figures)
		return;
	sb->has_last_figures = true;
	read_figures(sb, &f);
	check_limits(sb, &f);
	note_usage(sb, &f);
}
