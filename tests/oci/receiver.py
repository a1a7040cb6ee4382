# SPDX-License-Identifier: LGPL-2.1-or-later
"""receiver.py SOCKET MODE OUT: the other end of --console-socket and of listenerPath.

Takes one message with one descriptor from whoever connects to SOCKET.

terminal  writes how many descriptors and bytes came to OUT.info, then copies what
          the terminal says to OUT until it hangs up
answer    writes the message to OUT.json, then lets getuid-like calls return 4242 by
          the seccomp descriptor until its process ends
hold      writes OUT.info, keeps the descriptor, exits when asked by SIGTERM
"""
import array
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys

path, mode, out = sys.argv[1:4]
signal.alarm(60)
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind(path)
server.listen(1)
conn, _ = server.accept()
data, control, _, _ = conn.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
fds = array.array("i")
for level, kind, text in control:
    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
        fds.frombytes(text[: len(text) - len(text) % fds.itemsize])


def info():
    with open(out + ".info", "w") as f:
        f.write(f"messages={len(control)} fds={len(fds)} bytes={'some' if 0 < len(data) < 4096 else 'bad'}\n")


if mode == "terminal":
    info()
    os.set_blocking(fds[0], True)
    with open(out, "wb", buffering=0) as f:
        while True:
            try:
                text = os.read(fds[0], 4096)
            except OSError:
                break
            if not text:
                break
            f.write(text)
elif mode == "answer":
    with open(out + ".json", "w") as f:
        json.dump(json.loads(data), f)
    receive, send = 0xC0502100, 0xC0182101
    while True:
        poll = select.poll()
        poll.register(fds[0], select.POLLIN)
        if any(e & select.POLLHUP for _, e in poll.poll()):
            break
        request = bytearray(80)
        try:
            fcntl.ioctl(fds[0], receive, request)
            number = struct.unpack_from("Q", request)[0]
            fcntl.ioctl(fds[0], send, struct.pack("QqiI", number, 4242, 0, 0))
        except OSError:
            continue
else:
    info()
    signal.pause()
