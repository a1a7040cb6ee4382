/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of a container on this host: made, entered, frozen, read, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "base/str.h"
#include "cgroup/place.h"
#include "place-live.h"
#include "place.h"

/* ---- on this host -------------------------------------------------------- */

static void check_reload(struct place *p)
{
	cleanup(json_freep) struct json *obj = json_object_new(), *back = NULL;
	cleanup_free char *text = NULL;
	struct place copy;

	place_init(&copy);
	place_save(p, obj);
	assert_int_equal(json_write(obj, 0, &text), 0);
	OK(json_parse(text, strlen(text), 0, "saved", &back, &failure));
	OK(place_load(&copy, back, &failure));
	assert_int_equal(copy.n, p->n);
	assert_string_equal(copy.path, p->path);
	assert_int_equal(copy.unified, p->unified);
	for (size_t i = 0; i < p->n; i++) {
		assert_string_equal(copy.g[i].mount, p->g[i].mount);
		assert_int_equal(copy.g[i].controllers, p->g[i].controllers);
		assert_true(copy.g[i].dir >= 0);
		assert_true(copy.g[i].v2 || copy.g[i].tasks >= 0);
	}
	place_done(p);
	*p = copy;
}

static void test_live_round(void **state)
{
	struct live *l = *state;
	struct place other;
	int *pids, status;
	char path[96];
	size_t n;

	need_host();
	snprintf(path, sizeof path, "/%s/a/b", test_name);
	OK(make_place(&l->p, path, "id", false, NULL, &failure));
	for (size_t i = 0; i < l->p.n; i++)
		assert_true(l->p.g[i].dir >= 0);
	check_reload(&l->p);
	l->child = spawn_sleep(&l->p);
	OK(place_pids(&l->p, &pids, &n, &failure));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], l->child);
	free(pids);

	/* Taken; and refusing it must not harm it. */
	place_init(&other);
	assert_int_equal(make_place(&other, path, "id", false, NULL, &failure), -EBUSY);
	place_remove(&other, NULL);
	assert_int_equal(waitpid(l->child, &status, WNOHANG), 0);

	assert_int_equal(place_is_frozen(&l->p), 0);
	OK(place_freeze(&l->p, true, &failure));
	assert_int_equal(place_is_frozen(&l->p), 1);
	OK(place_kill(&l->p, SIGTERM, &failure));
	usleep(20000);
	assert_int_equal(waitpid(l->child, &status, WNOHANG), 0);
	assert_int_equal(place_is_frozen(&l->p), 1);
	OK(place_freeze(&l->p, false, &failure));
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	assert_int_equal(WTERMSIG(status), SIGTERM);

	/* The same with cgroup2's freezer, and killing without cgroup.kill. */
	for (size_t i = 0; i < l->p.n; i++)
		if (!l->p.g[i].v2)
			l->p.g[i].controllers &= ~(1u << PLACE_FREEZER);
	if (place_of(&l->p, PLACE_FREEZER)) {
		int unified = l->p.unified;

		l->child = spawn_sleep(&l->p);
		OK(place_freeze(&l->p, true, &failure));
		assert_int_equal(place_is_frozen(&l->p), 1);
		OK(place_freeze(&l->p, false, &failure));
		l->p.unified = -1;
		OK(place_kill(&l->p, SIGKILL, &failure));
		l->p.unified = unified;
		assert_int_equal(waitpid(l->child, &status, 0), l->child);
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	place_done(&l->p);
	OK(make_place(&l->p, path, "id", false, NULL, &failure));

	/* SIGKILL thaws. */
	l->child = spawn_sleep(&l->p);
	OK(place_freeze(&l->p, true, &failure));
	OK(place_kill(&l->p, SIGKILL, &failure));
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	l->child = -1;
	assert_int_equal(WTERMSIG(status), SIGKILL);
	OK(place_remove(&l->p, &failure));
	for (size_t i = 0; i < l->p.n; i++) {
		char above[512];

		/* Parents that are not cisandbox-oci are the engine's; here: ours. */
		snprintf(above, sizeof above, "%s/%s/a", l->p.g[i].mount, test_name);
		assert_int_equal(rmdir(above), 0);
		*strrchr(above, '/') = '\0';
		assert_int_equal(rmdir(above), 0);
	}
	assert_int_equal(count_groups(), 0);
}

static void test_live_frozen(void **state)
{
	struct live *l = *state;
	struct place again;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	OK(place_freeze(&l->p, true, &failure));
	place_init(&again);
	assert_int_equal(make_place(&again, NULL, test_name, false, NULL, &failure), -EBUSY);
	assert_non_null(strstr(failure.message, "frozen"));
	OK(place_freeze(&l->p, false, &failure));
	/* Empty and thawed: taken over. */
	OK(make_place(&again, NULL, test_name, false, NULL, &failure));
	place_done(&again);
	OK(place_remove(&l->p, &failure));
	assert_int_equal(count_groups(), 0);
}

static void test_live_subtree(void **state)
{
	struct live *l = *state;
	int dir, status;
	int *pids;
	size_t n;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	if (place_unified_fd(&l->p) < 0)
		skip();
	OK(place_delegate(&l->p, 1000, 1001, &failure));
	l->child = spawn_sleep(&l->p);
	/* As a job could: deeper than there are descriptors. */
	dir = dup(place_unified_fd(&l->p));
	for (int i = 0; i < 1500; i++) {
		int sub;

		if (mkdirat(dir, "d", 0755) < 0)
			fail_msg("level %d: %s", i, strerror(errno));
		sub = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(sub >= 0);
		close(dir);
		dir = sub;
	}
	{
		char text[24];

		snprintf(text, sizeof text, "%d", l->child);
		assert_int_equal(io_write_file_at(dir, "cgroup.procs", text), 0);
	}
	close(dir);
	OK(place_pids(&l->p, &pids, &n, &failure));
	assert_int_equal(n, 1);
	free(pids);
	/* Nobody kills first: removal does. Our zombie must not be in its way. */
	OK(place_remove(&l->p, &failure));
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	l->child = -1;
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(count_groups(), 0);
}

static void test_live_stats(void **state)
{
	static const char *const keys[] = {"cpu",  "cpuset", "memory",
					   "pids", "blkio",  "hugetlb"};
	cleanup(json_freep) struct json *data = NULL;
	cleanup_free char *text = NULL;
	struct config_resources r = no_resources();
	struct live *l = *state;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	r.pids_limit = 9;
	OK(place_apply(&l->p, &r, &failure));
	l->child = spawn_sleep(&l->p);
	OK(place_stats(&l->p, &data, &failure));
	assert_int_equal(json_write(data, 0, &text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_non_null(json_get(data, keys[i]));
	assert_int_equal(json_get(json_get(data, "pids"), "current")->integer, 1);
	assert_int_equal(json_get(json_get(data, "pids"), "limit")->integer, 9);
	if (getenv("SHOW_STATS"))
		fprintf(stderr, "%s\n", text);
	OK(place_kill(&l->p, SIGKILL, &failure));
}

static void test_live_systemd(void **state)
{
	struct live *l = *state;

	need_host();
	if (access("/run/systemd/system", F_OK) == 0)
		skip(); /* the bus part has its test in a machine with one */
	OK(make_place(&l->p, ":t:x", test_name, true, NULL, &failure));
	assert_string_equal(l->p.unit, "t-x.scope");
	assert_true(place_unified_fd(&l->p) < 0);
	assert_true(place_start_scope(&l->p, getpid(), NULL, &failure) < 0);
	assert_int_equal(count_groups(), 0);
	place_done(&l->p);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(test_live_round),
		LIVE(test_live_frozen),
		LIVE(test_live_subtree),
		LIVE(test_live_stats),
		LIVE(test_live_systemd),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}

int main(void)
{
	return run_live(run);
}
