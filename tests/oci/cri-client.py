#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kubelet's questions to a container runtime, by CRI v1: cri-client.py SOCKET VERB JSON

What JSON has is passed on under the numbers below; what the answer has is printed as JSON.
There is no generated code: of the protocol, these few messages are all we need.
"""
import json
import sys

import grpc

TEXT, NUMBER, FLAG, MANY, MAP = "text", "number", "flag", "many", "map"
IDS = {"host_id": (1, NUMBER), "container_id": (2, NUMBER), "length": (3, NUMBER)}
USERNS = {"mode": (1, NUMBER), "uids": (2, [IDS]), "gids": (3, [IDS])}
SPACES = {"network": (1, NUMBER), "pid": (2, NUMBER), "ipc": (3, NUMBER), "userns_options": (5, USERNS)}
POD = {
    "metadata": (1, {"name": (1, TEXT), "uid": (2, TEXT), "namespace": (3, TEXT), "attempt": (4, NUMBER)}),
    "hostname": (2, TEXT), "log_directory": (3, TEXT), "labels": (6, MAP), "annotations": (7, MAP),
    "linux": (8, {"cgroup_parent": (1, TEXT), "security_context": (2, {"namespace_options": (1, SPACES)})}),
}
CONTAINER = {
    "metadata": (1, {"name": (1, TEXT), "attempt": (2, NUMBER)}), "image": (2, {"image": (1, TEXT)}),
    "command": (3, MANY), "args": (4, MANY), "working_dir": (5, TEXT),
    "envs": (6, [{"key": (1, TEXT), "value": (2, TEXT)}]),
    "mounts": (7, [{"container_path": (1, TEXT), "host_path": (2, TEXT), "readonly": (3, FLAG)}]),
    "annotations": (10, MAP), "log_path": (11, TEXT), "stdin": (12, FLAG), "tty": (14, FLAG),
    "linux": (15, {"resources": (1, {"memory_limit_in_bytes": (4, NUMBER)}),
                   "security_context": (2, {"namespace_options": (3, SPACES)})}),
}
POD_ID, ID = {"pod": (1, TEXT)}, {"id": (1, TEXT)}
VERBS = {  # the method, what is asked, what is answered
    "runp": ("RunPodSandbox", {"config": (1, POD), "handler": (2, TEXT)}, POD_ID),
    "stopp": ("StopPodSandbox", POD_ID, {}),
    "rmp": ("RemovePodSandbox", POD_ID, {}),
    "podstatus": ("PodSandboxStatus", POD_ID, {"status": (1, {"state": (3, NUMBER), "network": (5, {"ip": (1, TEXT)})})}),
    "create": ("CreateContainer", {"pod": (1, TEXT), "config": (2, CONTAINER), "podconfig": (3, POD)}, ID),
    "start": ("StartContainer", ID, {}),
    "stop": ("StopContainer", {"id": (1, TEXT), "timeout": (2, NUMBER)}, {}),
    "rm": ("RemoveContainer", ID, {}),
    "exec": ("ExecSync", {"id": (1, TEXT), "cmd": (2, MANY), "timeout": (3, NUMBER)},
             {"stdout": (1, TEXT), "stderr": (2, TEXT), "code": (3, NUMBER)}),
    "status": ("ContainerStatus", ID, {"status": (1, {"state": (3, NUMBER), "code": (7, NUMBER)})}),
    "stats": ("ContainerStats", ID, {"stats": (1, {
        "cpu": (2, {"usage": (2, {"value": (1, NUMBER)})}), "memory": (3, {"usage": (2, {"value": (1, NUMBER)})})})}),
}


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def chunk(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode(schema, values):
    out = b""
    for name, value in values.items():
        number, kind = schema[name]
        if kind in (NUMBER, FLAG):
            out += varint(number << 3) + varint(int(value))
        elif kind == TEXT:
            out += chunk(number, value.encode())
        elif kind == MANY:
            out += b"".join(chunk(number, v.encode()) for v in value)
        elif kind == MAP:
            out += b"".join(chunk(number, chunk(1, k.encode()) + chunk(2, v.encode())) for k, v in value.items())
        elif isinstance(kind, list):
            out += b"".join(chunk(number, encode(kind[0], v)) for v in value)
        else:
            out += chunk(number, encode(kind, value))
    return out


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def decode(schema, data):
    names = {number: (name, kind) for name, (number, kind) in schema.items()}
    out, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            value, at = None, at + (8 if key & 7 == 1 else 4)
        name, kind = names.get(key >> 3, (None, None))
        if name:
            out[name] = value if kind == NUMBER else value.decode() if kind == TEXT else decode(kind, value)
    return out


def main():
    socket, verb, values = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    method, question, answer = VERBS[verb]
    with grpc.insecure_channel("unix://" + socket, [("grpc.default_authority", "localhost")]) as channel:
        call = channel.unary_unary("/runtime.v1.RuntimeService/" + method,
                                   request_serializer=lambda v: encode(question, v),
                                   response_deserializer=lambda d: decode(answer, d))
        try:
            print(json.dumps(call(values, timeout=60)))
        except grpc.RpcError as error:
            sys.exit(error.details())


main()
