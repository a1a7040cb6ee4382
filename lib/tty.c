/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tty.h"

#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/sys.h"

/* The slave's path is in the sandbox's hands: its descriptor comes from the master. */
int tty_show_as_console_child(int master)
{
	unsigned int number;
	char path[32] = "/dev/pts/";
	cleanup_close int tree = -1, console = -1;

	console = sys_openat2(AT_FDCWD, "/dev/console", O_PATH, 0, RESOLVE_NO_SYMLINKS);
	if (console < 0)
		return 0;
	if (SYS(ioctl, master, TIOCGPTN, &number) < 0)
		return -errno;
	num_append(path, sizeof path, number);
	tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
	return tree < 0 ? tree : sys_move_mount(tree, console);
}

int tty_open_child(unsigned short rows, unsigned short cols, int *ret_master, int *ret_slave)
{
	struct winsize size = {.ws_row = rows, .ws_col = cols};
	cleanup_close int master =
		SYS(openat, AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	cleanup_close int slave = -1;
	int unlock = 0, r;

	if (master < 0)
		return master;
	r = SYS(ioctl, master, TIOCSPTLCK, &unlock);
	if (r < 0)
		return r;
	/* Before anybody inside can ask for it. */
	r = SYS(ioctl, master, TIOCSWINSZ, &size);
	if (r < 0)
		return r;
	slave = SYS(ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return slave;
	*ret_master = steal_fd(&master);
	*ret_slave = steal_fd(&slave);
	return 0;
}

int tty_take_child(int fd)
{
	return SYS(ioctl, fd, TIOCSCTTY, 0);
}
