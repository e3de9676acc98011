# SPDX-License-Identifier: Apache-2.0
"""powerloss: what a disk holds after the power went: from its content before and QEMU's log of the writes since.

The log is in the format of dm-log-writes (the kernel's admin-guide/device-mapper/log-writes): a superblock, then an entry a
write, each padded to a sector. All that was written before the last flush is there. Of what came after it a random part is:
a disk may reorder and drop what nobody asked it to keep, and of the very last write only its beginning may have made it.

usage: powerloss.py BEFORE LOG                  how many writes there are, and which of them were flushes
       powerloss.py BEFORE LOG N SEED DISK      the disk as it may be when the power went after N of them
"""

import random
import struct
import subprocess
import sys

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")


class LogError(Exception):
    """One line, for the user."""


def copy(src, dst):
    if subprocess.run(["cp", "--sparse=always", src, dst], stderr=subprocess.DEVNULL).returncode:
        raise LogError(f"{dst}: no room for a copy of the disk")


def entries(log):
    """(flags, sector, bytes of data, offset of the data in the log, sector size)"""
    with open(log, "rb") as f:
        head = f.read(SUPER.size)
        if len(head) < SUPER.size:
            return
        magic, _, count, size = SUPER.unpack(head)
        if magic != MAGIC or size not in (512, 4096):
            raise LogError("the log of the writes is damaged")
        at = size
        # The superblock counts what was logged at its last update; entries behind it are whole or not there.
        while True:
            f.seek(at)
            head = f.read(ENTRY.size)
            if len(head) < ENTRY.size:
                return
            sector, sectors, flags, _ = ENTRY.unpack(head)
            if not (sectors or flags) or flags > 15:
                return
            length = 0 if flags & DISCARD else sectors * size
            yield flags, sector, sectors, at + size, size, length
            at += size + length


def rebuild(before, log, disk, seed, count=None):
    """Writes the disk anew, after that many writes; returns a line on what was kept."""
    chance = random.Random(seed)
    all_entries = list(entries(log))[:count]
    last = max((i for i, e in enumerate(all_entries) if e[0] & (FLUSH | FUA)), default=-1)
    # A flush promises what was done before it; its own data is behind it unless it is FUA.
    copy(before, disk)
    kept = lost = 0
    with open(log, "rb") as src, open(disk, "r+b") as dst:
        for i, (flags, sector, sectors, at, size, length) in enumerate(all_entries):
            if not length:
                continue
            sure = i < last or (i == last and flags & FUA)
            if not sure and chance.random() < 0.5:
                lost += 1
                continue
            src.seek(at)
            data = src.read(length)
            if not sure and sectors > 1 and chance.random() < 0.25:
                data = data[: size * chance.randrange(1, sectors)]
            dst.seek(sector * size)
            dst.write(data)
            kept += 1
    return f"{last + 1} of {len(all_entries)} writes were safe, of the others {lost} are lost"


def main(before, log, *more):
    if more:
        print(rebuild(before, log, more[2], int(more[1]), int(more[0])))
    else:
        flags = [e[0] for e in entries(log)]
        print(len(flags), *(n for n, flag in enumerate(flags) if flag & FLUSH))


if __name__ == "__main__":
    main(*sys.argv[1:])
