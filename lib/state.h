/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a sandbox is on the host's disk while it lives:
 *
 *	/run/cisandbox/           the state root (CISANDBOX_STATE moves it)
 *	  .ids/BASE+COUNT         host id ranges on loan
 *	  .claims/DEVICE:INODE    directories that one container uses (container/engine-dirs.h)
 *	  .pools/NAME/            pools of sandboxes that wait (pool.h)
 *	  .cgroups                where this host keeps which controller (hierarchy.h)
 *	  ID/lock                 held by the supervisor until all is undone; its
 *	                          text becomes "exit N" at the end
 *	  ID/journal              what was, or was about to be, made on the host
 *	  ID/temp                 path of a half-copied artifact
 *	  ID/state.json           for list, inspect, exec
 *	  ID/born                 what its groups, ids and disk are called, if that is not its id
 *	  ID/pool, ID/take        of a member of a pool (pool.h)
 *	  ID/gate                 numbers of its network, which its helpers write (egress/shared.h)
 *
 * The lock, not a pid, says who lives: the kernel drops it whatever kills the
 * holder. A directory whose lock is free is a dead sandbox, and reap undoes its
 * journal. Images and disks are under /var/lib/cisandbox (CISANDBOX_ROOT).
 */
#ifndef CIS_STATE_H
#define CIS_STATE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"

struct state {
	char id[64];
	char born[64]; /* its id, or what that was when things were made under it */
	char *path; /* of the directory */
	int dir, lock;
	int place; /* where its disk is, if that has a name (fs/scratch-place.h), or -1 */
};

void state_init(struct state *st);
void state_done(struct state *st); /* closes, and so unlocks; removes nothing */

/* Borrowed strings; they follow the environment unless we run set-user-id. */
const char *state_root(void);
const char *state_data_root(void);

/* Makes @path and its parents, the last one private to root. */
int state_make_dir(const char *path, struct cis_error *err);

/* Descriptors of the state root and of its tables, made where missing. */
/* Where a group's hierarchies are kept: for all sandboxes, or, without root, with its own. */
int state_open_cache(const struct state *st, struct cis_error *err);
int state_open_root(struct cis_error *err);
int state_open_ids(struct cis_error *err);
int state_open_claims(struct cis_error *err);
int state_open_pools(struct cis_error *err);
/* Names below the state root that are sandboxes; *ret is the caller's. */
int state_list(struct strv *ret, struct cis_error *err);
/* Where disks of sandboxes are made, and unnamed files for them. */
int state_open_scratch(struct cis_error *err);

/*
 * The lock under which sandboxes appear and the dead are taken away; held while
 * the returned descriptor is open.
 */
int state_lock_root(struct cis_error *err);

/* Makes the directory of @id, or of a random one. -EEXIST: in use. */
int state_create(struct state *st, const char *id, struct cis_error *err);

/*
 * Under state_lock_root(): removes the directory of @id if its maker was killed before it had
 * a lock. Whether it did.
 */
bool state_remove_unborn(const char *id);

/*
 * For who will be given another id later: a name that nobody can ask for, under which all
 * that belongs to it is made. Before anything is.
 */
int state_set_born(struct state *st, struct cis_error *err);
/* Its directory, which is moved; what it owns keeps its name. -EEXIST: in use. */
int state_rename(struct state *st, const char *id, struct cis_error *err);

/*
 * What its control groups are called: its id; with something added where the state
 * root was moved, for two roots may each have a sandbox of that id.
 */
#define STATE_GROUP_NAME_MAX 104
void state_group_name(const struct state *st, char ret[static STATE_GROUP_NAME_MAX]);

/* That of an existing sandbox, not locked. -ENOENT. */
int state_open(struct state *st, const char *id, struct cis_error *err);
/* Whether somebody holds its lock. */
bool state_is_alive(const struct state *st);

/* To be called before the thing is made. Durable enough to outlive a SIGKILL. */
enum journal_entry { JOURNAL_IDS, JOURNAL_CGROUP, JOURNAL_BUNDLE };
int state_journal(const struct state *st, enum journal_entry what, struct cis_error *err);
/* It was not made after all: takes back what was written last, which is @what. */
void state_retract(const struct state *st, enum journal_entry what);
/*
 * The same of a disk that is to be called as the sandbox is, in st->place, which is made and
 * kept. -EEXIST: there is one, which nothing here will touch.
 */
int state_claim_disk(struct state *st, struct cis_error *err);
/*
 * The place of its disk, to be freed; NULL: it has none with a name. Whoever asks may have
 * another data root.
 */
int state_disk_place(const struct state *st, char **ret);

/*
 * The directory of the host's that is filled now, by its path; it replaces the one before. A
 * process that was killed has left it there, and nobody wants it.
 */
int state_journal_temp(const struct state *st, const char *path, struct cis_error *err);

int state_write(const struct state *st, const struct json *doc, struct cis_error *err);
int state_read(const struct state *st, struct json **ret, struct cis_error *err);

/* For those who wait: visible once the lock is free. */
void state_set_exit(const struct state *st, int status);
/* Blocks until the lock is free. */
int state_wait_exit(const struct state *st, int *ret_status, struct cis_error *err);

/*
 * Undoes what the journal says and removes the directory; the caller
 * holds its lock, taken under state_lock_root(), but not that one any more: there may be a
 * million files to remove, and nobody could start anything meanwhile. @known: its
 * groups, if somebody has them open; else they are looked for.
 */
struct group;
int state_undo(struct state *st, const struct group *known, struct cis_error *err);

#endif
