/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A terminal from the devpts at /dev/pts of the current root. Raw calls. */
#ifndef CIS_TTY_H
#define CIS_TTY_H

/* Both CLOEXEC. */
int tty_open_child(unsigned short rows, unsigned short cols, int *ret_master, int *ret_slave);

/* Its slave over /dev/console, where that file exists. */
int tty_show_as_console_child(int master);

/* Payload: @fd becomes the controlling terminal of a session of our own. */
int tty_take_child(int fd);

#endif
