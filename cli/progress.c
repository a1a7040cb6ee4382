/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

#define BAR 24
#define TEXT_MAX 160

static bool shown;

static unsigned int width(void)
{
	struct winsize size;

	return ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void progress_show(const char *what)
{
	if (isatty(2)) {
		shown = true;
		/* A line that is too long for the terminal would not be taken back. */
		fprintf(stderr, "\r\033[K%.*s ...", (int)width() - 5, what);
	}
}

void progress_clear(void)
{
	if (shown)
		fprintf(stderr, "\r\033[K");
	shown = false;
}

static unsigned int percent(const struct cis_image_progress *p)
{
	return p->total ? (unsigned int)(100 * (p->done / 1024) / (p->total / 1024 + 1))
			: 100;
}

static void describe(const struct cis_image_progress *p, char *buf, size_t size)
{
	char done[16], total[16];

	if (p->phase == CIS_IMAGE_UNPACK)
		snprintf(buf, size, "unpacking layer %llu of %llu",
			 (unsigned long long)p->layer, (unsigned long long)p->layers);
	else if (p->phase == CIS_IMAGE_READ)
		snprintf(buf, size, "reading the archive, %s of %s", cli_size(p->done, done),
			 cli_size(p->total, total));
	else if (!p->total)
		snprintf(buf, size, "nothing to fetch");
	else
		snprintf(buf, size, "fetching %llu of %llu layers, %s of %s",
			 (unsigned long long)(p->layers - p->layer),
			 (unsigned long long)p->layers, cli_size(p->done, done),
			 cli_size(p->total, total));
}

static void draw(const struct cis_image_progress *p, unsigned int turn)
{
	char bar[BAR + 1], text[TEXT_MAX], line[TEXT_MAX + BAR + 16];
	size_t n = percent(p) * BAR / 100;

	memset(bar, ' ', BAR);
	memset(bar, '=', n);
	if (n < BAR)
		bar[n] = '>';
	bar[BAR] = '\0';
	describe(p, text, sizeof text);
	snprintf(line, sizeof line, "%c [%s] %3u%% %s", "|/-\\"[turn % 4], bar, percent(p),
		 text);
	progress_show(line);
}

void progress_image(const struct cis_image_progress *p, unsigned int turn)
{
	static struct cis_image_progress last;
	static unsigned int tenth;
	char text[TEXT_MAX];

	if (isatty(2)) {
		draw(p, turn);
		return;
	}
	if (p->phase == last.phase && p->layer == last.layer &&
	    (p->phase == CIS_IMAGE_UNPACK || percent(p) / 10 == tenth))
		return;
	last = *p;
	tenth = percent(p) / 10;
	describe(p, text, sizeof text);
	fprintf(stderr, "%s\n", text);
}
