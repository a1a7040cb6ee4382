/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trapped system calls, from inside:
 *
 *	traps sysinfo              what it says, key=value
 *	traps sysinfo-bad          errno for addresses that are not mapped, read-only, wild
 *	traps mknod PATH MAJ MIN   errno=N of mknod(2); MODE 0600
 *	traps mknodat DIR NAME     errno=N of mknodat(2) of null below a descriptor of DIR
 *	traps bad-path             errno for paths that are not mapped, too long, at an edge
 *	traps calls                errno of swapon, swapoff, reboot(CAD_OFF), the modules'
 *	traps listener             errno=N of asking for a listener of its own
 *	traps cad                  errno=N of reboot(CAD_OFF)
 *	traps mount FILE DIR TYPE  errno=N of mount(2) with ro,nosuid,nodev
 *	traps mount-race S A B DIR a thread exchanges the file between A and B meanwhile; what is
 *	                           mounted has a file f: mounted=N, and strange=N if other than A's
 *	traps euid                 its effective user id
 *	traps compat               the same calls by int 0x80: what 32-bit programs get
 *	traps x32                  errno of the x32 calls
 *	traps time N               ns=N a sysinfo(2), untrapped=N a getppid(2), bare=N a reboot(2) that
 *	                           is wrong, switches=N to another process and back on one processor,
 *	                           write=N into another process: best of rounds, on one processor
 *	traps storm SECONDS JOBS   JOBS processes make and ask, calls=N enosys=N other=N
 *	traps race SECONDS A B     a thread exchanges the path between A and B meanwhile
 *	traps victims N            N callers killed in the midst of a call, one after another
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "only-inside.h"

#define NULL_DEV makedev(1, 3)

static int err_of(long r)
{
	return r < 0 ? errno : 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say_sysinfo(void)
{
	struct sysinfo s = {0};

	printf("errno=%d\n", err_of(syscall(SYS_sysinfo, &s)));
	printf("total=%lu\nfree=%lu\nswap=%lu\nuptime=%ld\nprocs=%u\nunit=%u\nload1=%lu\n",
	       s.totalram, s.freeram, s.totalswap, s.uptime, s.procs, s.mem_unit, s.loads[0]);
}

static void sysinfo_bad(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page + 4096, 4096);
	printf("null=%d\n", err_of(syscall(SYS_sysinfo, NULL)));
	printf("edge=%d\n", err_of(syscall(SYS_sysinfo, page + 4090)));
	printf("readonly=%d\n", err_of(syscall(SYS_sysinfo, ro)));
	printf("kernel=%d\n", err_of(syscall(SYS_sysinfo, (void *)~0xfffUL)));
}

static void bad_path(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char long_path[5000];

	munmap(page + 4096, 4096);
	memset(long_path, 'a', sizeof long_path - 1);
	printf("null=%d\n", err_of(syscall(SYS_mknod, NULL, S_IFCHR, NULL_DEV)));
	strcpy(page + 4096 - 10, "/tmp/edge");
	printf("edge=%d\n", err_of(syscall(SYS_mknod, page + 4096 - 10, S_IFCHR, NULL_DEV)));
	memcpy(page + 4096 - 9, "/tmp/over", 9);
	printf("over=%d\n", err_of(syscall(SYS_mknod, page + 4096 - 9, S_IFCHR, NULL_DEV)));
	printf("long=%d\n", err_of(syscall(SYS_mknod, long_path, S_IFCHR, NULL_DEV)));
	printf("empty=%d\n", err_of(syscall(SYS_mknod, "", S_IFCHR, NULL_DEV)));
	printf("slash=%d\n", err_of(syscall(SYS_mknod, "/tmp/x/", S_IFCHR, NULL_DEV)));
	printf("root=%d\n", err_of(syscall(SYS_mknod, "/", S_IFCHR, NULL_DEV)));
	printf("dots=%d\n", err_of(syscall(SYS_mknod, "/tmp/..", S_IFCHR, NULL_DEV)));
	printf("exists=%d\n", err_of(syscall(SYS_mknod, "/tmp/edge", S_IFCHR, NULL_DEV)));
	printf("fd=%d\n", err_of(syscall(SYS_mknodat, 77, "x", S_IFCHR, NULL_DEV)));
	printf("file=%d\n", err_of(syscall(SYS_mknodat, open("/bin/busybox", O_RDONLY), "x",
					   S_IFCHR, NULL_DEV)));
	printf("fifo=%d\n", err_of(syscall(SYS_mknod, "/tmp/fifo", S_IFIFO | 0600, 0)));
	printf("whiteout=%d\n", err_of(syscall(SYS_mknod, "/dev/shm/white", S_IFCHR, 0)));
}

static void say_calls(void)
{
	printf("swapon=%d\n", err_of(syscall(SYS_swapon, "/bin/busybox", 0)));
	printf("swapon_none=%d\n", err_of(syscall(SYS_swapon, "/does/not/exist", 0)));
	printf("swapon_flags=%d\n", err_of(syscall(SYS_swapon, "/bin/busybox", -1)));
	printf("swapoff=%d\n", err_of(syscall(SYS_swapoff, "/dev/sda2")));
	printf("cad=%d\n", err_of(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)));
	printf("cad_magic=%d\n", err_of(syscall(SYS_reboot, 1, 2, 0, NULL)));
	printf("init_module=%d\n", err_of(syscall(SYS_init_module, "x", 1, "")));
	printf("finit_module=%d\n", err_of(syscall(SYS_finit_module, 0, "", 0)));
	printf("delete_module=%d\n", err_of(syscall(SYS_delete_module, "overlay", 0)));
	printf("kexec=%d\n", err_of(syscall(SYS_kexec_load, 0, 0, NULL, 0)));
}

static void ask_listener(void)
{
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {1, allow};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("errno=%d\n", err_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
	printf("plain=%d\n",
	       err_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)));
}

static void ask_sysinfo(void)
{
	struct sysinfo s;

	syscall(SYS_sysinfo, &s);
}

static void ask_untrapped(void)
{
	syscall(SYS_getppid);
}

/* Where it is trapped: answered without a look at us. */
static void ask_bare(void)
{
	syscall(SYS_reboot, 1, 2, LINUX_REBOOT_CMD_CAD_OFF, NULL);
}

static struct echo {
	int to, from;
	pid_t pid;
} echo;

static void start_echo(void)
{
	int to[2], from[2];
	char c;

	if (pipe(to) < 0 || pipe(from) < 0)
		exit(1);
	echo = (struct echo){to[1], from[0], fork()};
	if (echo.pid)
		return;
	close(to[1]);
	while (read(to[0], &c, 1) == 1 && write(from[1], &c, 1) == 1)
		;
	_exit(0);
}

static void ask_switches(void)
{
	char c = 0;

	if (write(echo.to, &c, 1) != 1 || read(echo.from, &c, 1) != 1)
		exit(1);
}

/* The echo is a fork, so the address is memory of its own. */
static void ask_write(void)
{
	static struct sysinfo s;
	struct iovec v = {.iov_base = &s, .iov_len = sizeof s};

	process_vm_writev(echo.pid, &v, 1, &v, 1, 0);
}

/* Two processors, one of them asleep, would measure how that one is woken. */
static void stay(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void measure(int n)
{
	static const struct {
		const char *name;
		void (*ask)(void);
	} what[] = {{"ns", ask_sysinfo}, {"untrapped", ask_untrapped}, {"bare", ask_bare},
		    {"switches", ask_switches}, {"write", ask_write}};
	enum { KINDS = sizeof what / sizeof *what };
	double best[KINDS];

	stay();
	start_echo();
	for (int round = 0; round < 100; round++)
		for (int k = 0; k < KINDS; k++) {
			double t = now();

			for (int i = 0; i < n; i++)
				what[k].ask();
			t = (now() - t) / n;
			best[k] = round == 0 || t < best[k] ? t : best[k];
		}
	close(echo.to);
	waitpid(echo.pid, NULL, 0);
	for (int k = 0; k < KINDS; k++)
		printf("%s=%.0f\n", what[k].name, best[k] * 1e9);
}

struct tally {
	long calls, enosys, other, wrong;
};

static void storm_one(double end, struct tally *t)
{
	char path[64];

	snprintf(path, sizeof path, "/tmp/storm.%d", getpid());
	while (now() < end) {
		struct sysinfo s = {0};
		int e = err_of(syscall(SYS_sysinfo, &s)), m;

		t->wrong += e == 0 && (s.mem_unit != 1 || s.totalram == 0);
		m = err_of(syscall(SYS_mknod, path, S_IFCHR | 0600, NULL_DEV));
		t->calls += 2;
		t->enosys += (e == ENOSYS) + (m == ENOSYS);
		t->other += (e && e != ENOSYS) + (m && m != ENOSYS);
		unlink(path);
	}
}

static void storm(double seconds, int jobs)
{
	struct tally *t = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct tally sum = {0};
	double end = now() + seconds;

	for (int i = 0; i < jobs; i++)
		if (fork() == 0) {
			storm_one(end, &t[i]);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < jobs; i++) {
		sum.calls += t[i].calls;
		sum.enosys += t[i].enosys;
		sum.other += t[i].other;
		sum.wrong += t[i].wrong;
	}
	printf("calls=%ld\nenosys=%ld\nother=%ld\nwrong=%ld\n", sum.calls, sum.enosys, sum.other,
	       sum.wrong);
}

static char raced[4096];
static const char *race_a, *race_b;
static volatile int racing = 1;

static void *exchange(void *arg)
{
	(void)arg;
	while (racing) {
		strcpy(raced, race_a);
		strcpy(raced, race_b);
	}
	return NULL;
}

/* Whatever mixture of both the helper reads: a path is judged and used as it was read. */
static void race(double seconds, const char *a, const char *b)
{
	double end = now() + seconds;
	pthread_t thread;
	long made = 0, calls = 0;

	race_a = a;
	race_b = b;
	strcpy(raced, a);
	pthread_create(&thread, NULL, exchange, NULL);
	for (; now() < end; calls++) {
		made += syscall(SYS_mknod, raced, S_IFCHR | 0600, NULL_DEV) == 0;
		unlink(a);
		unlink(b);
	}
	racing = 0;
	pthread_join(thread, NULL);
	printf("calls=%ld\nmade=%ld\n", calls, made);
}

#define IMAGE_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV)

static void mount_race(double seconds, const char *a, const char *b, const char *dir)
{
	double end = now() + seconds;
	long mounted = 0, strange = 0, calls = 0;
	pthread_t thread;

	race_a = a;
	race_b = b;
	strcpy(raced, a);
	pthread_create(&thread, NULL, exchange, NULL);
	for (; now() < end; calls++) {
		char path[256], text[16] = "";
		int fd;

		if (syscall(SYS_mount, raced, dir, "squashfs", IMAGE_FLAGS, NULL) < 0)
			continue;
		mounted++;
		snprintf(path, sizeof path, "%s/f", dir);
		fd = open(path, O_RDONLY);
		strange += read(fd, text, sizeof text - 1) < 0 || strcmp(text, "hello\n") != 0;
		close(fd);
		umount2(dir, 0);
	}
	racing = 0;
	pthread_join(thread, NULL);
	printf("calls=%ld\nmounted=%ld\nstrange=%ld\n", calls, mounted, strange);
}

#ifdef __x86_64__
/* By the gate of 32-bit programs, which a 64-bit one may go through too. */
static int call32(int nr, const void *a, unsigned int b, unsigned int c, const void *d)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"((unsigned int)(unsigned long)a), "c"(b), "d"(c),
			   "S"((unsigned int)(unsigned long)d), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return r < 0 ? (int)-r : 0;
}

struct sysinfo32 {
	int32_t uptime;
	uint32_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t totalhigh, freehigh, mem_unit;
	char room[8];
};

static void compat(void)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct sysinfo32 *s = (void *)low;
	size_t beyond = 0;

	memset(low, 0x5a, 4096);
	printf("sysinfo=%d\n", call32(116, s, 0, 0, NULL));
	printf("total=%llu\nfree=%llu\nunit=%u\nprocs=%u\nuptime=%d\n",
	       (unsigned long long)s->totalram * s->mem_unit,
	       (unsigned long long)s->freeram * s->mem_unit, s->mem_unit, s->procs, s->uptime);
	for (size_t i = sizeof *s; i < 4096; i++)
		beyond += low[i] != 0x5a;
	printf("beyond=%zu\n", beyond);
	printf("sysinfo_null=%d\n", call32(116, NULL, 0, 0, NULL));
	strcpy(low, "/tmp/n32");
	printf("mknod=%d\n", call32(14, low, S_IFCHR | 0600, NULL_DEV, NULL));
	unlink(low);
	printf("mknod_mem=%d\n", call32(14, low, S_IFCHR | 0600, makedev(1, 1), NULL));
	strcpy(low, "/bin/busybox");
	printf("swapon=%d\n", call32(87, low, 0, 0, NULL));
	printf("swapoff=%d\n", call32(115, low, 0, 0, NULL));
	printf("cad=%d\n", call32(88, (void *)0xfee1deadUL, 672274793, 0, NULL));
	printf("init_module=%d\n", call32(128, low, 1, 0, NULL));
	printf("finit_module=%d\n", call32(350, NULL, 0, 0, NULL));
	printf("delete_module=%d\n", call32(129, low, 0, 0, NULL));
	strcpy(low, "/s.img");
	strcpy(low + 64, "/mnt");
	strcpy(low + 128, "squashfs");
	printf("mount=%d\n", call32(21, low, (unsigned int)(unsigned long)(low + 64),
				    (unsigned int)(unsigned long)(low + 128),
				    (void *)(unsigned long)IMAGE_FLAGS));
}

static void x32(void)
{
	static char page[4096];

	printf("sysinfo=%d\n", err_of(syscall(0x40000000 + SYS_sysinfo, page)));
	printf("mknod=%d\n", err_of(syscall(0x40000000 + SYS_mknod, "/tmp/x32", S_IFCHR, NULL_DEV)));
	printf("mount=%d\n", err_of(syscall(0x40000000 + SYS_mount, "/s.img", "/mnt", "squashfs",
					    IMAGE_FLAGS, NULL)));
}
#else
static void compat(void)
{
}

static void x32(void)
{
}
#endif

static void victims(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;) {
				struct sysinfo s;

				syscall(SYS_sysinfo, &s);
				syscall(SYS_mknod, "/tmp/victim", S_IFCHR | 0600, NULL_DEV);
				unlink("/tmp/victim");
			}
		usleep((useconds_t)(i % 50) * 20);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	printf("killed=%d\n", n);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	only_inside();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(what, "sysinfo") == 0)
		say_sysinfo();
	else if (strcmp(what, "sysinfo-bad") == 0)
		sysinfo_bad();
	else if (strcmp(what, "mknod") == 0 && argc == 5)
		printf("errno=%d\n",
		       err_of(syscall(SYS_mknod, argv[2], S_IFCHR | 0600,
				      makedev(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10)))));
	else if (strcmp(what, "mknodat") == 0 && argc == 4)
		printf("errno=%d\n", err_of(syscall(SYS_mknodat, open(argv[2], O_PATH), argv[3],
						    S_IFCHR | 0640, NULL_DEV)));
	else if (strcmp(what, "bad-path") == 0)
		bad_path();
	else if (strcmp(what, "calls") == 0)
		say_calls();
	else if (strcmp(what, "mount") == 0 && argc == 5)
		printf("errno=%d\n", err_of(syscall(SYS_mount, argv[2], argv[3], argv[4],
						    IMAGE_FLAGS, NULL)));
	else if (strcmp(what, "mount-race") == 0 && argc == 6)
		mount_race(atof(argv[2]), argv[3], argv[4], argv[5]);
	else if (strcmp(what, "euid") == 0)
		printf("%u\n", geteuid());
	else if (strcmp(what, "compat") == 0)
		compat();
	else if (strcmp(what, "x32") == 0)
		x32();
	else if (strcmp(what, "cad") == 0)
		printf("errno=%d\n", err_of(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)));
	else if (strcmp(what, "listener") == 0)
		ask_listener();
	else if (strcmp(what, "time") == 0 && argc == 3)
		measure(atoi(argv[2]));
	else if (strcmp(what, "storm") == 0 && argc == 4)
		storm(atof(argv[2]), atoi(argv[3]));
	else if (strcmp(what, "race") == 0 && argc == 5)
		race(atof(argv[2]), argv[3], argv[4]);
	else if (strcmp(what, "victims") == 0 && argc == 3)
		victims(atoi(argv[2]));
	else
		return 2;
	return 0;
}
