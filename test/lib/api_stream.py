#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of docker's streams: api_stream.py SOCKET POST PATH [BODY] [--old] [--keep]

Hijacks the connection, sends its stdin and half-closes it (--keep: leaves it open), and shows what comes: the head's first line and type on
stderr as "101 multiplexed", frames of stdout and stderr as they are on 1 and 2. --old: without Upgrade. --ready FILE: made when the answer is there.
"""
import argparse
import os
import select
import socket
import struct
import sys

p = argparse.ArgumentParser()
p.add_argument("socket")
p.add_argument("method")
p.add_argument("path")
p.add_argument("body", nargs="?", default="")
p.add_argument("--old", action="store_true")
p.add_argument("--keep", action="store_true")
p.add_argument("--ready")
p.add_argument("--quiet", action="store_true")
a = p.parse_args()

s = socket.socket(socket.AF_UNIX)
s.connect(a.socket)
upgrade = "" if a.old else "Connection: Upgrade\r\nUpgrade: tcp\r\n"
kind = "Content-Type: application/json\r\n" if a.body else ""
s.sendall(f"{a.method} {a.path} HTTP/1.1\r\nHost: d\r\n{upgrade}{kind}Content-Length: {len(a.body)}\r\n\r\n{a.body}".encode())
data = b""
while b"\r\n\r\n" not in data:
    piece = s.recv(65536)
    if not piece:
        sys.exit(f"no answer: {data}")
    data += piece
head, data = data.split(b"\r\n\r\n", 1)
status = head.split()[1].decode()
type_ = next((l.split(b":")[1].strip() for l in head.split(b"\r\n") if l.lower().startswith(b"content-type")), b"").decode()
if not a.quiet:
    print(status, type_.removeprefix("application/vnd.docker.").removesuffix("-stream"), file=sys.stderr, flush=True)
if status not in ("101", "200") or "json" in type_:
    length = next(int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length"))
    while len(data) < length:
        data += s.recv(65536)
    sys.stdout.buffer.write(data)
    sys.exit(1)
if a.ready:
    open(a.ready, "w").close()
raw = type_.endswith("raw-stream") and "RAW" in os.environ
inputs = [s, 0]


def show(data):
    if raw:
        os.write(1, data)
        return b""
    while len(data) >= 8:
        stream, length = struct.unpack(">BxxxI", data[:8])
        if len(data) < 8 + length:
            break
        assert stream in (1, 2), data[:8]
        out = data[8 : 8 + length]
        while out:
            out = out[os.write(stream, out) :]
        data = data[8 + length :]
    return data


data = show(data)
pending = b""  # of stdin; what comes is read meanwhile: who only writes and who only answers would wait for each other
while True:
    can_read, can_write, _ = select.select([f for f in inputs if f != 0 or not pending], [s] if pending else [], [])
    if can_write:
        pending = pending[s.send(pending, socket.MSG_DONTWAIT) :]
    for f in can_read:
        if f == 0:
            pending = os.read(0, 65536)
            if pending:
                continue
            inputs.remove(0)
            if not a.keep:
                s.shutdown(socket.SHUT_WR)
            continue
        piece = s.recv(65536)
        if not piece:
            assert not data, data
            sys.exit(0)
        data = show(data + piece)
