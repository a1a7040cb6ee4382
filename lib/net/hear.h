/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says by itself about links and addresses; for uplinks that a program makes. */
#ifndef CIS_NET_HEAR_H
#define CIS_NET_HEAR_H

/* Addresses that the caller's namespace has, and each that it gets, will be heard. -errno */
int hear_addresses(void);
/* What was heard by @fd goes into the never-list of the gate @nft. Raw calls. */
int hear_shut_child(int fd, int nft);

/* Links of the gate will be. -errno */
int hear_links(int gate);
/* 1: what was heard is that the uplink is there. 0, or -errno. */
int hear_uplink(int fd);

#endif
