# Swaps files for links, pipes and directories while the host may be at them.
import os
for name in ("a", "b", "c"):
    os.path.lexists(name) and os.unlink(name)
os.symlink("/etc/passwd", "a")
os.mkfifo("b")
os.mkdir("c")
