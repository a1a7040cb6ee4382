/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces that an engine gives to a container that becomes a sandbox (profile docker).
 * What another user namespace owns is of little use to root inside, so:
 *
 *	the config has the user namespace that owns it    it is joined
 *	it belongs to another sandbox: a pod's, or the
 *	    one of --network container:IT                 its user namespace is joined too,
 *	                                                  with its ids
 *	anything else: a network namespace                it becomes the gate (net/gate.h)
 *	               ipc and uts of a pod               the sandbox has its own instead
 *	               the host's                         refused
 */
#ifndef CIS_CONTAINER_NETWORK_H
#define CIS_CONTAINER_NETWORK_H

#include "../net/gate.h"
#include "config.h"
#include "container.h"

#define NETWORK_ANNOTATION "io.cisandbox.network"

struct network {
	int gate;        /* the given one, if it is the gate; locked */
	char *path;      /* its */
	struct gate_facts facts;
	bool direct;     /* used though another user namespace owns it */
	int userns;      /* of the sandbox that is joined */
	uint32_t base;   /* its ids; 0: none is joined */
};

void network_init(struct network *n);
void network_done(struct network *n);

/* Decides, and changes the namespaces of @c so. */
int network_decide(struct network *n, struct config *c, const struct cis_oci *rt,
		   struct cis_error *err);

/* @box: the sandbox's own network namespace. */
int network_make(const struct network *n, int box, struct cis_error *err);

/* The journal: in state.json before network_make(). */
void network_save(const struct network *n, struct json *doc);
/* What is left of it; nothing if the given one is gone. */
int network_undo(const struct json *doc, struct cis_error *err);

#endif
