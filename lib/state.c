/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/process.h"
#include "bundle.h"
#include "cgroup/group.h"
#include "fs/scratch-place.h"
#include "fs/scratch.h"
#include "guard/artifact.h"
#include "isolate/ids.h"
#include "spec.h"

#define JOURNAL_MAX 8192
#define LOCK_NEW "lock.new"
#define DEFAULT_ROOT "/run/cisandbox"

void state_init(struct state *st)
{
	*st = (struct state){.dir = -1, .lock = -1, .place = -1};
}

void state_done(struct state *st)
{
	free(st->path);
	fd_close(st->dir);
	fd_close(st->lock);
	fd_close(st->place);
	state_init(st);
}

/* ---- places ----------------------------------------------------------------- */

const char *state_root(void)
{
	const char *moved = secure_getenv("CISANDBOX_STATE");

	return moved && moved[0] == '/' ? moved : DEFAULT_ROOT;
}

const char *state_data_root(void)
{
	const char *moved = secure_getenv("CISANDBOX_ROOT");

	return moved && moved[0] == '/' ? moved : "/var/lib/cisandbox";
}

int state_make_dir(const char *path, struct cis_error *err)
{
	cleanup_free char *copy = strdup(path);

	if (!copy)
		return cis_fail(err, ENOMEM, "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return cis_fail(err, errno, "make directory %s", copy);
		*slash = '/';
	}
	if (mkdir(copy, 0700) < 0 && errno != EEXIST)
		return cis_fail(err, errno, "make directory %s", copy);
	return 0;
}

/*
 * What is in there names processes to be killed, groups and directories to be removed, hooks
 * to be executed: another's would have us do that with our rights.
 */
static int check_owner(int fd, struct cis_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cis_fail(err, errno, "look at %s", state_root());
	return st.st_uid == geteuid()
		       ? 0
		       : cis_fail_plain(err, EPERM, "%s belongs to another user (become that "
					"user; see CISANDBOX_STATE)", state_root());
}

int state_open_root(struct cis_error *err)
{
	cleanup_close int fd = open(state_root(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT) {
		r = state_make_dir(state_root(), err);
		if (r < 0)
			return r;
		fd = open(state_root(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return cis_fail(err, errno, "open %s", state_root());
	r = check_owner(fd, err);
	return r < 0 ? r : steal_fd(&fd);
}

int state_open_cache(const struct state *st, struct cis_error *err)
{
	int fd;

	if (!process_is_rootless())
		return state_open_root(err);
	fd = fcntl(st->dir, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? cis_fail(err, errno, "state of %s", st->id) : fd;
}

/* A directory of the state root that is no sandbox's. */
static int open_table(const char *name, struct cis_error *err)
{
	cleanup_close int root = state_open_root(err);
	int fd;

	if (root < 0)
		return root;
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (mkdirat(root, name, 0700) < 0 && errno != EEXIST)
		return cis_fail(err, errno, "make directory %s/%s", state_root(), name);
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cis_fail(err, errno, "open %s/%s", state_root(), name) : fd;
}

int state_open_scratch(struct cis_error *err)
{
	cleanup_free char *dir = NULL;
	int fd, r = str_format(&dir, "%s/scratch", state_data_root());

	r = r < 0 ? cis_fail(err, -r, "scratch") : state_make_dir(dir, err);
	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cis_fail(err, errno, "open %s", dir) : fd;
}

int state_open_ids(struct cis_error *err)
{
	return open_table(".ids", err);
}

int state_open_claims(struct cis_error *err)
{
	return open_table(".claims", err);
}

int state_lock_root(struct cis_error *err)
{
	cleanup_close int root = state_open_root(err);

	if (root < 0)
		return root;
	if (flock(root, LOCK_EX) < 0)
		return cis_fail(err, errno, "lock %s", state_root());
	return steal_fd(&root);
}

int state_open_pools(struct cis_error *err)
{
	return open_table(".pools", err);
}

int state_list(struct strv *ret, struct cis_error *err)
{
	DIR *dir = opendir(state_root());
	struct dirent *e;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "list %s", state_root());
	while (r >= 0 && (e = readdir(dir)))
		if (spec_id_is_valid(e->d_name))
			r = strv_add(ret, e->d_name);
	closedir(dir);
	return r < 0 ? cis_fail(err, -r, "list %s", state_root()) : 0;
}

/* ---- one sandbox ---------------------------------------------------------------- */

static void random_id(char id[static 13])
{
	unsigned char bytes[6];

	while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static int set_names(struct state *st, const char *id, struct cis_error *err)
{
	free(st->path);
	st->path = NULL;
	snprintf(st->id, sizeof st->id, "%s", id);
	snprintf(st->born, sizeof st->born, "%s", id);
	if (str_format(&st->path, "%s/%s", state_root(), id) < 0)
		return cis_fail(err, ENOMEM, "state of %s", id);
	return 0;
}

/* Whoever looks at a lock takes it for a moment: so it gets its name once it is ours. */
static int make_locked(struct state *st)
{
	st->dir = open(st->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir < 0)
		return -errno;
	st->lock = openat(st->dir, LOCK_NEW, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (st->lock < 0 || flock(st->lock, LOCK_EX | LOCK_NB) < 0 ||
	    renameat(st->dir, LOCK_NEW, st->dir, "lock") < 0)
		return -errno;
	return 0;
}

bool state_remove_unborn(const char *id)
{
	cleanup_free char *path = NULL;
	cleanup_close int dir = -1;

	if (str_format(&path, "%s/%s", state_root(), id) < 0)
		return false;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0)
		unlinkat(dir, LOCK_NEW, 0);
	return rmdir(path) >= 0;
}

static int name_in_use(const char *id, struct cis_error *err)
{
	return cis_fail_plain(err, EEXIST, "the name %s is in use (cisandbox list shows it; "
			      "choose another)", id);
}

int state_create(struct state *st, const char *id, struct cis_error *err)
{
	cleanup_close int root = state_lock_root(err);
	char random[13];
	int r;

	if (root < 0)
		return root;
	if (!id)
		random_id(random);
	r = set_names(st, id ? id : random, err);
	if (r < 0)
		return r;
	if (mkdir(st->path, 0700) < 0) {
		return errno == EEXIST ? name_in_use(st->id, err)
				       : cis_fail(err, errno, "make directory %s", st->path);
	}
	r = make_locked(st);
	if (r < 0) {
		unlinkat(st->dir, LOCK_NEW, 0);
		rmdir(st->path);
		return cis_fail(err, -r, "state %s", st->path);
	}
	return 0;
}

int state_set_born(struct state *st, struct cis_error *err)
{
	cleanup_close int fd = -1;
	char random[13];
	int r;

	/* With a '+', which no id has; not of the id, which is free for others after state_rename(). */
	random_id(random);
	snprintf(st->born, sizeof st->born, "pool+%s", random);
	fd = openat(st->dir, "born", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : io_write_all(fd, st->born, strlen(st->born));
	return r < 0 ? cis_fail(err, -r, "state of %s", st->id) : 0;
}

/* Without such a file it has the name of the directory. */
static int read_born(struct state *st)
{
	cleanup_free char *text = NULL;
	int r = io_read_file_at(st->dir, "born", sizeof st->born - 1, &text, NULL);

	if (r >= 0 && *text)
		snprintf(st->born, sizeof st->born, "%s", text);
	return r == -ENOENT ? 0 : MIN(r, 0);
}

int state_rename(struct state *st, const char *id, struct cis_error *err)
{
	cleanup_close int root = state_lock_root(err);
	char born[sizeof st->born];
	int r;

	if (root < 0)
		return root;
	if (renameat2(root, st->id, root, id, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? name_in_use(id, err)
				       : cis_fail(err, errno, "rename %s to %s", st->id, id);
	memcpy(born, st->born, sizeof born);
	r = set_names(st, id, err);
	memcpy(st->born, born, sizeof born);
	return r;
}

void state_group_name(const struct state *st, char ret[static STATE_GROUP_NAME_MAX])
{
	struct stat root;

	if (strcmp(state_root(), DEFAULT_ROOT) == 0 || stat(state_root(), &root) < 0)
		snprintf(ret, STATE_GROUP_NAME_MAX, "%s", st->born);
	else
		snprintf(ret, STATE_GROUP_NAME_MAX, "%s@%llx.%llx", st->born,
			 (unsigned long long)root.st_dev, (unsigned long long)root.st_ino);
}

int state_open(struct state *st, const char *id, struct cis_error *err)
{
	int r = set_names(st, id, err);

	if (r < 0)
		return r;
	st->dir = open(st->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir >= 0)
		st->lock = openat(st->dir, "lock", O_RDWR | O_CLOEXEC);
	if (st->lock < 0) {
		if (errno == ENOENT)
			return cis_fail_plain(err, ENOENT, "no sandbox has the name %s", id);
		return cis_fail(err, errno, "state %s", st->path);
	}
	r = read_born(st);
	return r < 0 ? cis_fail(err, -r, "state %s", st->path) : 0;
}

bool state_is_alive(const struct state *st)
{
	/* A second description of the lock file: ours must not become the holder. */
	cleanup_close int probe = openat(st->dir, "lock", O_RDWR | O_CLOEXEC);

	return probe >= 0 && flock(probe, LOCK_SH | LOCK_NB) < 0;
}

/* ---- journal ---------------------------------------------------------------------- */

static const char *const journal_words[] = {
	[JOURNAL_IDS] = "ids\n",
	[JOURNAL_CGROUP] = "cgroup\n",
	[JOURNAL_BUNDLE] = "bundle\n",
};

#define DISK_WORD "disk "

static int append(const struct state *st, const char *line, struct cis_error *err)
{
	cleanup_close int fd =
		openat(st->dir, "journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_all(fd, line, strlen(line));

	return r < 0 ? cis_fail(err, -r, "journal of %s", st->id) : 0;
}

int state_journal(const struct state *st, enum journal_entry what, struct cis_error *err)
{
	return append(st, journal_words[what], err);
}

void state_retract(const struct state *st, enum journal_entry what)
{
	cleanup_close int fd = openat(st->dir, "journal", O_WRONLY | O_CLOEXEC);
	struct stat now;

	if (fd < 0 || fstat(fd, &now) < 0 ||
	    ftruncate(fd, now.st_size - (off_t)strlen(journal_words[what])) < 0)
		return; /* to /run, by its only writer: it does not happen */
}

/* "/var/lib/cisandbox/scratch/PLACE": as long as who reads the journal takes, and one line. */
static int name_place(char **ret, size_t *ret_dir_len, struct cis_error *err)
{
	const char *data = state_data_root();
	char place[SCRATCH_PLACE_MAX];
	struct stat owner;
	int r;

	if (strlen(data) > JOURNAL_MAX / 2 || strchr(data, '\n'))
		return cis_fail(err, ENAMETOOLONG, "scratch: %s", data);
	if (stat(state_root(), &owner) < 0)
		return cis_fail(err, errno, "look at %s", state_root());
	r = scratch_place_name(&owner, place, err);
	if (r < 0)
		return r;
	if (str_format(ret, "%s/scratch/%s", data, place) < 0)
		return cis_fail(err, ENOMEM, "scratch");
	*ret_dir_len = strlen(*ret) - strlen(place);
	return 0;
}

int state_claim_disk(struct state *st, struct cis_error *err)
{
	cleanup_free char *path = NULL, *line = NULL;
	cleanup_close int dir = state_open_scratch(err);
	size_t dir_len = 0;
	int r = dir < 0 ? dir : name_place(&path, &dir_len, err);

	if (r >= 0)
		r = st->place = scratch_place_open(dir, path + dir_len, err);
	if (r < 0)
		return r;
	/* Before the journal: what is undone is removed by this name. */
	if (faccessat(st->place, st->born, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		st->place = fd_close(st->place);
		return cis_fail_plain(err, EEXIST,
				      "scratch: %s/%s is there already, of a sandbox whose state "
				      "somebody removed (choose another name; it is removed when "
				      "nobody has a disk there)", path, st->born);
	}
	if (str_format(&line, DISK_WORD "%s\n", path) < 0)
		return cis_fail(err, ENOMEM, "journal of %s", st->id);
	return append(st, line, err);
}

int state_journal_temp(const struct state *st, const char *path, struct cis_error *err)
{
	cleanup_close int fd =
		openat(st->dir, "temp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_all(fd, path, strlen(path));

	return r < 0 ? cis_fail(err, -r, "journal of %s", st->id) : 0;
}

/*
 * Only what is ours and has such a name, wherever the path leads by now; and of what has it,
 * what we put there: whose the parent is may have renamed what he could not have removed.
 */
static void undo_temp(const struct state *st)
{
	cleanup_free char *path = NULL;
	cleanup_close int dir = -1;
	const char *name;
	struct stat found;

	if (io_read_file_at(st->dir, "temp", PATH_MAX, &path, NULL) < 0)
		return;
	name = strrchr(path, '/');
	if (!name || !str_starts(name + 1, ARTIFACT_TEMP))
		return;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &found) < 0 || found.st_uid != geteuid() ||
	    (found.st_mode & 0777) != 0700)
		return;
	artifact_empty_temp(dir);
	rmdir(path);
}

static int undo_ids(const struct state *st, struct cis_error *err)
{
	cleanup_close int ids = state_open_ids(err);

	if (ids < 0)
		return ids;
	ids_release(ids, st->born);
	return 0;
}

static int undo_cgroup(const struct state *st, const struct group *known,
		       struct cis_error *err)
{
	char name[STATE_GROUP_NAME_MAX];
	cleanup_close int root = -1;
	struct group found;
	int r;

	group_init(&found);
	/* Parts of it may be missing: whatever opens is emptied and removed. */
	if (known) {
		r = group_remove(known);
	} else {
		root = state_open_cache(st, NULL);
		state_group_name(st, name);
		group_open(&found, name, root, NULL);
		r = group_kill(&found);
		if (r >= 0)
			r = group_remove(&found);
	}
	group_done(&found);
	return r < 0 ? cis_fail(err, -r, "remove the control groups of %s", st->id) : 0;
}

/* The directory that a line of @journal names; NULL: there is none. */
static int read_disk(const char *journal, char **ret)
{
	const char *line = strstr(journal, DISK_WORD "/");
	char *dir;

	*ret = NULL;
	/* Cut off: whoever wrote it was killed before there was a disk. */
	if (!line || !strchr(line, '\n'))
		return 0;
	dir = strdup(line + strlen(DISK_WORD));
	if (!dir)
		return -ENOMEM;
	dir[strcspn(dir, "\n")] = '\0';
	*ret = dir;
	return 0;
}

int state_disk_place(const struct state *st, char **ret)
{
	cleanup_free char *journal = NULL;
	int r = io_read_file_at(st->dir, "journal", JOURNAL_MAX, &journal, NULL);

	*ret = NULL;
	return r < 0 ? r : read_disk(journal, ret);
}

/* Its files go by a process of their own: the caller has done when it has been begun. */
static void begin_removal(char *place)
{
	cleanup_close int dir = -1;

	scratch_place_drop(place);
	*strrchr(place, '/') = '\0';
	dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		scratch_empty_gone(dir, false, NULL); /* or by the next start */
}

static int undo_disk(struct state *st, const char *journal, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int dir = -1;
	int r = read_disk(journal, &path);

	if (r < 0)
		return cis_fail(err, -r, "journal of %s", st->id);
	if (!path)
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "open %s", path);
	/* Of the dead nobody has a lock on it: a sweep would remove the same disk beside us. */
	while (flock(dir, LOCK_SH) < 0)
		if (errno != EINTR)
			return cis_fail(err, errno, "lock %s", path);
	r = scratch_remove(dir, st->born, err);
	if (r < 0)
		return r;
	st->place = fd_close(st->place);
	dir = fd_close(dir);
	begin_removal(path);
	return 0;
}

static int remove_files(struct state *st, struct cis_error *err)
{
	static const char *const files[] = {"temp", "state.json", "state.json.new", "journal",
					    ".cgroups", ".cgroups.new", "gate", "take", "pool",
					    "pool.new", "born", "lock"};
	cleanup_close int lock = state_lock_root(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(st->dir, files[i], 0);
	if (rmdir(st->path) < 0 && errno != ENOENT)
		return cis_fail(err, errno, "remove %s", st->path);
	return 0;
}

int state_undo(struct state *st, const struct group *known, struct cis_error *err)
{
	cleanup_free char *journal = NULL;
	int r = io_read_file_at(st->dir, "journal", JOURNAL_MAX, &journal, NULL);

	if (r < 0 && r != -ENOENT)
		return cis_fail(err, -r, "journal of %s", st->id);
	r = 0;
	if (journal && strstr(journal, journal_words[JOURNAL_BUNDLE]))
		r = bundle_remove(st->id, err);
	/* Backwards: processes go before the ids they run under are lent again. */
	if (r >= 0 && (known || (journal && strstr(journal, journal_words[JOURNAL_CGROUP]))))
		r = undo_cgroup(st, known, err);
	/* Nobody writes on it any more. */
	if (r >= 0 && journal)
		r = undo_disk(st, journal, err);
	/* Whoever knows its groups has taken ids before: even if somebody lost the journal. */
	if (r >= 0 && (known || (journal && strstr(journal, journal_words[JOURNAL_IDS]))))
		r = undo_ids(st, err);
	if (r < 0)
		return r;
	undo_temp(st);
	return remove_files(st, err);
}

/* ---- contents ------------------------------------------------------------------------ */

int state_write(const struct state *st, const struct json *doc, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	int r = json_write(doc, JSON_PRETTY, &text);

	if (r >= 0) {
		fd = openat(st->dir, "state.json.new",
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
	}
	/* Whoever reads sees the old text or the new one, never half. */
	if (r >= 0 && renameat(st->dir, "state.json.new", st->dir, "state.json") < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "write the state of %s", st->id) : 0;
}

int state_read(const struct state *st, struct json **ret, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = io_read_file_at(st->dir, "state.json", 1 << 20, &text, &len);

	if (r < 0)
		return cis_fail(err, -r, "read the state of %s", st->id);
	return json_parse(text, len, 0, "state.json", ret, err);
}

void state_set_exit(const struct state *st, int status)
{
	char text[32];
	int n = snprintf(text, sizeof text, "exit %d\n", status);

	if (pwrite(st->lock, text, (size_t)n, 0) != n)
		return; /* then whoever waits reads "killed" */
}

int state_wait_exit(const struct state *st, int *ret_status, struct cis_error *err)
{
	char text[32] = "";

	while (flock(st->lock, LOCK_SH) < 0)
		if (errno != EINTR)
			return cis_fail(err, errno, "wait for %s", st->id);
	if (pread(st->lock, text, sizeof text - 1, 0) < 0)
		return cis_fail(err, errno, "wait for %s", st->id);
	/* Without a word its supervisor was killed, and it with it. */
	if (sscanf(text, "exit %d", ret_status) != 1)
		*ret_status = 137;
	return 0;
}
