/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci.h"

#define MAX_FILE (16u << 20)
#define SIGNAL_MIN_RT 34 /* the kernel's 32, behind the two that threads take */
#define SIGNAL_MAX 64

const char *errno_text(int e)
{
	static char text[64];

	snprintf(text, sizeof text, "%s", strerror(e));
	if (islower((unsigned char)text[1]) || text[1] == '/')
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

static int read_all(int fd, char **ret, size_t *ret_len)
{
	char *text = NULL, *more;
	size_t len = 0, size = 0;
	ssize_t n;

	do {
		if (size - len < 4096) {
			size = size ? 2 * size : 16384;
			more = size <= 2 * MAX_FILE ? realloc(text, size) : NULL;
			if (!more) {
				free(text);
				return size > 2 * MAX_FILE ? -EFBIG : -ENOMEM;
			}
			text = more;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0 && errno != EINTR) {
			n = -errno;
			free(text);
			return (int)n;
		}
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	text[len] = '\0';
	*ret = text;
	*ret_len = len;
	return 0;
}

int file_read(const char *path, char **ret, size_t *ret_len)
{
	struct stat st;
	int fd, r;

	if (strcmp(path, "-") == 0)
		return read_all(0, ret, ret_len);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? -EISDIR : read_all(fd, ret, ret_len);
	close(fd);
	return r;
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return oci_fail("write standard output: %s", errno_text(errno));
}

int print_json(int r, char *text, const struct cis_error *err)
{
	size_t len;

	if (r < 0)
		return oci_fail_err(err);
	len = strlen(text);
	fputs(text, stdout);
	if (len == 0 || text[len - 1] != '\n')
		putchar('\n');
	free(text);
	return finish_output();
}

long long parse_number(const char *text, long long max)
{
	char *end;
	long long n;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	n = strtoll(text, &end, 10);
	return *end || errno || n > max ? -1 : n;
}

/* "RTMIN+3", "RTMAX-1": the ways to stop systemd are among them. */
static int parse_realtime(const char *text)
{
	bool from_max = strncasecmp(text, "RTMAX", 5) == 0;
	long long n = 0;

	if (!from_max && strncasecmp(text, "RTMIN", 5) != 0)
		return -1;
	if (text[5] && text[5] != (from_max ? '-' : '+'))
		return -1;
	if (text[5])
		n = parse_number(text + 6, SIGNAL_MAX - SIGNAL_MIN_RT);
	if (n < 0)
		return -1;
	return from_max ? SIGNAL_MAX - (int)n : SIGNAL_MIN_RT + (int)n;
}

int parse_signal(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} others[] = {{"IO", SIGIO}, {"IOT", SIGABRT}, {"CLD", SIGCHLD}};

	if (isdigit((unsigned char)*text))
		return (int)parse_number(text, SIGNAL_MAX);
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int sig = 1; sig < SIGNAL_MIN_RT; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name && strcasecmp(name, text) == 0)
			return sig;
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcasecmp(others[i].name, text) == 0)
			return others[i].number;
	return parse_realtime(text);
}
