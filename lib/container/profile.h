/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profile "docker": an engine's ordinary container becomes a sandbox, in which dockerd,
 * podman and systemd run. Root inside is nobody outside, and so may have everything
 * inside. Here is what is changed in the config; overlay-root.c has what becomes of the
 * root file system, staged.c who builds it.
 */
#ifndef CIS_CONTAINER_PROFILE_H
#define CIS_CONTAINER_PROFILE_H

#include "box.h"

#define PROFILE_IDS 65536U /* of a sandbox */
#define PROFILE_ANNOTATION "io.cisandbox.profile"
#define CAPABILITIES_ANNOTATION "io.cisandbox.capabilities" /* all, engine */

/*
 * "nested" is "plain" for engines inside of a sandbox, with virtual files: keeper.h.
 */
enum profile { PROFILE_PLAIN, PROFILE_NESTED, PROFILE_DOCKER };

/* As the program or an annotation says. -EINVAL: there is none of that name. */
int profile_of(const struct cis_oci *rt, const struct config *c, struct cis_error *err);

/* -EPERM: it asks for something that is the host's. */
int profile_check(const struct config *c, struct cis_error *err);

/*
 * All that is changed. @owner: in whose name host ids are taken, if the config has no
 * user namespace. @base: not 0 if it joins a sandbox's, which has these.
 */
int profile_apply(struct config *c, const char *owner, uint32_t base, struct cis_error *err);
/* Of it, what exec needs too: capabilities, filter. */
int profile_apply_process(struct config *c, struct config_process *p, struct cis_error *err);

/* Gives back what profile_apply() took. */
void profile_release(const char *owner);

/* Which mounts the stage attaches: fills b->by_stage. */
int profile_divide(struct box *b, struct cis_error *err);

/* Whether @path is @dir or in it, as text. */
bool profile_is_below(const char *path, const char *dir);

#endif
