"""Fills /tmp, /dev/shm and /home/work: together they hold what the limit says and no byte more."""
import os
from attempt import *

limit, written = 64 << 20, 0
for place in ("/tmp", "/dev/shm", "/home/work"):
    try:
        with open(f"{place}/full", "wb", buffering=0) as file:
            while written < limit * 4:
                written += file.write(b"x" * (1 << 20))
    except OSError as error:
        must_be(f"{place} is full in the end", error.errno in (errno.ENOSPC, errno.EDQUOT), error)
must_be("no more than the limit on disk was written", written <= 160 << 20, written)
must_be("a file system says how much there is", os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize <= 160 << 20, os.statvfs("/tmp"))
