/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For `docker`: brings the services of a profile up on the host as our init does
 * inside, with the same questions at the same intervals, and then runs a command. Says
 * on stderr how long that took. As pid 1 of a namespace it ends everything with it.
 *
 *	services [SOCKET PATH|- LOG COMMAND [ARG]... ';']... COMMAND [ARG]...
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROBE_MSEC 5 /* as lib/init.c */
#define GIVE_UP_MSEC 60000

static double now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static pid_t spawn(const char *log, char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		return pid;
	setsid();
	if (log) {
		int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
		int in = open("/dev/null", O_RDONLY);

		if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
		    dup2(out, 2) < 0)
			err(1, "%s", log);
	}
	execvp(argv[0], argv);
	err(127, "%s", argv[0]);
}

static bool answers(const char *path, const char *ping)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char text[256] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes;

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
	yes = fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
	if (yes && strcmp(ping, "-") != 0) {
		int n = snprintf(text, sizeof text,
				 "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", ping);

		yes = write(fd, text, (size_t)n) == n &&
		      read(fd, text, sizeof text - 1) > 12 &&
		      memcmp(text + 8, " 200", 4) == 0;
	}
	if (fd >= 0)
		close(fd);
	return yes;
}

static void bring_up(char **words)
{
	double end = now_msec() + GIVE_UP_MSEC;
	pid_t pid = spawn(words[2], words + 3);

	while (!answers(words[0], words[1])) {
		if (waitpid(pid, NULL, WNOHANG) == pid || now_msec() > end)
			errx(1, "%s did not come up; see %s", words[3], words[2]);
		usleep(PROBE_MSEC * 1000);
	}
}

static char **next_block(char **words)
{
	while (*words && strcmp(*words, ";") != 0)
		words++;
	return words;
}

int main(int argc, char **argv)
{
	char **words = argv + 1, **end;
	double start = now_msec();
	int status = 0;
	pid_t payload, pid;

	(void)argc;
	for (end = next_block(words); *end; end = next_block(words)) {
		*end = NULL;
		if (end - words < 4)
			errx(2, "a service is SOCKET PATH|- LOG COMMAND...");
		bring_up(words);
		words = end + 1;
	}
	if (!*words)
		errx(2, "no command given");
	fprintf(stderr, "ready %.1f\n", now_msec() - start);
	payload = spawn(NULL, words);
	while ((pid = wait(&status)) != payload)
		if (pid < 0)
			err(1, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
