#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""notified: a service manager's side of sd_notify(3). usage: notified.py SOCKET LOG: each datagram's lines are added to LOG, with the sender's
pid in front, until it is killed."""

import socket
import struct
import sys

path, log = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0" + path[1:] if path.startswith("@") else path)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
with open(log, "w", buffering=1) as out:
    while True:
        data, control, _, _ = s.recvmsg(65536, socket.CMSG_SPACE(12) + socket.CMSG_SPACE(64))
        pid = next(struct.unpack("iii", c[2])[0] for c in control if c[1] == socket.SCM_CREDENTIALS)
        for line in data.decode().split("\n"):
            print(pid, line, file=out)
