#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers and layouts that no honest program writes, for tests/live/image-hostile.

images.py CASE DIR makes an OCI layout in DIR; its tag is "x". Digests are right unless
the case is about that.
"""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Layer:
    """A tar in the making."""

    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, data=b"", **kind):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for key, value in kind.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def dir(self, name, **kind):
        return self.add(name, type=tarfile.DIRTYPE, mode=kind.pop("mode", 0o755), **kind)

    def link(self, name, target):
        return self.add(name, type=tarfile.SYMTYPE, linkname=target)

    def hard(self, name, target):
        return self.add(name, type=tarfile.LNKTYPE, linkname=target)

    def node(self, name, major, minor, kind=tarfile.CHRTYPE):
        return self.add(name, type=kind, devmajor=major, devminor=minor)

    def end(self):
        self.tar.close()
        return self.bytes.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Layout:
    def __init__(self, path):
        self.path = path
        self.layers, self.diffs, self.wants = [], [], {}
        self.platform = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(
            os.uname().machine, os.uname().machine), "os": "linux"}
        os.makedirs(path + "/blobs/sha256")
        with open(path + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data, media):
        with open(f"{self.path}/blobs/sha256/{sha(data)}", "wb") as f:
            f.write(data)
        return {"mediaType": media, "digest": "sha256:" + sha(data), "size": len(data)}

    def json(self, doc, media):
        return self.blob(json.dumps(doc).encode(), media)

    def layer(self, tar, blob=None, media=LAYER, diff=None):
        self.layers.append(self.blob(tar if blob is None else blob, media))
        self.diffs.append("sha256:" + (diff or sha(tar)))
        return self

    def config(self):
        return dict(self.platform, config=self.wants,
                    rootfs={"type": "layers", "diff_ids": self.diffs})

    def manifest(self, **change):
        doc = {"schemaVersion": 2, "mediaType": MANIFEST,
               "config": self.json(self.config(), CONFIG), "layers": self.layers}
        doc.update(change)
        return doc

    def index(self, entries):
        with open(self.path + "/index.json", "w") as f:
            json.dump({"schemaVersion": 2, "manifests": entries}, f)

    def end(self, **change):
        entry = self.json(self.manifest(**change), MANIFEST)
        entry["annotations"] = {"org.opencontainers.image.ref.name": "x"}
        self.index([entry])
        return entry


def base():
    """Never twice the same: a layer that the store has is not read again."""
    tar = Layer().add("salt", os.urandom(16)).dir("etc").dir("bin").dir("tmp", mode=0o1777).add("etc/passwd", b"root:x:0:0::/:/bin/sh\n")
    with open("/bin/busybox", "rb") as f:
        tar.add("bin/busybox", f.read(), mode=0o755)
    for name in "sh", "ls", "cat", "stat", "find":
        tar.link("bin/" + name, "busybox")
    return tar


def one(change):
    """An image of the base and of a layer that @change has a hand in."""
    def make(path):
        tar = Layer()
        change(tar)
        Layout(path).layer(base().end()).layer(tar.end()).end()
    return make


def many(path):
    """Nodes, which are left out, make the quickest million."""
    head = Layer().node("null", 1, 3).end()[:512]
    Layout(path).layer(head * 1000000 + bytes(1024)).end()


def files(path):
    tar = Layer()
    for i in range(5000):
        tar.add(f"d/{i % 100}/{i}")
    Layout(path).layer(tar.end()).end()


def big(path):
    """An honest layer, then one of more than a small disk has."""
    Layout(path).layer(base().end()).layer(Layer().add("big", os.urandom(40 << 20)).end()).end()


def below_files(path):
    """An honest layer, then one of more inodes than a small disk has."""
    tar = Layer()
    for i in range(5000):
        tar.add(f"d/{i % 100}/{i}")
    Layout(path).layer(base().end()).layer(tar.end()).end()


def bomb(path):
    """A gigabyte of zeros in a megabyte; the tar says that it is one file."""
    size = 1 << 30
    head = tarfile.TarInfo("zeros")
    head.size = size
    start = head.tobuf()
    out, sum_ = io.BytesIO(), hashlib.sha256()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as f:
        for chunk in [start] + [bytes(1 << 20)] * (size >> 20) + [bytes(1024)]:
            f.write(chunk)
            sum_.update(chunk)
    Layout(path).layer(b"", out.getvalue(), LAYER + "+gzip", sum_.hexdigest()).end()


def sparse(path):
    """A GNU sparse file of 100 TiB, in one kilobyte."""
    tar = Layer()
    tar.tar.addfile(tarfile.TarInfo("etc"))
    info = tarfile.TarInfo("hole")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "hole",
                        "GNU.sparse.realsize": str(100 << 40)}
    body = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    info.size = len(body)
    tar.tar.addfile(info, io.BytesIO(body))
    Layout(path).layer(tar.end()).end()


def not_utf8(tar):
    """A pax name of bytes as they are, without saying so, as GNU tar writes it."""
    record = b"17 path=caf\xe9/x\n"
    tar.add("pax", b"%d" % len(record) + record[2:], type=tarfile.XHDTYPE).add("cafe", b"coffee")


def deep(tar):
    tar.dir("/".join(["d" * 200] * 30))


def opaques(tar):
    for i in range(20000):
        tar.add(f"d{i}/.wh..wh..opq")


def cut(path):
    data = base().end()
    packed = gzip.compress(data)
    Layout(path).layer(data, packed[:len(packed) // 2], LAYER + "+gzip").end()


def cut_tar(path):
    data = base().end()[:200000]
    Layout(path).layer(data).end()


def flip(path):
    """One bit of the blob, after its digest was made."""
    entry = Layout(path)
    data = base().end()
    entry.layer(data, gzip.compress(data), LAYER + "+gzip").end()
    name = f"{path}/blobs/sha256/{entry.layers[0]['digest'][7:]}"
    with open(name, "r+b") as f:
        f.seek(os.path.getsize(name) // 2)
        byte = f.read(1)
        f.seek(-1, 1)
        f.write(bytes([byte[0] ^ 4]))


def flip_plain(path):
    entry = Layout(path)
    entry.layer(base().end()).end()
    with open(f"{path}/blobs/sha256/{entry.layers[0]['digest'][7:]}", "r+b") as f:
        f.seek(300000)
        f.write(b"evil")


def wrong_diff(path):
    Layout(path).layer(base().end(), diff="0" * 64).end()


def short_blob(path):
    entry = Layout(path)
    entry.layer(base().end()).end()
    with open(f"{path}/blobs/sha256/{entry.layers[0]['digest'][7:]}", "ab") as f:
        f.write(b"more")


def trailing(path):
    """What follows the end of the archive is part of both digests."""
    data = base().end() + os.urandom(100000)
    Layout(path).layer(data).end()


def no_blob(path):
    entry = Layout(path)
    entry.layer(base().end()).end()
    os.unlink(f"{path}/blobs/sha256/{entry.layers[0]['digest'][7:]}")


def link_blob(path):
    """A blob that is a link to a file of the host's."""
    no_blob(path)
    with open(path + "/index.json") as f:
        digest = json.load(f)["manifests"][0]["digest"][7:]
    with open(f"{path}/blobs/sha256/{digest}") as f:
        layer = json.load(f)["layers"][0]["digest"][7:]
    os.symlink("/etc/passwd", f"{path}/blobs/sha256/{layer}")


def tampered_manifest(path):
    entry = Layout(path).layer(base().end()).end()
    name = f"{path}/blobs/sha256/{entry['digest'][7:]}"
    with open(name) as f:
        text = f.read()
    with open(name, "w") as f:
        f.write(text.replace("schemaVersion", "schemaversion"))


def media(path):
    Layout(path).layer(base().end(), media="application/x-evil").end()


def foreign(path):
    Layout(path).layer(base().end(), media="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip").end()


def artifact(path):
    l = Layout(path).layer(base().end())
    l.end(config=l.blob(b"{}", "application/vnd.cncf.helm.config.v1+json"))


def counts(path):
    l = Layout(path).layer(base().end())
    l.diffs.append("sha256:" + "1" * 64)
    l.end()


def layers129(path):
    l = Layout(path)
    for _ in range(129):
        l.layer(base().end())
    l.end()


def digest_path(path):
    l = Layout(path).layer(base().end())
    l.layers[0]["digest"] = "sha256:../../../../../../etc/passwd"
    l.end()


def other_platform(path):
    l = Layout(path)
    l.platform = {"architecture": "s390x", "os": "linux"}
    l.layer(base().end()).end()


def wants(**config):
    """What no run can give it, or nobody should."""
    def make(path):
        l = Layout(path)
        l.wants = config
        l.layer(base().end()).end()
    return make


def own_words(**change):
    return lambda path: Layout(path).layer(base().end()).end(**change)


def root_opaque(path):
    """Of three layers the second hides all of the first."""
    Layout(path).layer(base().end()).layer(base().add("second").add(".wh..wh..opq").add("bin/.wh.find").end()) \
        .layer(Layer().add("etc/third").add(".wh.salt").end()).end()


def platforms(path):
    """An index in an index; of three platforms one is ours, and one is no platform."""
    l = Layout(path).layer(base().end())
    good = dict(l.json(l.manifest(), MANIFEST), platform=l.platform)
    wrong = dict(good, digest="sha256:" + "2" * 64, platform={"architecture": "s390x", "os": "linux"})
    note = dict(good, digest="sha256:" + "3" * 64, platform={"architecture": "unknown", "os": "unknown"})
    inner = l.json({"schemaVersion": 2, "manifests": [wrong, note, good]}, INDEX)
    inner["annotations"] = {"org.opencontainers.image.ref.name": "x"}
    l.index([inner])


def loop(path):
    """Indexes in indexes, without end."""
    l = Layout(path)
    entry = {"mediaType": INDEX, "digest": "sha256:" + "0" * 64, "size": 2}
    for _ in range(10):
        entry = l.json({"schemaVersion": 2, "manifests": [entry]}, INDEX)
    l.index([entry])


def big_json(path):
    l = Layout(path).layer(base().end())
    l.index([{"x": "y" * (5 << 20)}])


CASES = {
    "dotdot": one(lambda t: t.add("../../../../../../tmp/evil", b"evil")),
    "dotdot-inside": one(lambda t: t.add("etc/../../evil", b"evil")),
    "absolute": one(lambda t: t.add("/etc/absolute", b"evil")),
    "through-link": one(lambda t: t.link("x", "/etc").add("x/evil", b"evil")),
    "through-dotdot-link": one(lambda t: t.link("x", "../../../../../../tmp").add("x/evil", b"evil")),
    "through-link-dir": one(lambda t: t.link("x", "/tmp").dir("x/evil")),
    "hard-host": one(lambda t: t.hard("shadow", "/../../../../etc/shadow")),
    "hard-nowhere": one(lambda t: t.hard("a", "not/there")),
    "hard-dir": one(lambda t: t.dir("d").hard("a", "d")),
    "hard-through-link": one(lambda t: t.link("x", "/etc").hard("a", "x/passwd")),
    "hard-below-dir": one(lambda t: t.hard("a", "etc")),
    "hard-to-link-then-write": one(lambda t: t.link("x", "/etc/passwd").hard("y", "x").add("y", b"evil")),
    "whiteout-dotdot": one(lambda t: t.add("etc/.wh...")),
    "whiteout-nothing": one(lambda t: t.add("etc/.wh.")),
    "whiteout-dot": one(lambda t: t.add(".wh..")),
    "in-whiteout": one(lambda t: t.add("etc/.wh.x/evil", b"evil")),
    "root-is-file": one(lambda t: t.add(".", b"evil")),
    "big-owner": one(lambda t: t.add("f", uid=100000)),
    "negative-owner": one(lambda t: t.add("f", uid=-5)),
    "deep": one(deep), "not-utf8": one(not_utf8),
    "opaques": one(opaques),
    "aufs": one(lambda t: t.add(".wh..wh.aufs").dir(".wh..wh.plnk").add(".wh..wh.plnk/1.2", b"x").add("ok", b"ok")),
    "devices": one(lambda t: t.node("null", 1, 3).node("whiteout", 0, 0).node("sda", 8, 0, tarfile.BLKTYPE)
                   .add("fifo", type=tarfile.FIFOTYPE)),
    "meanings": one(lambda t: t.add("tmp/f", b"f").add("etc/.wh.passwd").hard("bin/again", "bin/busybox")
                    .add("twice", b"1").add("twice", b"2").dir("was-dir").add("was-dir/x", b"x").add("was-dir", b"file")
                    .add("was-file", b"x").dir("was-file").add("n\u00fc\n", b"n").add("n" * 250, b"n")),
    "trusted": one(lambda t: t.add("x", b"x", pax_headers={
        "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.security.selinux": "evil",
        "SCHILY.xattr.user.kept": "yes"})),
    "many": many, "files": files, "big": big, "below-files": below_files, "bomb": bomb, "sparse": sparse, "cut": cut, "cut-tar": cut_tar, "flip": flip,
    "flip-plain": flip_plain, "wrong-diff": wrong_diff, "short-blob": short_blob, "trailing": trailing,
    "no-blob": no_blob, "link-blob": link_blob, "tampered-manifest": tampered_manifest, "media": media,
    "foreign": foreign, "artifact": artifact, "counts": counts, "layers129": layers129,
    "digest-path": digest_path, "other-platform": other_platform, "platforms": platforms, "loop": loop,
    "big-json": big_json, "root-opaque": root_opaque,
    "env-no-value": wants(Env=["NOEQ"]), "env-text": wants(Env="x"), "workdir-relative": wants(WorkingDir="../../etc"),
    "stop-signal": wants(StopSignal="SIGNOPE"), "workdir-in-file": wants(WorkingDir="/etc/passwd/x"),
    "schema1": own_words(schemaVersion=1), "both": own_words(mediaType=INDEX, manifests=[]),
    "many-attributes": one(lambda t: t.add("x", b"x", pax_headers={
        f"SCHILY.xattr.user.{i:04}": "v" * 40 for i in range(2000)})),
    "big-attribute": one(lambda t: t.add("x", b"x", pax_headers={"SCHILY.xattr.user.x": "v" * 70000})),
    "stdin": lambda path: Layout(path).layer(sys.stdin.buffer.read()).end(),
    "plain": lambda path: Layout(path).layer(base().end()).end(),
}

if __name__ == "__main__":
    CASES[sys.argv[1]](sys.argv[2])
