/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-bus, of which only what is called here is declared: no header, no link. */
#include "systemd.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/io.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "resources.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define WAIT_USEC (30 * 1000000ULL) /* for a job; runc's figure */

struct sd_bus;
struct sd_slot;
struct sd_message;
struct sd_error {
	const char *name, *message;
	int need_free;
};
typedef int sd_handler(struct sd_message *m, void *arg, struct sd_error *error);

struct api {
	int (*open_system)(struct sd_bus **);
	int (*open_user)(struct sd_bus **);
	struct sd_bus *(*close)(struct sd_bus *);
	int (*message_new)(struct sd_bus *, struct sd_message **, const char *,
			   const char *, const char *, const char *);
	struct sd_message *(*message_unref)(struct sd_message *);
	int (*append)(struct sd_message *, const char *, ...);
	int (*append_array)(struct sd_message *, char, const void *, size_t);
	int (*open_container)(struct sd_message *, char, const char *);
	int (*close_container)(struct sd_message *);
	int (*read)(struct sd_message *, const char *, ...);
	int (*call)(struct sd_bus *, struct sd_message *, uint64_t, struct sd_error *,
		    struct sd_message **);
	int (*match_signal)(struct sd_bus *, struct sd_slot **, const char *,
			    const char *, const char *, const char *, sd_handler *,
			    void *);
	int (*process)(struct sd_bus *, struct sd_message **);
	int (*wait)(struct sd_bus *, uint64_t);
	void (*error_free)(struct sd_error *);
};

static const struct symbol {
	const char *name;
	size_t offset;
} symbols[] = {
	{"sd_bus_open_system", offsetof(struct api, open_system)},
	{"sd_bus_open_user", offsetof(struct api, open_user)},
	{"sd_bus_flush_close_unref", offsetof(struct api, close)},
	{"sd_bus_message_new_method_call", offsetof(struct api, message_new)},
	{"sd_bus_message_unref", offsetof(struct api, message_unref)},
	{"sd_bus_message_append", offsetof(struct api, append)},
	{"sd_bus_message_append_array", offsetof(struct api, append_array)},
	{"sd_bus_message_open_container", offsetof(struct api, open_container)},
	{"sd_bus_message_close_container", offsetof(struct api, close_container)},
	{"sd_bus_message_read", offsetof(struct api, read)},
	{"sd_bus_call", offsetof(struct api, call)},
	{"sd_bus_match_signal", offsetof(struct api, match_signal)},
	{"sd_bus_process", offsetof(struct api, process)},
	{"sd_bus_wait", offsetof(struct api, wait)},
	{"sd_bus_error_free", offsetof(struct api, error_free)},
};

/* A conversation with systemd about one job. */
struct talk {
	struct api api;
	struct sd_bus *bus;
	char job[128];    /* whose end is waited for */
	char result[32];  /* "done", "failed", ...; "" while it runs */
};

/* ---- connection ---------------------------------------------------------- */

static void talk_done(struct talk *t)
{
	if (t->bus)
		t->bus = t->api.close(t->bus);
	/* The library stays: it has destructors of threads. */
}

static int load_api(struct api *api, struct cis_error *err)
{
	void *lib = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(lib, symbols[i].name);

		if (!symbol)
			return cis_fail_plain(
				err, ENOSYS,
				"cgroups: libsystemd.so.0 has no %s (systemd 237 "
				"or later is needed)",
				symbols[i].name);
		memcpy((char *)api + symbols[i].offset, &symbol, sizeof symbol);
	}
	if (lib)
		return 0;
	return cis_fail_plain(err, EOPNOTSUPP,
			      "cgroups: load libsystemd.so.0: %s (run without "
			      "--systemd-cgroup, or install it)", dlerror());
}

/* Callbacks run in wait_for_job() alone, when t->job is known. */
static int on_job_removed(struct sd_message *m, void *arg, struct sd_error *error)
{
	const char *job, *unit, *result;
	struct talk *t = arg;
	uint32_t id;

	(void)error;
	if (t->api.read(m, "uoss", &id, &job, &unit, &result) >= 0 &&
	    strcmp(job, t->job) == 0)
		snprintf(t->result, sizeof t->result, "%s", result);
	return 0;
}

static int message_to(struct talk *t, const char *method, struct sd_message **ret)
{
	return t->api.message_new(t->bus, ret, SYSTEMD, SYSTEMD_PATH, MANAGER, method);
}

/* Sends, frees @m, and keeps the answer's object path, if @job. */
static int send_message(struct talk *t, struct sd_message *m_consumed, bool job,
		struct sd_error *error)
{
	struct sd_message *reply = NULL;
	const char *path;
	int r = t->api.call(t->bus, m_consumed, WAIT_USEC, error, &reply);

	if (r >= 0 && job) {
		r = t->api.read(reply, "o", &path);
		if (r >= 0)
			snprintf(t->job, sizeof t->job, "%s", path);
		*t->result = '\0';
	}
	t->api.message_unref(reply);
	t->api.message_unref(m_consumed);
	return r < 0 ? r : 0;
}

static int talk_open(struct talk *t, struct cis_error *err)
{
	struct sd_message *m = NULL;
	int r = load_api(&t->api, err);

	if (r < 0)
		return r;
	r = geteuid() == 0 ? t->api.open_system(&t->bus) : t->api.open_user(&t->bus);
	if (r >= 0)
		r = t->api.match_signal(t->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER,
					"JobRemoved", on_job_removed, t);
	if (r >= 0)
		r = message_to(t, "Subscribe", &m);
	if (r >= 0)
		r = send_message(t, m, false, NULL);
	return r < 0 ? cis_fail(err, -r, "cgroups: speak with systemd") : 0;
}

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int wait_for_job(struct talk *t)
{
	uint64_t end = now_usec() + WAIT_USEC, now;

	while (!*t->result) {
		int r = t->api.process(t->bus, NULL);

		now = now_usec();
		if (r == 0 && now >= end)
			return -ETIMEDOUT;
		if (r == 0)
			r = t->api.wait(t->bus, end - now);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

/* A method with the unit's name, and a mode if @mode. */
static int call_unit(struct talk *t, const char *method, const char *unit,
		     const char *mode, struct sd_error *error)
{
	struct sd_message *m = NULL;
	int r = message_to(t, method, &m);

	if (r >= 0)
		r = mode ? t->api.append(m, "ss", unit, mode)
			 : t->api.append(m, "s", unit);
	if (r < 0) {
		t->api.message_unref(m);
		return r;
	}
	return send_message(t, m, mode != NULL, error);
}

static int explain(struct talk *t, int r, struct sd_error *error, const char *what,
		   const char *unit, struct cis_error *err)
{
	if (error->message)
		cis_fail_plain(err, -r, "cgroups: %s %s: systemd says: %s", what, unit,
			       error->message);
	else
		cis_fail(err, -r, "cgroups: %s %s by systemd", what, unit);
	t->api.error_free(error);
	return r;
}

/* ---- properties ---------------------------------------------------------- */

static int put_u64(struct talk *t, struct sd_message *m, const char *name, uint64_t v)
{
	return t->api.append(m, "(sv)", name, "t", v);
}

static int put_bool(struct talk *t, struct sd_message *m, const char *name, int v)
{
	return t->api.append(m, "(sv)", name, "b", v);
}

static int put_memory(struct talk *t, struct sd_message *m, bool v2,
		      const struct config_resources *r)
{
	int64_t swap = CONFIG_NONE;
	int k = 0;

	if (resources_given(r->memory_limit))
		k = put_u64(t, m, v2 ? "MemoryMax" : "MemoryLimit",
			    (uint64_t)MAX(r->memory_limit, -1));
	if (k >= 0 && v2 && resources_given(r->memory_reservation))
		k = put_u64(t, m, "MemoryLow", (uint64_t)MAX(r->memory_reservation, -1));
	/* What does not fit together is refused by resources-v2.c. */
	if (k >= 0 && v2 && resources_given(r->memory_limit) &&
	    resources_swap(r->memory_limit, r->memory_swap, UINT64_MAX, &swap) >= 0 &&
	    swap != CONFIG_NONE)
		k = put_u64(t, m, "MemorySwapMax", (uint64_t)swap);
	return k;
}

/* Of the group as it is, if it is; 100 ms by default. */
static uint64_t period_now(const struct place_group *g)
{
	cleanup_free char *text = NULL;
	uint64_t period = 100000;

	if (g->dir < 0)
		return period;
	if (!g->v2)
		io_read_u64_at(g->dir, "cpu.cfs_period_us", &period);
	else if (io_read_file_at(g->dir, "cpu.max", 256, &text, NULL) >= 0)
		sscanf(text, "%*s %" SCNu64, &period);
	return period ? period : 100000;
}

static int put_cpu(struct talk *t, struct sd_message *m, const struct place_group *g,
		   const struct config_resources *r)
{
	uint64_t per_sec = UINT64_MAX,
		 period = r->cpu_period ? r->cpu_period : period_now(g);
	int k = 0;

	/* A weight would be refused for an idle group. */
	if (r->cpu_shares && r->cpu_idle != 1)
		k = g->v2 ? put_u64(t, m, "CPUWeight", resources_weight(r->cpu_shares))
			  : put_u64(t, m, "CPUShares", r->cpu_shares);
	if (k >= 0 && r->cpu_period)
		k = put_u64(t, m, "CPUQuotaPeriodUSec", r->cpu_period);
	if (k < 0 || !resources_given(r->cpu_quota))
		return k;
	/* In hundredths of a cpu, upwards: the file then gets the exact number. */
	if (r->cpu_quota > 0)
		per_sec = ((uint64_t)r->cpu_quota * 1000000 / period + 9999) / 10000 *
			  10000;
	return put_u64(t, m, "CPUQuotaPerSecUSec", per_sec);
}

static int put_cpus(struct talk *t, struct sd_message *m, const char *name,
		    const char *list)
{
	unsigned char bits[1024];
	size_t n;
	int r;

	/* What is not a list is refused by the kernel, with the file's name. */
	if (!list || !*list || resources_cpu_bits(list, bits, sizeof bits, &n) < 0)
		return 0;
	r = t->api.open_container(m, 'r', "sv");
	if (r >= 0)
		r = t->api.append(m, "s", name);
	if (r >= 0)
		r = t->api.open_container(m, 'v', "ay");
	if (r >= 0)
		r = t->api.append_array(m, 'y', bits, n);
	if (r >= 0)
		r = t->api.close_container(m);
	return r < 0 ? r : t->api.close_container(m);
}

static int put_limits(struct talk *t, struct sd_message *m, const struct place *p,
		      const struct config_resources *r)
{
	const struct place_group *memory = place_of(p, PLACE_MEMORY),
				 *cpu = place_of(p, PLACE_CPU),
				 *cpuset = place_of(p, PLACE_CPUSET);
	int k = memory ? put_memory(t, m, memory->v2, r) : 0;

	if (k >= 0 && cpu)
		k = put_cpu(t, m, cpu, r);
	if (k >= 0 && r->pids_limit != CONFIG_NONE && place_of(p, PLACE_PIDS))
		k = put_u64(t, m, "TasksMax", r->pids_limit > 0 ? (uint64_t)r->pids_limit
								: UINT64_MAX);
	/* systemd leaves v1's cpusets alone. */
	if (k >= 0 && cpuset && cpuset->v2)
		k = put_cpus(t, m, "AllowedCPUs", r->cpus);
	if (k >= 0 && cpuset && cpuset->v2)
		k = put_cpus(t, m, "AllowedMemoryNodes", r->mems);
	return k;
}

static bool is_slice(const char *unit)
{
	size_t n = strlen(unit);

	return n > 6 && strcmp(unit + n - 6, ".slice") == 0;
}

static int put_unit(struct talk *t, struct sd_message *m, const struct place *p,
		    pid_t pid)
{
	static const char *const accounting[] = {"MemoryAccounting", "CPUAccounting",
						 "IOAccounting", "TasksAccounting"};
	bool slice = is_slice(p->unit);
	int k = t->api.append(m, "(sv)", "Description", "s",
			      "container of cisandbox-oci");

	/* A slice has its parent in its name, takes no process, delegates nothing. */
	if (k >= 0)
		k = slice ? t->api.append(m, "(sv)", "Wants", "as", 1, p->slice)
			  : t->api.append(m, "(sv)", "Slice", "s", p->slice);
	if (k >= 0 && !slice)
		k = put_bool(t, m, "Delegate", 1);
	if (k >= 0 && !slice)
		k = t->api.append(m, "(sv)", "PIDs", "au", 1, (uint32_t)pid);
	for (size_t i = 0; k >= 0 && i < ARRAY_SIZE(accounting); i++)
		k = put_bool(t, m, accounting[i], 1);
	return k < 0 ? k : put_bool(t, m, "DefaultDependencies", 0);
}

/* ---- units --------------------------------------------------------------- */

static int start_once(struct talk *t, const struct place *p, pid_t pid,
		      const struct config_resources *r, struct sd_error *error)
{
	struct sd_message *m = NULL;
	int k = message_to(t, "StartTransientUnit", &m);

	if (k >= 0)
		k = t->api.append(m, "ss", p->unit, "replace");
	if (k >= 0)
		k = t->api.open_container(m, 'a', "(sv)");
	if (k >= 0)
		k = put_unit(t, m, p, pid);
	if (k >= 0 && r)
		k = put_limits(t, m, p, r);
	if (k >= 0)
		k = t->api.close_container(m);
	if (k >= 0)
		k = t->api.append(m, "a(sa(sv))", 0);
	if (k < 0) {
		t->api.message_unref(m);
		return k;
	}
	k = send_message(t, m, true, error);
	return k < 0 ? k : wait_for_job(t);
}

int systemd_start(const struct place *p, pid_t pid, const struct config_resources *r,
		  struct cis_error *err)
{
	cleanup(talk_done) struct talk t = {0};
	struct sd_error error = {0};
	int k = talk_open(&t, err);

	if (k < 0)
		return k;
	k = start_once(&t, p, pid, r, &error);
	if (k < 0 && error.name && strcmp(error.name, SYSTEMD ".UnitExists") == 0) {
		/* One that failed is kept for people to look at. */
		t.api.error_free(&error);
		call_unit(&t, "ResetFailedUnit", p->unit, NULL, NULL);
		k = start_once(&t, p, pid, r, &error);
	}
	if (k < 0)
		return explain(&t, k, &error, "start", p->unit, err);
	if (strcmp(t.result, "done") == 0)
		return 0;
	call_unit(&t, "ResetFailedUnit", p->unit, NULL, NULL);
	return cis_fail_plain(err, EIO, "cgroups: start %s: systemd's job ended as %s",
			      p->unit, t.result);
}

int systemd_update(const struct place *p, const struct config_resources *r,
		   struct cis_error *err)
{
	cleanup(talk_done) struct talk t = {0};
	struct sd_message *m = NULL;
	struct sd_error error = {0};
	int k = talk_open(&t, err);

	if (k < 0)
		return k;
	k = message_to(&t, "SetUnitProperties", &m);
	if (k >= 0)
		k = t.api.append(m, "sb", p->unit, 1); /* until the unit goes */
	if (k >= 0)
		k = t.api.open_container(m, 'a', "(sv)");
	if (k >= 0)
		k = put_limits(&t, m, p, r);
	if (k >= 0)
		k = t.api.close_container(m);
	if (k < 0)
		t.api.message_unref(m);
	else
		k = send_message(&t, m, false, &error);
	return k < 0 ? explain(&t, k, &error, "change", p->unit, err) : 0;
}

int systemd_stop(const struct place *p, struct cis_error *err)
{
	cleanup(talk_done) struct talk t = {0};
	struct sd_error error = {0};
	int k = talk_open(&t, err);

	if (k < 0)
		return k;
	k = call_unit(&t, "StopUnit", p->unit, "replace", &error);
	if (k >= 0)
		k = wait_for_job(&t);
	/* A scope goes with its last process. */
	if (k < 0 && error.name && strcmp(error.name, SYSTEMD ".NoSuchUnit") == 0) {
		t.api.error_free(&error);
		return 0;
	}
	call_unit(&t, "ResetFailedUnit", p->unit, NULL, NULL);
	return k < 0 ? explain(&t, k, &error, "stop", p->unit, err) : 0;
}
