"""Makes files, directories, links, pipes and names until nobody lets it."""
import os
from attempt import *

made = 0
os.mkdir("/tmp/many")
os.chdir("/tmp/many")
try:
    while made < 200_000:
        os.close(os.open(str(made), os.O_CREAT | os.O_WRONLY))
        made += 1
except OSError as error:
    must_be("files end", error.errno in (errno.ENOSPC, errno.EDQUOT), error)
must_be("there were not too many", made < 100_000, made)
must_fail("one more in /home/work", lambda: os.mkdir("/home/work/x") or "made")
must_fail("one more in /dev/shm", lambda: os.symlink("x", "/dev/shm/x") or "made")
must_fail("one more pipe", lambda: os.mkfifo("/tmp/pipe") or "made")
must_fail("a link costs one too", lambda: os.link("0", "linked") or None if made else None)
