/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

static bool shown;

void progress_show(const char *what)
{
	if (isatty(2)) {
		shown = true;
		fprintf(stderr, "\r\033[K%s ...", what);
	}
}

void progress_clear(void)
{
	if (shown)
		fprintf(stderr, "\r\033[K");
	shown = false;
}
