# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced before tap.sh: what the script starts as `cisandbox` is started by an ordinary
# user, who exists in the script's own mount namespace alone, with sub-ids there. Gives
# $user_home, $user_run; the directory $user_etc has the files passwd, subuid, subgid, to be
# changed at will; as_user COMMAND... runs one as that user. Groups of the host's are not used.
if [ -z "${CISANDBOX_USER-}" ]; then
	export CISANDBOX_USER=47110
	exec unshare -m --propagation private "$0" "$@"
fi
user_top=$(cd "${0%/*}" && while [ ! -f meson.build ] || [ ! -d include ]; do cd ..; done && pwd)
user_program=${CISANDBOX:-$user_top/build/cli/cisandbox}
# Once: an attack that a script starts is a script like it, and finds all of this there.
if [ -z "${CISANDBOX_USER_DIR-}" ]; then
	CISANDBOX_USER_DIR=$(mktemp -d /var/tmp/cisandbox-user.XXXXXX)
	export CISANDBOX_USER_DIR
	trap 'rm -rf "$CISANDBOX_USER_DIR"' EXIT # tap.sh's takes its place; see user_done
	mount -t tmpfs -o mode=755 cisandbox-user "$CISANDBOX_USER_DIR"
	user_etc=$CISANDBOX_USER_DIR/etc
	mkdir "$user_etc" "$CISANDBOX_USER_DIR"/{home,run,dev}
	chmod 700 "$CISANDBOX_USER_DIR/run"
	chown "$CISANDBOX_USER:$CISANDBOX_USER" "$CISANDBOX_USER_DIR"/{home,run}
	{ cat /etc/passwd; echo "cisandbox-ci:x:$CISANDBOX_USER:$CISANDBOX_USER::$CISANDBOX_USER_DIR/home:/bin/sh"; } \
		>"$user_etc/passwd"
	for user_file in subuid subgid; do
		echo "cisandbox-ci:1300000000:65536" >"$user_etc/$user_file"
		[ -e "/etc/$user_file" ] || user_missing=1
	done
	# Where a host has no such files there is nothing to mount over: a copy of /etc is.
	if [ -n "${user_missing-}" ]; then
		mkdir "$CISANDBOX_USER_DIR/copy" && cp -a /etc/. "$CISANDBOX_USER_DIR/copy/"
		touch "$CISANDBOX_USER_DIR"/copy/sub{u,g}id
		mount --bind "$CISANDBOX_USER_DIR/copy" /etc
	fi
	for user_file in passwd subuid subgid; do
		mount --bind "$user_etc/$user_file" "/etc/$user_file"
	done
	# As udev has it on most hosts.
	if [ -c /dev/fuse ]; then
		mknod -m 666 "$CISANDBOX_USER_DIR/dev/fuse" c 10 229
		mount --bind "$CISANDBOX_USER_DIR/dev/fuse" /dev/fuse
	fi
	if [ -c /dev/net/tun ]; then
		mknod -m 666 "$CISANDBOX_USER_DIR/dev/tun" c 10 200
		mount --bind "$CISANDBOX_USER_DIR/dev/tun" /dev/net/tun
	fi
	# In place of the command: scripts call what $CISANDBOX names.
	mkdir "$CISANDBOX_USER_DIR"/{cli,unpack}
	cp "$user_program" "$CISANDBOX_USER_DIR/cli/"
	cp "${user_program%/cli/*}/unpack/cisandbox-unpack" "$CISANDBOX_USER_DIR/unpack/"
	ln -s cli/cisandbox "$CISANDBOX_USER_DIR/cisandbox"
	cat >"$CISANDBOX_USER_DIR/as-user" <<-END
		#!/bin/sh
		HOME=$CISANDBOX_USER_DIR/home XDG_RUNTIME_DIR=$CISANDBOX_USER_DIR/run
		export HOME XDG_RUNTIME_DIR
		exec setpriv --reuid $CISANDBOX_USER --regid $CISANDBOX_USER --clear-groups "\$@"
	END
	cat >"$CISANDBOX_USER_DIR/start" <<-END
		#!/bin/sh
		exec $CISANDBOX_USER_DIR/as-user $CISANDBOX_USER_DIR/cisandbox "\$@"
	END
	chmod 755 "$CISANDBOX_USER_DIR"/{cisandbox,as-user,start}
	export CISANDBOX=$CISANDBOX_USER_DIR/start
	user_is_first=1
fi
user_etc=$CISANDBOX_USER_DIR/etc
user_home=$CISANDBOX_USER_DIR/home
user_run=$CISANDBOX_USER_DIR/run
as_user() { "$CISANDBOX_USER_DIR/as-user" "$@"; }
# The tmpfs goes with the namespace; its directory is the host's.
user_done() {
	[ -z "${user_is_first-}" ] || {
		umount -l "$CISANDBOX_USER_DIR"
		rmdir "$CISANDBOX_USER_DIR"
	}
}
