"""Names as long as they get, directories as deep as they get, files as large as they get: nothing of ours breaks."""
import os
from attempt import *

must_fail("a name of 256 bytes", lambda: os.mkdir("n" * 256) or "made")
os.mkdir("n" * 255)
os.chdir("/tmp")
depth = 0
try:
    for depth in range(3000):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
except OSError:
    pass
must_be("it is deep", depth > 500, depth)
with open("/home/work/sparse", "wb") as file:
    try:
        file.truncate(1 << 62)
    except OSError:
        file.truncate(1 << 40)
must_be("a giant file of nothing takes no room", os.stat("/home/work/sparse").st_blocks == 0, os.stat("/home/work/sparse"))
must_fail("all of it at once", lambda: os.posix_fallocate(os.open("/home/work/sparse", os.O_RDWR), 0, 1 << 40) or "allocated")
