# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # tap.sh has them
#
# A seed without an engine: its store as cisandbox leaves it, and a profile that has a place
# for it. Sourced after tap.sh.

# The archive of $work/books in the generation DIR.
pack_books() { # DIR
	(cd "$work/books" && find . -mindepth 1 | sed 's|^./||' | sort | cpio --quiet -o -H newc) >"$1/index/docker"
}

# make_seed NAME GENERATION: two layers, "one" and "two", each with a file and a set-uid one.
make_seed() {
	local dir=$CISANDBOX_ROOT/seeds/$1/$2 books=$work/books layer
	rm -rf "$books"
	mkdir -p "$dir/big" "$dir/index" "$books"/{overlay2/l,image}
	chmod 700 "$CISANDBOX_ROOT/seeds" "$CISANDBOX_ROOT/seeds/$1"
	for layer in one two; do
		mkdir -p "$books/overlay2/$layer/diff"
		echo "$layer" >"$books/overlay2/$layer/link"
		ln -s "../$layer/diff" "$books/overlay2/l/$layer"
	done
	mkdir "$dir/big/d0" "$dir/big/d1"
	echo "$1 $2 one" >"$dir/big/d0/file"
	echo "$1 $2 two" >"$dir/big/d1/file"
	cp "$rootfs/bin/busybox" "$dir/big/d0/suid"
	chown 1000:1000 "$dir/big/d1/file"
	chmod 4755 "$dir/big/d0/suid"
	echo "books of $1 $2" >"$books/image/repositories.json"
	chmod 600 "$books/image/repositories.json"
	pack_books "$dir"
	cat >"$dir/seed.json" <<-E
		{"created": 1700000000, "size": 12345678, "stores": ["docker"], "dirs": 2,
		 "big": ["docker/overlay2/one/diff", "docker/overlay2/two/diff"]}
	E
	own "$CISANDBOX_ROOT/seeds"
}
echo '{"scratch_dirs": ["/var/lib/containerd", "/var/lib/docker"]}' >"$work/seeded.json"
mkdir -p "$rootfs/var/lib"
seeded() { inside --profile "$work/seeded.json" "$@"; } # OPTION... -- COMMAND...
seeds_sum() {
	(cd "$CISANDBOX_ROOT/seeds" && tar --sort=name --xattrs --xattrs-include='*' \
		--pax-option=delete=atime -c ./*/*/*) | sha256sum
}
