/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pasta.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/num.h"
#include "../base/process.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../isolate/confine.h"
#include "../isolate/userns.h"
#include "../net/egress.h"
#include "../net/gate-messages.h"
#include "../net/hear.h"

#define PATIENCE_MSEC 10000
/* Where Debian's AppArmor profile of passt lets it look for one. */
#define NETNS "/run/user/0/netns/gate"
#define TUN "/dev/net/tun"
#define TUN_NODE "/run/tun"
#define TUN_DEVICE makedev(10, 200)
#define ARGS 48
#define POLLED 3

struct words {
	const char *argv[ARGS];
	char host4[INET_ADDRSTRLEN], up4[INET_ADDRSTRLEN];
	char host6[INET6_ADDRSTRLEN], up6[INET6_ADDRSTRLEN];
};

struct warden {
	const struct pasta_site *site;
	const char *program;
	const struct words *words;
	int says, addresses;
};

bool pasta_is_installed(void)
{
	cleanup_free char *program = NULL;

	return spawn_find("pasta", &program) >= 0;
}

/*
 * No way to the host's loopback by the gateway's address or by ports of the gate's own, no
 * port of the host that leads in, and nothing that it would answer by itself but where a
 * neighbour is. Debian 12's, 13's and later ones know all of these.
 */
static void choose_words(struct words *w, const struct egress_addresses *a)
{
	static const char *const always[] = {
		"pasta", "--foreground", "--quiet",
		"--netns", NETNS, "--no-netns-quit", "--ns-ifname", EGRESS_UPLINK,
		"--tcp-ports", "none", "--udp-ports", "none",
		"--tcp-ns", "none", "--udp-ns", "none",
		"--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ra",
		"--dns", "none", "--search", "none", "--netmask", "31",
	};
	size_t n = ARRAY_SIZE(always);

	memcpy(w->argv, always, sizeof always);
	inet_ntop(AF_INET, a->host4, w->host4, sizeof w->host4);
	inet_ntop(AF_INET, a->up4, w->up4, sizeof w->up4);
	inet_ntop(AF_INET6, a->host6, w->host6, sizeof w->host6);
	inet_ntop(AF_INET6, a->up6, w->up6, sizeof w->up6);
	w->argv[n++] = "--address";
	w->argv[n++] = w->up4;
	w->argv[n++] = "--gateway";
	w->argv[n++] = w->host4;
	if (a->six) {
		w->argv[n++] = "--address";
		w->argv[n++] = w->up6;
		w->argv[n++] = "--gateway";
		w->argv[n++] = w->host6;
	} else {
		w->argv[n++] = "--ipv4-only";
	}
	w->argv[n] = NULL;
}

/* ---- cis:uplink, and pasta below it: raw calls only -------------------------------------- */

static int bind_file(const char *from, const char *to)
{
	return SYS(mount, from, to, NULL, MS_BIND, NULL);
}

static int make_file(const char *path)
{
	int fd = SYS(openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	fd_close(fd);
	return MIN(fd, 0);
}

/* Root's alone on some hosts; no root but the host's can make, or needs, one of its own. */
static int make_tun(void)
{
	int r = SYS(mknodat, AT_FDCWD, TUN_NODE, S_IFCHR | 0666, TUN_DEVICE);

	if (r == -EPERM)
		return 0;
	if (r >= 0)
		r = SYS(fchmodat, AT_FDCWD, TUN_NODE, 0666);
	return r < 0 ? r : bind_file(TUN_NODE, TUN);
}

/* Nobody else sees these mounts. The host's log is out of reach: a job could fill it. */
static int make_run(int netns)
{
	static const char *const dirs[] = {"/run/user", "/run/user/0", "/run/user/0/netns"};
	char file[64] = "/proc/self/fd/";
	int r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);

	num_append(file, sizeof file, (unsigned long long)netns);
	if (r >= 0)
		r = SYS(mount, "tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NOEXEC,
			"mode=755,size=64k");
	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r >= 0; i++)
		r = SYS(mkdirat, AT_FDCWD, dirs[i], 0755);
	if (r >= 0)
		r = make_file(NETNS);
	if (r >= 0)
		r = bind_file(file, NETNS);
	return r < 0 ? r : make_tun();
}

static void pasta_main(const struct warden *w) __attribute__((noreturn));
static void pasta_main(const struct warden *w)
{
	static const char *const env[] = {"LC_ALL=C", NULL};
	int null = SYS(openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
	int r = null < 0 ? null : SYS(dup3, null, 0, 0);

	if (r >= 0)
		r = SYS(dup3, w->says, 1, 0);
	if (r >= 0)
		r = SYS(dup3, w->says, 2, 0);
	if (r >= 0)
		r = fd_close_others(NULL, 0);
	SYS(setsid);
	SYS(chdir, "/");
	process_reset_signals_child();
	if (r >= 0)
		SYS(execve, w->program, w->words->argv, env);
	_exit(127);
}

static int clone_pasta(const struct warden *w)
{
	int pidfd = -1;
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd};
	int r = process_clone(&args);

	if (r == 0)
		pasta_main(w);
	return r < 0 ? r : pidfd;
}

/* Until the supervisor, or pasta, is gone; meanwhile, what addresses the host has. */
static void serve(const struct warden *w, int pasta)
{
	struct pollfd p[POLLED] = {{.fd = w->site->life, .events = POLLIN},
				   {.fd = pasta, .events = POLLIN},
				   {.fd = w->addresses, .events = POLLIN}};

	while (SYS(ppoll, p, POLLED, NULL, NULL, 0) >= 0 && !p[0].revents && !p[1].revents)
		if (p[2].revents && hear_shut_child(w->addresses, w->site->never) < 0)
			return;
}

static void say(int fd, const char *text)
{
	SYS(write, fd, text, strlen(text));
}

static void warden_main(const struct warden *w) __attribute__((noreturn));
static void warden_main(const struct warden *w)
{
	const struct pasta_site *s = w->site;
	const struct confinement c = {.caps = 1ULL << CAP_NET_ADMIN,
				      .files = POLLED, /* ppoll() wants as much */
				      .filter = SECCOMP_KEEPER};
	const int fds[] = {s->userns, s->netns, s->never, s->life, w->says, w->addresses};
	int keep[ARRAY_SIZE(fds)], pasta = -1, r;
	size_t n = 0;

	SYS(prctl, PR_SET_NAME, "cis:uplink", 0, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_keep(keep, &n, fds[i]);
	fd_close_others(keep, n);
	r = make_run(s->netns);
	if (r < 0)
		say(w->says, "its mounts cannot be made");
	if (r >= 0)
		r = SYS(setns, s->userns, CLONE_NEWUSER);
	if (r >= 0)
		r = userns_become_root_child();
	if (r >= 0)
		r = pasta = clone_pasta(w);
	for (int i = 0; i < 3; i++)
		fd_close(i);
	SYS(chdir, "/");
	if (r >= 0)
		r = confine_child(&c);
	if (r >= 0)
		serve(w, pasta);
	_exit(1);
}

/* ---- the supervisor's ------------------------------------------------------------------------ */

int pasta_start(struct pasta *p, const struct pasta_site *s, struct cis_error *err)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS,
		.pidfd = (uint64_t)(uintptr_t)&p->pidfd,
	};
	cleanup_free char *program = NULL;
	cleanup_close int addresses = hear_addresses(), says = -1;
	struct words words = {0};
	struct warden w = {s, NULL, &words, -1, addresses};
	int r = spawn_find("pasta", &program), fds[2];

	if (r < 0)
		return cis_fail_plain(err, ENOENT,
				      "network: the program pasta is not installed (apt install "
				      PASTA_PACKAGE ")");
	r = p->links = hear_links(s->netns);
	/* Not read before its end: what is too much for a pipe is lost, and holds up nobody. */
	if (r >= 0)
		r = addresses;
	if (r >= 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		r = -errno;
	if (r < 0)
		return cis_fail(err, -r, "network: make ready for pasta");
	p->says = fds[0];
	w.says = says = fds[1];
	w.program = program;
	choose_words(&words, s->addresses);
	r = process_clone(&args);
	if (r == 0)
		warden_main(&w);
	if (r < 0) {
		p->pidfd = -1;
		return cis_fail(err, -r, "network: clone pasta's parent");
	}
	return 0;
}

/* The last line; not what it says about a log that is not there. */
void pasta_read_word(const struct pasta *p, char *buf, size_t size)
{
	char text[4096];
	ssize_t n = read(p->says, text, sizeof text - 1);
	char *rest = text, *line;

	buf[0] = '\0';
	text[MAX(n, 0)] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (*line && !strstr(line, "syslog")) {
			buf[0] = '\0';
			strncat(buf, line, size - 1);
		}
	for (char *c = buf; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static int explain(const struct pasta *p, struct cis_error *err)
{
	char word[256];

	pasta_read_word(p, word, sizeof word);
	cis_fail_plain(err, EIO, "network: pasta ended at once: %s",
		       *word ? word : "it said nothing");
	if (access(TUN, R_OK | W_OK) < 0)
		cis_hint(err, "as root: chmod 666 " TUN ", as udev does");
	return -EIO;
}

int pasta_await(struct pasta *p, struct cis_error *err)
{
	struct pollfd polled[] = {{.fd = p->pidfd, .events = POLLIN},
				  {.fd = p->links, .events = POLLIN}};
	int r = 0;

	while (r == 0) {
		r = poll(polled, ARRAY_SIZE(polled), PATIENCE_MSEC);
		if (r < 0 && errno != EINTR)
			return cis_fail(err, errno, "network: wait for pasta");
		if (r == 0)
			return cis_fail_plain(err, ETIMEDOUT,
					      "network: pasta does not make its device");
		if (polled[0].revents)
			return explain(p, err);
		r = polled[1].revents ? hear_uplink(p->links) : 0;
	}
	p->links = fd_close(p->links);
	return r < 0 ? cis_fail(err, -r, "network: wait for pasta") : 0;
}

void pasta_end(struct pasta *p)
{
	if (p->pidfd >= 0) {
		sys_pidfd_send_signal(p->pidfd, SIGKILL);
		process_reap(p->pidfd, NULL);
	}
	p->pidfd = fd_close(p->pidfd);
	p->says = fd_close(p->says);
	p->links = fd_close(p->links);
}
