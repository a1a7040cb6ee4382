# SPDX-License-Identifier: LGPL-2.1-or-later
"""manager.py SOCKET OUT: a service manager, as far as NOTIFY_SOCKET goes.

Appends what it is told to OUT: "PID LINE" each, the pid being the sender's as the
kernel knows it. Lets go of a BARRIER=1's descriptor as soon as it has been read.
"""
import array
import os
import signal
import socket
import struct
import sys

path, out = sys.argv[1:3]
signal.alarm(120)
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
server.bind("\0" + path[1:] if path.startswith("@") else path)
with open(out, "w") as f:
    while True:
        data, control, _, _ = server.recvmsg(65536, 256)
        pid, fds = 0, []
        for level, kind, text in control:
            if kind == socket.SCM_CREDENTIALS:
                pid = struct.unpack("3i", text)[0]
            elif kind == socket.SCM_RIGHTS:
                fds = array.array("i", text)
        for line in data.decode().splitlines():
            f.write(f"{pid} {line}\n")
        f.flush()
        for fd in fds:
            os.close(fd)
