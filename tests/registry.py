#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A registry that behaves as it is told: registry.py LAYOUT TAG LOG

Serves the image TAG of an OCI layout as BEHAVIOUR/x:any on a port of 127.0.0.1 that it prints.
The behaviours are the methods of Registry below, by name; any other word is a good registry's.
Each blob that is asked for is a line of LOG.
"""
import hashlib
import http.server
import json
import sys
import time

layout, tag, log = sys.argv[1:]


def blob(digest):
    with open(f"{layout}/blobs/{digest.replace(':', '/')}", "rb") as f:
        return f.read()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def described(media, data, **more):
    return {"mediaType": media, "digest": digest_of(data), "size": len(data), **more}


with open(f"{layout}/index.json", encoding="utf-8") as f:
    entry = next(m for m in json.load(f)["manifests"]
                 if m["annotations"]["org.opencontainers.image.ref.name"] == tag)
manifest = blob(entry["digest"])
parsed = json.loads(manifest)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def changed(change):
    """The manifest after a change, as text."""
    copy = json.loads(manifest)
    change(copy)
    return json.dumps(copy).encode()


def index(*platforms):
    entries = []
    for arch, data in platforms:
        entries.append(described(MANIFEST, data, platform={"os": "linux", "architecture": arch}))
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


other = changed(lambda m: m.update(annotations={"is": "the other"}))


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, data, media="application/octet-stream", length=None, status=200):
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    # ---- what goes wrong with a manifest: (bytes, media type) ----

    def manifest_garbage(self, _):
        return b'{"schemaVersion": 2, "config"', MANIFEST

    def manifest_schema1(self, _):
        return (b'{"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": []}',
                "application/vnd.docker.distribution.manifest.v1+json")

    def manifest_media(self, _):
        def change(m):
            m["layers"][0]["mediaType"] = "application/vnd.example.layer"
        return changed(change), MANIFEST

    def manifest_chart(self, _):
        def change(m):
            m["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
        return changed(change), MANIFEST

    def manifest_huge(self, _):
        return b'{"schemaVersion": 2, "x": "' + b"x" * (5 << 20) + b'"}', MANIFEST

    def manifest_enormous(self, _):
        def change(m):
            m["layers"][0]["size"] = 1 << 50
        return changed(change), MANIFEST

    def manifest_lying(self, ref):
        """Says another thing each time: the digest that was asked for is not that of the answer."""
        return (manifest if ":" not in ref else manifest + b" "), MANIFEST

    def manifest_platforms(self, ref):
        both = index(("s390x", other), ("amd64", manifest), ("arm64", manifest))
        if ref == digest_of(other):
            return other, MANIFEST
        return (manifest, MANIFEST) if ref == digest_of(manifest) else (both, INDEX)

    def manifest_foreign(self, _):
        return index(("s390x", other)), INDEX

    def manifest_loop(self, _):
        nested = json.loads(index(("amd64", manifest)))
        nested["manifests"][0]["mediaType"] = INDEX
        return json.dumps(nested).encode(), INDEX

    def manifest_hang(self, _):
        time.sleep(3600)

    # ---- what goes wrong with a blob: sends it ----

    def blob_truncated(self, data):
        self.send(data[:len(data) // 2], length=len(data))
        self.close_connection = True

    def blob_short(self, data):
        self.send(data[:len(data) // 2])

    def blob_wrong(self, data):
        self.send(data[:-1] + bytes([data[-1] ^ 1]))

    def blob_stall(self, data):
        self.send(data[:len(data) // 2], length=len(data))
        self.wfile.flush()
        time.sleep(3600)

    def blob_slow(self, data):
        self.send(b"", length=len(data))
        for i in range(0, len(data), 65536):
            self.wfile.write(data[i:i + 65536])
            self.wfile.flush()
            time.sleep(0.04)

    def blob_endless(self, data):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(data)

    def blob_redirect(self, data):
        self.send_response(307)
        self.send_header("Location", f"/v2/good/x/blobs/{digest_of(data)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def blob_missing(self, _):
        self.send(b"{}", status=404)

    # -------------------------------------------------------------

    def do_GET(self):
        parts = self.path.split("/")
        if len(parts) < 6:
            self.send(b"{}")
            return
        _, _, behaviour, _, kind, ref = parts
        if kind == "manifests":
            how = getattr(self, f"manifest_{behaviour}", lambda _: (manifest, MANIFEST))
            self.send(*how(ref))
            return
        with open(log, "a", encoding="utf-8") as f:
            f.write(ref + "\n")
        # A configuration is small, and asked for while the manifest is looked at.
        is_config = ref == parsed["config"]["digest"]
        if is_config and behaviour == "config":
            self.blob_wrong(blob(ref))
        elif is_config:
            self.send(blob(ref))
        else:
            getattr(self, f"blob_{behaviour}", self.send)(blob(ref))

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
