/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the AppArmor profile for sandboxes is loaded. Without it they run under the
 * engine's own, which forbids mounts: nothing is less safe, but engines inside fail.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oci.h"

#define PROFILE_NAME "cisandbox-container"
#define SECURITYFS "/sys/kernel/security/apparmor"
#define LOAD "apparmor_parser -r " APPARMOR_DIR "/" PROFILE_NAME

/* -1: there is no AppArmor here, or we may not know. */
static int is_loaded(void)
{
	static const char wanted[] = PROFILE_NAME " (";
	FILE *f = fopen(SECURITYFS "/profiles", "re");
	char line[4096];
	int found = 0;

	if (!f)
		return -1;
	while (!found && fgets(line, sizeof line, f))
		found = strncmp(line, wanted, sizeof wanted - 1) == 0;
	fclose(f);
	return found;
}

void apparmor_show(void)
{
	int loaded = is_loaded();

	if (loaded >= 0)
		printf("%-8s %-10s  %s\n", loaded ? "ok" : "-", "AppArmor",
		       loaded ? PROFILE_NAME " is loaded"
			      : PROFILE_NAME " is not loaded, and engines inside cannot mount ("
				LOAD ")");
}

void apparmor_advise(void)
{
	if (is_loaded() == 0)
		printf("Also: %s\n", LOAD);
}
