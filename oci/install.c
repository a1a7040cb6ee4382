/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cisandbox-oci install and check: this runtime in the configuration of an engine. The file
 * is replaced in one step by one that was read back and holds what it should, or not at all.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "edit.h"
#include "oci.h"

const struct engine engines[] = {
	{"docker", "/etc/docker/daemon.json", "systemctl reload docker", edit_docker,
	 find_docker},
	{"containerd", "/etc/containerd/config.toml", "systemctl restart containerd",
	 edit_containerd, find_containerd},
	{"crio", "/etc/crio/crio.conf.d/50-cisandbox.conf", "systemctl restart crio",
	 edit_crio, find_crio},
	{"podman", "/etc/containers/containers.conf.d/cisandbox.conf", NULL, edit_podman,
	 find_podman},
	{0},
};

static bool is_wanted(const struct options *o, const struct engine *e)
{
	/* In their order. */
	const bool wanted[] = {o->docker, o->containerd, o->crio, o->podman};

	return wanted[e - engines];
}

/* How many were named, and the last of them. */
static int count_wanted(const struct options *o, const struct engine **ret)
{
	int n = 0;

	for (const struct engine *e = engines; e->option; e++) {
		if (is_wanted(o, e)) {
			*ret = e;
			n++;
		}
	}
	return n;
}

/* A word that any of these files can hold, and that Kubernetes takes for a handler. */
static bool is_name(const char *name)
{
	static const char *const taken[] = {"runc", "crun", "kata", "runsc", "youki", "krun"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strcmp(name, taken[i]) == 0)
			return false;
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    (name[i] != '-' || i == 0 || i + 1 == len))
			return false;
	return len > 0 && len < 64;
}

const char *why_not_executable(const char *path)
{
	struct statvfs mount;
	struct stat st;

	if (*path != '/')
		return "not an absolute path";
	for (const char *p = path; *p; p++)
		if (!isgraph((unsigned char)*p) || *p == '"' || *p == '\\')
			return "a path with blanks, quotes or the like";
	if (stat(path, &st) < 0)
		return errno_text(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (!(st.st_mode & 0111))
		return "not executable";
	/* Given to a sandbox: whose it is outside cannot be seen, and nobody can write to it. */
	if (statvfs(path, &mount) == 0 && mount.f_flag & ST_RDONLY)
		return NULL;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "not owned by root, who will run it";
	if (st.st_mode & 022)
		return "others than its owner may write to it";
	return NULL;
}

/* ---- the file ------------------------------------------------------------ */

/* A file as it was read. */
struct before {
	char *text;
	size_t len;
	bool exists;
	struct stat st;
};

static int read_before(const char *file, struct before *ret)
{
	int r;

	*ret = (struct before){0};
	if (stat(file, &ret->st) < 0 && errno == ENOENT) {
		ret->text = strdup("");
		return ret->text ? 0 : oci_fail("out of memory");
	}
	ret->exists = true;
	if (!S_ISREG(ret->st.st_mode))
		return oci_fail("%s: not a regular file", file);
	r = file_read(file, &ret->text, &ret->len);
	return r < 0 ? oci_fail("read %s: %s", file, errno_text(-r)) : 0;
}

static bool has_changed(const char *file, const struct before *b)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return b->exists || errno != ENOENT;
	return !b->exists || st.st_ino != b->st.st_ino || st.st_dev != b->st.st_dev ||
	       st.st_size != b->st.st_size || st.st_mtim.tv_sec != b->st.st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != b->st.st_mtim.tv_nsec;
}

/* Access lists and labels. What the file system does not have cannot be lost. */
static int copy_attributes(const char *file, int to)
{
	char names[4096], value[4096];
	ssize_t len = listxattr(file, names, sizeof names);

	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = getxattr(file, name, value, sizeof value);

		if (n < 0 || fsetxattr(to, name, value, (size_t)n, 0) < 0)
			return -errno;
	}
	return 0;
}

static int fill(int fd, const char *file, const struct before *b, const char *text)
{
	size_t len = strlen(text);
	int r;

	if (write(fd, text, len) != (ssize_t)len)
		return errno ? -errno : -ENOSPC;
	if (b->exists && fchown(fd, b->st.st_uid, b->st.st_gid) < 0)
		return -errno;
	if (fchmod(fd, b->exists ? b->st.st_mode & 07777 : 0644) < 0)
		return -errno;
	r = b->exists ? copy_attributes(file, fd) : 0;
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* The new file holds what the old one shall be, and says what it should. */
static bool reads_back(const struct engine *e, const struct target *t, const char *temporary,
		       const char *text)
{
	char *again = NULL, *path = NULL;
	size_t len;
	bool ok = file_read(temporary, &again, &len) == 0 && strcmp(again, text) == 0 &&
		  e->find(t, again, len, &path) == 1 && strcmp(path, t->path) == 0;

	free(again);
	free(path);
	return ok;
}

static void sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

static int replace(const struct engine *e, const struct target *t, const struct before *b,
		   const char *text)
{
	char dir[4096], temporary[4200];
	int fd, r;

	snprintf(dir, sizeof dir, "%s", t->file);
	*strrchr(dir, '/') = '\0';
	if (mkdir(*dir ? dir : "/", 0755) < 0 && errno != EEXIST)
		return oci_fail("mkdir %s: %s", dir, errno_text(errno));
	snprintf(temporary, sizeof temporary, "%s/.cisandbox.XXXXXX", dir);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return oci_fail("write in %s: %s", dir, errno_text(errno));
	errno = 0;
	r = fill(fd, t->file, b, text);
	close(fd);
	if (r < 0)
		r = oci_fail("write %s: %s", temporary, errno_text(-r));
	else if (!reads_back(e, t, temporary, text))
		r = oci_fail("install: %s: what was written does not read back", t->file);
	else if (has_changed(t->file, b))
		r = oci_fail("install: %s: somebody else has changed it just now", t->file);
	else if (rename(temporary, t->file) < 0)
		r = oci_fail("rename to %s: %s", t->file, errno_text(errno));
	if (r)
		unlink(temporary);
	else
		sync_directory(*dir ? dir : "/");
	return r;
}

/* ---- install ------------------------------------------------------------- */

static int say_done(const struct engine *e, const struct target *t, bool same)
{
	printf("%s: runtime %s = %s%s\n", t->file, t->name, t->path,
	       same ? " is there already" : "");
	if (!same && e->restart)
		printf("Now: %s\n", e->restart);
	else if (!same)
		printf("Now: podman --runtime %s run ...\n", t->name);
	apparmor_advise();
	return finish_output();
}

static int install(const struct engine *e, const struct target *t, bool dry_run)
{
	struct before b;
	char *text = NULL, *path = NULL;
	enum edit r = EDIT_FAILED;
	int status = read_before(t->file, &b);

	if (status == 0)
		r = e->edit(t, b.text, b.len, &text);
	/* Before anything is written, whoever asked is told what would be. */
	if (r == EDIT_DONE &&
	    (e->find(t, text, strlen(text), &path) != 1 || strcmp(path, t->path) != 0)) {
		oci_fail("install: %s: it would not be valid afterwards", t->file);
		r = EDIT_FAILED;
	}
	if (r == EDIT_FAILED)
		status = EXIT_FAILED;
	else if (dry_run)
		status = fputs(r == EDIT_DONE ? text : b.text, stdout) < 0 ? EXIT_FAILED
									   : finish_output();
	else if (r == EDIT_SAME)
		status = say_done(e, t, true);
	else
		status = replace(e, t, &b, text);
	if (status == 0 && r == EDIT_DONE && !dry_run)
		status = say_done(e, t, false);
	free(b.text);
	free(text);
	free(path);
	return status;
}

/* This program, wherever it was started from, by the name that makes sandboxes. */
static int own_path(char *buf, size_t size)
{
	static const char suffix[] = "-docker";
	ssize_t n = readlink("/proc/self/exe", buf, size - sizeof suffix);

	if (n < 0)
		return oci_fail("read /proc/self/exe: %s (--path says it, too)",
				errno_text(errno));
	strcpy(buf + n, suffix);
	if (access(buf, X_OK) == 0)
		return 0;
	return oci_fail("install: %s: %s (a link to this program: under that name it makes "
			"sandboxes; --path names what else shall be registered)",
			buf, errno_text(errno));
}

int verb_install(struct call *c)
{
	const struct engine *e = NULL;
	struct target t = {.verb = "install", .name = c->o.name ? c->o.name : "cisandbox"};
	char own[4096], whole[4096], *real;
	const char *why;

	if (count_wanted(&c->o, &e) != 1)
		return oci_fail_usage("install", "one of --docker, --containerd, --crio and "
						 "--podman has to be named");
	t.is_default = c->o.is_default;
	if (t.is_default && !c->o.docker && !c->o.podman)
		return oci_fail_usage("install", "--default goes with --docker and --podman");
	if (!is_name(t.name))
		return oci_fail_usage("install", "--name %s: not a name for a new runtime",
				      t.name);
	if (!c->o.path && own_path(own, sizeof own))
		return EXIT_FAILED;
	t.path = c->o.path ? c->o.path : own;
	why = why_not_executable(t.path);
	if (why)
		return oci_fail("install: %s: %s", t.path, why);
	t.file = c->o.file ? c->o.file : e->file;
	/* A link stays a link: what it points to is edited. */
	real = realpath(t.file, whole);
	if (real)
		t.file = real;
	else if (errno != ENOENT)
		return oci_fail("install: %s: %s", t.file, errno_text(errno));
	else if (!strchr(t.file, '/') &&
		 (size_t)snprintf(whole, sizeof whole, "./%s", t.file) < sizeof whole)
		t.file = whole;
	return install(e, &t, c->o.dry_run);
}

/* ---- check --------------------------------------------------------------- */

enum found { FOUND, FOUND_WRONG, NOT_FOUND };

static enum found check(const struct engine *e, const struct target *t)
{
	struct before b;
	const char *why;
	char *path = NULL;
	int r;

	if (read_before(t->file, &b)) {
		free(b.text);
		return FOUND_WRONG;
	}
	r = b.exists ? e->find(t, b.text, b.len, &path) : 0;
	free(b.text);
	if (r < 0)
		return FOUND_WRONG;
	why = r == 1 ? why_not_executable(path) : NULL;
	printf("%-8s %-10s  %s: ", r == 0 ? "-" : why ? "WRONG" : "ok", e->option, t->file);
	if (r == 0)
		printf("%s\n", b.exists ? "not registered" : "no such file");
	else
		printf("%s = %s%s%s\n", t->name, path, why ? ": " : "", why ? why : "");
	free(path);
	return r == 0 ? NOT_FOUND : why ? FOUND_WRONG : FOUND;
}

int verb_check(struct call *c)
{
	const struct engine *named = NULL;
	int n = count_wanted(&c->o, &named), found = 0, wrong = 0, status;

	if (c->o.file && n != 1)
		return oci_fail_usage("check", "--file goes with one engine");
	for (const struct engine *e = engines; e->option; e++) {
		struct target t = {.verb = "check",
				   .name = c->o.name ? c->o.name : "cisandbox"};
		enum found r;

		if (n && !is_wanted(&c->o, e))
			continue;
		t.file = c->o.file ? c->o.file : e->file;
		r = check(e, &t);
		found += r == FOUND;
		/* Of an engine that was named, nothing is as bad as something wrong. */
		wrong += r == FOUND_WRONG || (r == NOT_FOUND && n);
	}
	apparmor_show();
	status = finish_output();
	if (status)
		return status;
	if (wrong)
		return oci_fail("check: not as it should be");
	return found ? 0
		     : oci_fail("check: not registered with any engine (" PROGRAM
				" install does that)");
}
