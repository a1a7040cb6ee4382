#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What nginx of tests/net/clients passes on: git's smart protocol by its CGI, uploads that are
counted and digested, websockets that say back what they hear.

	backend.py PORT WEBSOCKET-PORT GIT-ROOT
"""
import asyncio
import hashlib
import http.server
import os
import subprocess
import sys
import threading

import websockets


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, body, headers=()):
        self.send_response(200)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        left = int(self.headers.get("Content-Length", 0))
        while left:
            part = self.rfile.read(min(left, 1 << 20))
            left -= len(part)
            yield part

    def do_PUT(self):
        digest = hashlib.sha256()
        for part in self.body():
            digest.update(part)
        self.say((digest.hexdigest() + "\n").encode())

    def git(self):
        path, _, query = self.path.partition("?")
        env = dict(os.environ, GIT_PROJECT_ROOT=sys.argv[3], GIT_HTTP_EXPORT_ALL="1",
                   PATH_INFO=path, QUERY_STRING=query, REQUEST_METHOD=self.command,
                   CONTENT_TYPE=self.headers.get("Content-Type", ""), REMOTE_USER="test",
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""), REMOTE_ADDR="")
        made = subprocess.run(["git", "http-backend"], env=env, input=b"".join(self.body()),
                              stdout=subprocess.PIPE, check=True).stdout
        head, _, body = made.partition(b"\r\n\r\n")
        self.say(body, [h.split(": ", 1) for h in head.decode().split("\r\n")])

    do_GET = do_POST = git


async def echo(socket):
    async for message in socket:
        await socket.send("you said " + message)


async def listen():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[2])):
        await asyncio.Future()


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(listen())
