/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "notify.h"
#include "oci.h"

/* Sockets that systemd, or conmon in its place, gave this very process. */
static unsigned int inherited_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || atoi(pid) != getpid() || atoi(fds) < 0 || atoi(fds) > 4096)
		return 0;
	return (unsigned int)atoi(fds);
}

struct cis_oci_create create_how(const struct call *c)
{
	const struct options *o = &c->o;
	struct cis_oci_create how = {
		.bundle = o->bundle,
		.config = o->config,
		.pid_file = o->pid_file,
		.console_socket = o->console_socket,
		.pidfd_socket = o->pidfd_socket,
		.preserve_fds = o->preserve_fds,
		.listen_fds = inherited_sockets(),
	};

	if (o->no_pivot)
		how.flags |= CIS_OCI_NO_PIVOT;
	if (o->no_new_keyring)
		how.flags |= CIS_OCI_NO_NEW_KEYRING;
	if (notify_is_wanted())
		how.flags |= CIS_OCI_NOTIFY;
	return how;
}

int check_terminal(bool terminal, bool detach, const char *socket)
{
	if (detach && terminal && !socket)
		return oci_fail("cannot allocate tty if " PROGRAM
				" will detach without setting console socket");
	if (socket && (!detach || !terminal))
		return oci_fail("cannot use console socket if " PROGRAM
				" will not detach or allocate tty");
	return 0;
}

bool bundle_wants_terminal(const struct cis_oci_create *how)
{
	const char *name = how->config ? how->config : "config.json";
	const char *dir = *name == '/' ? "" : how->bundle ? how->bundle : ".";
	char path[4096], *text;
	struct json process, terminal;
	size_t len;
	bool wants;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
		return false;
	if (file_read(path, &text, &len) < 0)
		return false;
	/* process stands near the start: hardly anything is read twice. */
	wants = jtext_get(jtext_of(text, len), "process", &process) &&
		jtext_get(process, "terminal", &terminal) && jtext_is(terminal, 't');
	free(text);
	return wants;
}

int verb_create(struct call *c)
{
	struct cis_oci_create how = create_how(c);
	struct cis_error err = {0};

	if (check_terminal(bundle_wants_terminal(&how), true, how.console_socket))
		return EXIT_FAILED;
	if (cis_oci_create(&c->rt, c->argv[0], &how, sizeof how, &err) < 0)
		return oci_fail_err(&err);
	return 0;
}
