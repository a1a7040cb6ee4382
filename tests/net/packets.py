# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames made by hand, and a listener that says which marks of them it saw where.

A mark is "CISMARK:" NAME ";" in any packet's bytes. Standard library only.
"""
import os
import select
import socket
import struct
import sys
import time

ETH_ALL = 3


def mark(name):
    return b"CISMARK:" + name.encode() + b";"


def total(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def address(a):
    return socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)


def pseudo(src, dst, proto, n):
    s, d = address(src), address(dst)
    if len(s) == 4:
        return s + d + struct.pack("!BBH", 0, proto, n)
    return s + d + struct.pack("!IHBB", n, 0, 0, proto)


def udp(src, dst, sport, dport, data, proto=17):
    n = 8 + len(data)
    head = struct.pack("!HHHH", sport, dport, n if proto == 17 else 8, 0)
    c = total(pseudo(src, dst, proto, n) + head + data) or 0xFFFF
    return struct.pack("!HHHH", sport, dport, n if proto == 17 else 8, c) + data


def tcp(src, dst, sport, dport, flags=2, data=b"", seq=1000, ack=0):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 64000, 0, 0)
    c = total(pseudo(src, dst, 6, len(head) + len(data)) + head + data)
    return head[:16] + struct.pack("!H", c) + head[18:] + data


def icmp(kind, code, rest, data):
    head = struct.pack("!BBHI", kind, code, 0, rest)
    return head[:2] + struct.pack("!H", total(head + data)) + head[4:] + data


def icmp6(src, dst, kind, code, rest, data):
    head = struct.pack("!BBHI", kind, code, 0, rest)
    c = total(pseudo(src, dst, 58, len(head) + len(data)) + head + data)
    return head[:2] + struct.pack("!H", c) + head[4:] + data


def ip(src, dst, proto, data, options=b"", ident=7, frag=0, ttl=64):
    """frag: flags and offset, as they are in the header."""
    if ":" in src:
        return (struct.pack("!IHBB", 6 << 28, len(data), proto, ttl) + address(src) +
                address(dst) + data)
    n = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 4 << 4 | n // 4, 0, n + len(data), ident, frag, ttl,
                       proto, 0) + address(src) + address(dst) + options
    return head[:10] + struct.pack("!H", total(head)) + head[12:] + data


def hardware(name):
    with open("/sys/class/net/%s/address" % name) as f:
        return bytes.fromhex(f.read().strip().replace(":", ""))


class Wire:
    """The link to the gate, below IP."""

    def __init__(self, name="eth0", gate4="100.127.255.1"):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.s.bind((name, 0))
        self.mac = hardware(name)
        self.gate = b"\xff" * 6
        # Its link's address is learnt by talking to it.
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(20):
            u.sendto(b"", (gate4, 9))
            time.sleep(0.05)
            for line in open("/proc/net/arp").read().splitlines()[1:]:
                f = line.split()
                if f[0] == gate4 and f[3] != "00:00:00:00:00:00":
                    self.gate = bytes.fromhex(f[3].replace(":", ""))
            if self.gate != b"\xff" * 6:
                break

    def frame(self, kind, data, to=None, source=None):
        try:
            self.s.send((to or self.gate) + (source or self.mac) + struct.pack("!H", kind) +
                        data)
        except OSError as e:
            print("# frame: %s" % e, file=sys.stderr)

    def packet(self, data, **more):
        self.frame(0x86DD if data[0] >> 4 == 6 else 0x0800, data, **more)


def listen(path):
    """Each mark that passes any link of this namespace: LINK SOURCE DESTINATION PROTOCOL NAME."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(out, b"listening\n")
    while True:
        data, where = s.recvfrom(65536)
        at = data.find(b"CISMARK:")
        if at < 0:
            continue
        name = data[at + 8:at + 72].split(b";")[0].decode("ascii", "replace")
        p = data[14:]
        if where[1] == 0x0800:
            src, dst = (socket.inet_ntop(socket.AF_INET, p[i:i + 4]) for i in (12, 16))
            proto = p[9]
        elif where[1] == 0x86DD:
            src, dst = (socket.inet_ntop(socket.AF_INET6, p[i:i + 16]) for i in (8, 24))
            proto = p[6]
        else:
            src, dst, proto = "-", "-", "%#x" % where[1]
        os.write(out, ("%s %s %s %s %s\n" % (where[0], src, dst, proto, name)).encode())


def take(path, hosts, ports):
    """Takes by UDP and TCP what comes to any address of this namespace; echoes it."""
    sockets = {}
    for port in ports:
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for host in hosts:
                    if (":" in host) != (family == socket.AF_INET6):
                        continue
                    s = socket.socket(family, kind)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    s.bind((host, port))
                    if kind == socket.SOCK_STREAM:
                        s.listen(256)
                    sockets[s] = kind
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(out, b"ready\n")
    clients = set()
    while True:
        for s in select.select(list(sockets) + list(clients), [], [])[0]:
            try:
                if s in clients:
                    data = s.recv(65536)
                    if data:
                        s.sendall(data)
                        os.write(out, b"tcp %d %r\n" % (s.getsockname()[1], data[:200]))
                    else:
                        clients.discard(s)
                        s.close()
                elif sockets[s] == socket.SOCK_DGRAM:
                    data, who = s.recvfrom(65536)
                    s.sendto(data, who)
                    os.write(out, b"udp %d %r\n" % (s.getsockname()[1], data[:200]))
                else:
                    clients.add(s.accept()[0])
            except OSError:
                clients.discard(s)


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen(sys.argv[2])
    else:
        take(sys.argv[2], sys.argv[3].split(","), [int(p) for p in sys.argv[4].split(",")])
