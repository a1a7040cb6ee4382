# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The test words of the lint suite: TAP without a sandbox, so without root.
#
#	. "${0%/*}/lint.sh"
#	nothing "no goto" "$(grep -n goto lib/*.c)"      passes when the text is empty
#	same "man and help" "$one" "$other"              two texts
#	succeeds "compiles" cc ...
#	skip "name" "why"
#	finish
#
# $top: the source; $build: CISANDBOX_BUILD; $cisandbox: CISANDBOX.
set -u -o pipefail
export LC_ALL=C

top=$(cd "${0%/*}/../.." && pwd)
# shellcheck disable=SC2034
build=${CISANDBOX_BUILD:-$top/build}
cisandbox=${CISANDBOX:-$build/cli/cisandbox}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0
cd "$top" || exit 1

report() { # STATUS NAME [TEXT]
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		failed=$((failed + 1))
		echo "not ok $count - $2"
		[ -z "${3-}" ] || printf '%s\n' "$3" | sed 's/^/# /' | head -n 40
	fi
}
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}
nothing() { # NAME TEXT
	[ -z "$2" ]
	report $? "$1" "$2"
}
same() { # NAME TEXT TEXT
	local text
	text=$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3"))
	report $? "$1" "$text"
}
succeeds() { # NAME COMMAND...
	local name=$1 text
	shift
	text=$("$@" 2>&1 </dev/null)
	report $? "$name" "$text"
}
finish() {
	echo "1..$count"
	exit $((failed > 0))
}
