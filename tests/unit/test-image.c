/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"

/* Everything happens below here; the process stands in it. */
static char place[] = "/var/tmp/cisandbox-test-image-XXXXXX";

static void shell(const char *fmt, ...) CIS_PRINTF(1, 2);
static void shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void import_ok(const char *name, const char *path)
{
	struct cis_error err = {0};

	if (cis_image_import(name, path, &err) < 0)
		fail_msg("%s", err.message);
}

static void import_refused(const char *name, const char *path, int r, const char *part)
{
	struct cis_error err = {0};

	assert_int_equal(cis_image_import(name, path, &err), r);
	if (!strstr(err.message, part))
		fail_msg("\"%s\" is not in \"%s\"", part, err.message);
	assert_int_equal(cis_image_import(name, path, NULL), r);
}

static void remove_ok(const char *name)
{
	struct cis_error err = {0};

	if (cis_image_remove(name, &err) < 0)
		fail_msg("%s", err.message);
}

static struct cis_image find(const char *name)
{
	cleanup_free struct cis_image *list = NULL;
	struct cis_error err = {0};
	size_t n = 0;

	if (cis_image_list(&list, &n, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i];
	fail_msg("no image %s", name);
	return (struct cis_image){0};
}

static size_t count(void)
{
	cleanup_free struct cis_image *list = NULL;
	size_t n = 99;

	assert_int_equal(cis_image_list(&list, &n, NULL), 0);
	return n;
}

/* No work of anybody's is left in the store. */
static void assert_tidy(void)
{
	shell("! ls -A root/images | grep -q '^\\.'");
}

/* The same, once the rm is through that image_close() leaves behind. */
static void assert_tidy_soon(void)
{
	shell("for i in $(seq 1000); do "
	      "ls -A root/images | grep -q '^\\.' || exit 0; sleep 0.01; done; exit 1");
}

/* A tree of everything: links, holes, attributes, a name that is no text. */
static void make_tree(void)
{
	shell("rm -rf tree && mkdir -p tree/usr/bin tree/etc tree/a/b/c && cd tree && "
	      "echo hello >etc/motd && chmod 640 etc/motd && chown 7:8 etc/motd && "
	      "echo program >usr/bin/su && chmod 4755 usr/bin/su && "
	      "ln usr/bin/su a/hard && ln -s ../../etc a/b/link && "
	      "ln -s /nowhere a/dead && "
	      "truncate -s 1M a/sparse && mkfifo a/fifo && mkdir -m 1777 tmp && "
	      "echo x >\"$(printf 'a/\\377\\n name')\" && echo dash >./-rf && "
	      "mkdir a.d && touch a.d/f a-b && chmod 750 .");
}

static int set_up(void **state)
{
	cleanup_free char *root = NULL;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (!mkdtemp(place) || chdir(place) < 0 || str_format(&root, "%s/root", place) < 0)
		return -1;
	setenv("CISANDBOX_ROOT", root, 1);
	make_tree();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (geteuid() == 0)
		shell("cd / && rm -rf %s", place);
	return 0;
}

static int empty_store(void **state)
{
	(void)state;
	if (geteuid() == 0)
		shell("rm -rf root");
	return 0;
}

#define NEEDS_ROOT              \
	do {                    \
		(void)state;    \
		if (geteuid())  \
			skip(); \
	} while (0)

static void test_nothing(void **state)
{
	cleanup(strv_done) struct strv paths = {0};
	cleanup_free char *text = NULL;
	struct cis_error err = {0};
	int dir = -1;

	NEEDS_ROOT;
	assert_int_equal(count(), 0);
	assert_int_equal(cis_image_list_json(&text, NULL), 0);
	assert_string_equal(text, "[]\n");
	assert_false(exists("root"));
	assert_int_equal(image_open("debian", &paths, &dir, &err), -ENOENT);
	assert_string_equal(err.message,
			    "no image \"debian\" in the store (cisandbox image list "
			    "shows them; image build makes debian, image pull gets "
			    "others)");
	assert_int_equal(image_lock("debian", &err), -ENOENT);
	assert_int_equal(cis_image_remove("debian", &err), -ENOENT);
	assert_tidy();
}

static void test_import_dir(void **state)
{
	cleanup(strv_done) struct strv paths = {0};
	struct cis_image img;
	int dir = -1;
	struct stat st, two;

	NEEDS_ROOT;
	import_ok("one", "tree");
	img = find("one");
	assert_int_equal(strlen(img.digest), 7 + 64);
	assert_int_equal(img.size, (1 << 20) + 6 + 8 + 2 + 5);
	assert_true(img.created > 1700000000);
	assert_int_equal(image_open("one", &paths, &dir, NULL), 1);
	fd_close(dir);
	assert_int_equal(paths.n, 1);
	assert_true(str_starts(paths.v[0], place));
	assert_int_equal(chdir(paths.v[0]), 0);
	assert_int_equal(stat(".", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat("etc/motd", &st), 0);
	assert_true(st.st_uid == 7 && st.st_gid == 8 && (st.st_mode & 07777) == 0640);
	assert_int_equal(stat("usr/bin/su", &st), 0);
	assert_int_equal(stat("a/hard", &two), 0);
	assert_true(st.st_ino == two.st_ino && (st.st_mode & 07777) == 04755);
	assert_int_equal(stat("a/sparse", &st), 0);
	assert_true(st.st_blocks < 64);
	assert_int_equal(stat("a/fifo", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(lstat("a/b/link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_true(exists("a/\377\n name"));
	assert_int_equal(chdir(place), 0);
	assert_int_equal(stat("root/images", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_tidy();
}

/* As a command has it that ssh or inetd starts; by a name no socket can be opened. */
static void test_import_socket(void **state)
{
	int ends[2], own_stdin = dup(STDIN_FILENO), status;
	pid_t pid;

	NEEDS_ROOT;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execlp("tar", "tar", "-C", "tree", "-c", ".", NULL);
		_exit(1);
	}
	fd_close(ends[1]);
	dup2(ends[0], STDIN_FILENO);
	fd_close(ends[0]);
	import_ok("x", "/dev/stdin");
	dup2(own_stdin, STDIN_FILENO);
	fd_close(own_stdin);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(exists("root/images/x/rootfs/etc/motd"));
}

static void test_import_tar(void **state)
{
	static const char *const ways[] = {"", "z", "J", "--zstd"};
	struct cis_image dir;

	NEEDS_ROOT;
	import_ok("dir", "tree");
	dir = find("dir");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		/* A colon makes it no other host's, a dash no option. */
		shell("tar -C tree --force-local -c %s%s -f ./-a:b.tar .",
		      *ways[i] && *ways[i] != '-' ? "-" : "", ways[i]);
		import_ok("tar", "-a:b.tar");
		assert_string_equal(find("tar").digest, dir.digest);
		assert_true(find("tar").size == dir.size);
	}
	assert_int_equal(count(), 2);
	assert_tidy();
}

static void test_capability(void **state)
{
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 4};
	unsigned char got[20];
	char digest[80];

	NEEDS_ROOT;
	import_ok("x", "tree");
	strcpy(digest, find("x").digest);
	assert_int_equal(setxattr("tree/a/hard", "security.capability", cap, 20, 0), 0);
	/* In a pax header names are UTF-8, says POSIX; GNU tar writes what there is. */
	shell("tar -C tree --format=pax -cf t.tar .");
	import_ok("y", "t.tar");
	assert_string_equal(find("y").digest, digest);
	import_ok("x", "tree");
	assert_string_not_equal(find("x").digest, digest);
	assert_int_equal(getxattr("root/images/x/rootfs/usr/bin/su",
				  "security.capability", got, 20), 20);
	assert_memory_equal(got, cap, 20);
	strcpy(digest, find("x").digest);
	shell("tar -C tree --xattrs --xattrs-include=* -cf t.tar .");
	import_ok("x", "t.tar");
	assert_string_equal(find("x").digest, digest);
	make_tree();
}

static void test_digest(void **state)
{
	static const char *const changes[] = {
		"printf jello >tree/etc/motd", "chmod 641 tree/etc/motd",
		"chown 9:8 tree/etc/motd",     "chown 7:9 tree/etc/motd",
		"chmod 755 tree",              "mv tree/a-b tree/a-c",
		"ln -sfn /no tree/a/dead",     "rm tree/a.d/f",
		"touch tree/a.d/g",            "rm tree/a/hard",
		"rm tree/a/hard; cp -p tree/usr/bin/su tree/a/hard",
		"rm tree/a/fifo; touch tree/a/fifo",
		"truncate -s +1 tree/a/sparse",
		"setfattr -n user.x -v y tree/etc/motd", "setfattr -n user.x -v y tree/a",
	};
	char digest[80];

	NEEDS_ROOT;
	make_tree();
	import_ok("x", "tree");
	strcpy(digest, find("x").digest);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		shell("%s", changes[i]);
		import_ok("x", "tree");
		if (strcmp(find("x").digest, digest) == 0)
			fail_msg("no difference: %s", changes[i]);
		make_tree();
	}
	/* Times, and the order in a directory, make none. */
	shell("touch -d 2001-01-01 tree/etc/motd; "
	      "mv tree/a.d/f tree/f; mv tree/f tree/a.d/f");
	import_ok("x", "tree");
	assert_string_equal(find("x").digest, digest);
}

/* The format is a promise: another program's idea of it gives the same digest. */
static void test_digest_format(void **state)
{
	NEEDS_ROOT;
	shell("rm -rf small && mkdir -m 755 small small/etc && echo hi >small/etc/b && "
	      "chmod 644 small/etc/b && ln small/etc/b small/etc/c && "
	      "ln -s b small/etc/a && setfattr -n user.b -v 1 small/etc/b && "
	      "setfattr -n user.a -v 23 small/etc/b && setfattr -n user.c small/etc");
	import_ok("small", "small");
	shell("{ printf 'cisandbox-tree-1\\n'; printf 'd 0755 0 0 0 0\\n.\\0'; "
	      "printf 'd 0755 0 0 0 0\\netc\\0x 0000 0 0 6 0\\netc\\0user.c'; printf 'l 0000 0 0 0 1\\netc/a\\0b'; "
	      "printf 'f 0644 0 0 0 3\\netc/b\\0hi\\n'; "
	      "printf 'x 0000 0 0 6 2\\netc/b\\0user.a23x 0000 0 0 6 1\\netc/b\\0user.b1'; "
	      "printf 'h 0644 0 0 0 5\\netc/c\\0etc/b'; } | "
	      "sha256sum | grep -q %s", find("small").digest + 7);
}

static void test_devices(void **state)
{
	struct sockaddr_un sun = {AF_UNIX, "tree/a/socket"};
	cleanup_close int fd = -1;
	char digest[80];

	NEEDS_ROOT;
	import_ok("x", "tree");
	strcpy(digest, find("x").digest);
	if (mknod("tree/a/char", S_IFCHR | 0666, makedev(1, 3)) < 0)
		skip(); /* root of a container */
	assert_int_equal(mknod("tree/a/whiteout", S_IFCHR, 0), 0);
	assert_int_equal(mknod("tree/a/block", S_IFBLK | 0600, makedev(7, 0)), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	shell("tar -C tree -cf t.tar . 2>&1 | grep -q ignored");
	import_ok("x", "tree");
	assert_string_equal(find("x").digest, digest);
	import_ok("x", "t.tar");
	assert_string_equal(find("x").digest, digest);
	shell("! find root/images/x/rootfs -type b -o -type c -o -type s | grep -q .");
	make_tree();
}

static void test_hostile_tar(void **state)
{
	struct cis_error err = {0};

	NEEDS_ROOT;
	/* A link that leads out, and then a file through it. */
	shell("rm -rf out h && mkdir -p out h/1/etc h/2/x h/3/etc && "
	      "ln -s %s/out h/1/x && echo evil >h/2/x/evil && "
	      "tar -C h/1 -cf h.tar etc x && tar -C h/2 -rf h.tar x/evil", place);
	assert_int_equal(cis_image_import("h", "h.tar", &err), -EINVAL);
	assert_false(exists("out/evil"));
	assert_tidy();
	/* The same with "..", and as a relative link. */
	shell("ln -sfn ../../../../../out h/1/x && "
	      "tar -C h/1 -cf h.tar etc x && tar -C h/2 -rf h.tar x/evil");
	assert_int_equal(cis_image_import("h", "h.tar", &err), -EINVAL);
	assert_false(exists("out/evil"));
	/* A name with "..", an absolute one, and a hard link to a file of the host. */
	shell("tar -C h/3 -P --transform 's,^x$,../../../../../../../%s/out/evil,' "
	      "-cf h.tar etc -C ../2/x --transform 's,^evil$,../../../../out/evil,' evil",
	      place);
	assert_int_equal(cis_image_import("h", "h.tar", &err), -EINVAL);
	assert_false(exists("out/evil"));
	shell("tar -C h/3 -P --transform 's,^evil$,%s/out/evil,' -cf h.tar etc "
	      "-C ../2/x evil", place);
	import_ok("h", "h.tar");
	assert_false(exists("out/evil"));
	shell("test -f root/images/h/rootfs%s/out/evil", place);
	assert_int_equal(rmdir("out"), 0);
	assert_tidy();
}

static void test_not_a_rootfs(void **state)
{
	NEEDS_ROOT;
	shell("rm -rf home && mkdir home && touch home/bin && "
	      "tar -C home -cf home.tar . && "
	      "rm -rf save && mkdir save && touch save/manifest.json && "
	      "tar -C save -cf save.tar .");
	import_refused("x", "home", -EINVAL, "home: not a root file system (it has no");
	import_refused("x", "home.tar", -EINVAL, "not a root file system (it has no");
	import_refused("x", "save.tar", -EINVAL, "save.tar: manifest.json:1:1: ");
	import_refused("x", "nothing", -ENOENT, "nothing: No such file");
	import_refused("x", "tree/etc/motd", -EIO, "motd: not a tar archive");
	shell("tar -C tree -cf t.tar . && head -c 500000 t.tar >cut.tar");
	import_refused("x", "cut.tar", -EIO, "cut.tar: a/sparse: not a sound tar archive: Trunc");
	shell(": >empty.tar");
	import_refused("x", "empty.tar", -EIO, "empty.tar: cannot be decompressed: ");
	assert_int_equal(count(), 0);
	assert_tidy();
}

static void test_names(void **state)
{
	static const char *const bad[] = {"",    ".",   "..",   ".x",  "-x",  "_x",  "A",
					  "a/b", "../a", "a b", "a:b", "a\n", "\303\274"};
	char name[129];
	cleanup(strv_done) struct strv paths = {0};
	int dir = -1;

	NEEDS_ROOT;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		import_refused(bad[i], "tree", -EINVAL, "image name \"");
		assert_int_equal(cis_image_remove(bad[i], NULL), -EINVAL);
		assert_int_equal(image_open(bad[i], &paths, &dir, NULL), -EINVAL);
		assert_int_equal(image_lock(bad[i], NULL), -EINVAL);
	}
	memset(name, 'n', sizeof name);
	name[128] = '\0';
	import_refused(name, "tree", -EINVAL, "1 to 127");
	name[127] = '\0';
	import_ok(name, "tree");
	import_ok("0.a_b-c", "tree");
	assert_string_equal(find(name).name, name);
	assert_int_equal(count(), 2);
}

static void test_list(void **state)
{
	cleanup_free struct cis_image *list = NULL;
	cleanup_free char *text = NULL;
	size_t n;

	NEEDS_ROOT;
	import_ok("b", "tree");
	import_ok("a2", "tree");
	import_ok("a", "tree");
	shell("cd root/images && touch file && mkdir lost+found && ln -s b c");
	assert_int_equal(cis_image_list(&list, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_string_equal(list[0].name, "a");
	assert_string_equal(list[1].name, "a2");
	assert_string_equal(list[2].name, "b");
	assert_int_equal(cis_image_list_json(&text, NULL), 0);
	assert_non_null(strstr(text, "\"digest\": \"sha256:"));
}

static void test_corrupt(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "{\"name\": \"x\"}",
		"{\"name\":\"y\",\"digest\":\"sha256:0\",\"size\":1,\"created\":1}",
		"{\"name\":\"x\",\"digest\":\"md5\",\"size\":1,\"created\":1}",
		"{\"name\":\"x\",\"digest\":\"sha256:0\",\"size\":-1,\"created\":1}"};
	cleanup_free struct cis_image *list = NULL;
	struct cis_error err = {0};
	size_t n;

	NEEDS_ROOT;
	import_ok("x", "tree");
	import_ok("y", "tree");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		shell("printf '%%s' '%s' >root/images/x/image.json", texts[i]);
		assert_true(cis_image_list(&list, &n, &err) < 0);
		assert_non_null(strstr(err.message, "root/images/x/image.json"));
		assert_non_null(strstr(err.message, "(cisandbox image rm x removes the"));
		assert_int_equal(n, 1); /* the other one is there all the same */
		assert_string_equal(list->name, "y");
		free(steal_ptr(&list));
	}
	shell("rm root/images/x/image.json");
	assert_int_equal(cis_image_list(&list, &n, &err), -ENOENT);
	free(steal_ptr(&list));
	shell("mkdir root/images/a");
	assert_int_equal(cis_image_list(&list, &n, &err), -ENOENT);
	assert_non_null(strstr(err.message, "(cisandbox image rm a x removes the images that"));
	free(steal_ptr(&list));
	remove_ok("a");
	/* No list at all is told from one that lacks some. */
	shell("mv root/images root/kept && touch root/images");
	list = (struct cis_image *)1;
	assert_int_equal(cis_image_list(&list, &n, &err), -ENOTDIR);
	assert_null(list);
	shell("rm root/images && mv root/kept root/images");
	remove_ok("x");
	assert_int_equal(count(), 1);
}

/* Which layers it has nobody knows any more, but who runs from it. */
static void test_prune_lost(void **state)
{
	static const char layer[] = "root/layers/"
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct cis_error err = {0};
	uint64_t layers, bytes;
	int lock;

	NEEDS_ROOT;
	import_ok("x", "tree");
	shell("mkdir -p root/images/mm %s/root", layer);
	lock = image_lock("mm", &err);
	assert_true(lock >= 0);
	assert_int_equal(cis_image_prune(&layers, &bytes, &err), -EBUSY);
	assert_string_equal(err.message, "image \"mm\": a sandbox runs from it "
					 "(cisandbox list shows them)");
	assert_true(exists(layer));
	shell("mv root/images/mm root/images/.tmp-old-abcdef-mm");
	assert_int_equal(cis_image_prune(&layers, &bytes, &err), -EBUSY);
	assert_int_equal(layers, 0);
	assert_true(exists(layer));
	shell("mv root/images/.tmp-old-abcdef-mm root/images/mm");
	fd_close(lock);
	assert_int_equal(cis_image_prune(&layers, &bytes, &err), -ENOENT);
	assert_int_equal(layers, 1);
	assert_false(exists(layer));
	remove_ok("mm");
	assert_int_equal(cis_image_prune(&layers, &bytes, &err), 0);
}

static void test_remove(void **state)
{
	NEEDS_ROOT;
	import_ok("x", "tree");
	/* Deeper than any path may be long, and names that the removal itself uses. */
	shell("cd root/images/x/rootfs && mkdir -p 0/1 1/0 2 && touch 0/1/2 1/0/0 3 && "
	      "n=$(printf '%%0200d' 0) && "
	      "for i in $(seq 60); do mkdir $n && cd -P ./$n && touch f g; done");
	shell("ln -s %s/tree root/images/x/rootfs/out", place);
	remove_ok("x");
	assert_true(exists("tree/etc/motd"));
	assert_int_equal(count(), 0);
	assert_false(exists("root/images/x"));
	assert_tidy();
	assert_int_equal(cis_image_remove("x", NULL), -ENOENT);
}

static void test_store_gone(void **state)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	cleanup(work_done) struct work w = {.fd = -1};
	struct cis_error err = {0};

	NEEDS_ROOT;
	assert_int_equal(store_open_other(&s, "other", &err), 0);
	assert_int_equal(work_begin_at_once(&w, &s, &err), 0);
	work_leave(&w);
	shell("rm -r root/other");
	assert_int_equal(work_begin_at_once(&w, &s, &err), -ENOENT);
	work_leave(&w);
	shell("mkdir root/other"); /* another, that is not ours */
	assert_int_equal(work_begin_at_once(&w, &s, &err), -ENOENT);
	shell("rm -r root/other");
}

static void test_busy(void **state)
{
	struct cis_error err = {0};
	char digest[80];
	struct stat st;
	int a, b;

	NEEDS_ROOT;
	import_ok("x", "tree");
	strcpy(digest, find("x").digest);
	a = image_lock("x", &err);
	b = image_lock("x", &err);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(fcntl(a, F_GETFD), FD_CLOEXEC);
	assert_int_equal(cis_image_remove("x", &err), -EBUSY);
	assert_string_equal(err.message,
			    "image \"x\": a sandbox runs from it "
			    "(cisandbox list shows them)");
	fd_close(a);
	/* Another may get its name; it stays as it is for who has it. */
	shell("chmod 700 tree/etc");
	import_ok("x", "tree");
	assert_string_not_equal(find("x").digest, digest);
	assert_int_equal(count(), 1);
	assert_int_equal(fstatat(b, "rootfs/etc", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	shell("test $(ls -d root/images/.tmp-old-*-x | wc -l) = 1");
	import_ok("y", "tree"); /* it sweeps */
	assert_int_equal(fstatat(b, "rootfs/etc", &st, 0), 0);
	image_close(b, "x");
	assert_tidy_soon();
	remove_ok("y");
	remove_ok("x");
	make_tree();
}

/* While one replaces, the other always finds an image, and a whole one. */
static void test_replace(void **state)
{
	int status, done = 0;
	pid_t pid;

	NEEDS_ROOT;
	import_ok("x", "tree");
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 10; i++)
			if (cis_image_import("x", "tree", NULL) < 0)
				_exit(1);
		_exit(0);
	}
	while (!done) {
		cleanup(strv_done) struct strv paths = {0};
		struct stat st;
		int dir = -1;

		assert_true(exists("root/images/x/rootfs/etc/motd"));
		assert_true(find("x").size > 0);
		assert_int_equal(image_open("x", &paths, &dir, NULL), 1);
		assert_int_equal(fstatat(dir, "rootfs/etc/motd", &st, 0), 0);
		assert_int_equal(cis_image_verify("x", NULL), 0);
		assert_int_equal(fstatat(dir, "rootfs/etc/motd", &st, 0), 0);
		image_close(dir, "x");
		done = waitpid(pid, &status, WNOHANG) == pid;
	}
	assert_int_equal(status, 0);
	assert_int_equal(count(), 1);
	assert_tidy_soon();
}

static void test_many_at_once(void **state)
{
	pid_t pid[8];
	int status;

	NEEDS_ROOT;
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(cis_image_import(i % 2 ? "x" : "y", "tree", NULL) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count(), 2);
	assert_tidy();
}

static void test_leftovers(void **state)
{
	cleanup_close int alive = -1;

	NEEDS_ROOT;
	shell("mkdir -p root/images/.tmp-dead01/image/rootfs/usr "
	      "root/images/.tmp-alive1");
	alive = open("root/images/.tmp-alive1", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(alive, LOCK_EX), 0);
	assert_int_equal(count(), 0);
	import_ok("x", "tree");
	assert_false(exists("root/images/.tmp-dead01"));
	assert_true(exists("root/images/.tmp-alive1"));
	alive = fd_close(alive);
	remove_ok("x");
	assert_tidy();
}

static int import_in_child(const char *path)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(cis_image_import("x", path, NULL) < 0);
	return pid;
}

/* Killed at any time, it leaves nothing to be seen and nothing the next cannot take. */
static void test_killed(void **state)
{
	NEEDS_ROOT;
	for (int ms = 0; ms < 40; ms += 2) {
		pid_t pid = import_in_child("tree");

		usleep((useconds_t)ms * 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (count() > 0) {
			assert_true(exists("root/images/x/rootfs/etc/motd"));
			assert_int_equal(find("x").size, (1 << 20) + 6 + 8 + 2 + 5);
		}
	}
	usleep(200000); /* an orphaned tar may still hold what it writes to */
	import_ok("x", "tree");
	assert_tidy();
}

static void test_disk_full(void **state)
{
	struct cis_error err = {0};

	NEEDS_ROOT;
	shell("mkdir root && rm -rf big && mkdir -p big/etc && "
	      "for i in 1 2 3; do head -c 1500000 /dev/urandom >big/etc/$i; done");
	if (mount("none", "root", "tmpfs", 0, "size=4m,mode=755") < 0)
		skip();
	assert_int_equal(cis_image_import("x", "big", &err), -ENOSPC);
	umount2("root", MNT_DETACH);
	assert_non_null(strstr(err.message, "root/images: No space left on device"));
}

/* The store is in the tree: as with "/", it is left out. */
static void test_store_inside(void **state)
{
	NEEDS_ROOT;
	import_ok("x", "tree");
	shell("rm -rf outer && mkdir outer && cp -a tree/. outer && mv root outer/root");
	shell("ln -s outer/root root");
	import_ok("y", "outer");
	assert_string_equal(find("y").digest, find("x").digest);
	shell("rm root; mv outer/root root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, empty_store),
		cmocka_unit_test_setup(test_import_dir, empty_store),
		cmocka_unit_test_setup(test_import_socket, empty_store),
		cmocka_unit_test_setup(test_import_tar, empty_store),
		cmocka_unit_test_setup(test_capability, empty_store),
		cmocka_unit_test_setup(test_digest, empty_store),
		cmocka_unit_test_setup(test_digest_format, empty_store),
		cmocka_unit_test_setup(test_devices, empty_store),
		cmocka_unit_test_setup(test_hostile_tar, empty_store),
		cmocka_unit_test_setup(test_not_a_rootfs, empty_store),
		cmocka_unit_test_setup(test_names, empty_store),
		cmocka_unit_test_setup(test_list, empty_store),
		cmocka_unit_test_setup(test_corrupt, empty_store),
		cmocka_unit_test_setup(test_prune_lost, empty_store),
		cmocka_unit_test_setup(test_remove, empty_store),
		cmocka_unit_test_setup(test_store_gone, empty_store),
		cmocka_unit_test_setup(test_busy, empty_store),
		cmocka_unit_test_setup(test_replace, empty_store),
		cmocka_unit_test_setup(test_many_at_once, empty_store),
		cmocka_unit_test_setup(test_leftovers, empty_store),
		cmocka_unit_test_setup(test_killed, empty_store),
		cmocka_unit_test_setup(test_disk_full, empty_store),
		cmocka_unit_test_setup(test_store_inside, empty_store),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
