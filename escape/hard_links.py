"""Links files that are not ours to where we may write."""
import os
from attempt import *

for path in ("/etc/passwd", "/usr/bin/python3.11", "/proc/1/exe", "/proc/self/exe", "/opt/madang/languages", "/run/madang/seen/meminfo", "/dev/null"):
    must_fail(f"link {path}", lambda: os.link(path, "/home/work/linked") or "linked")
    must_fail(f"link {path}, followed", lambda: os.link(path, "/tmp/linked", follow_symlinks=True) or "linked")


def by_descriptor():
    descriptor = os.open("/etc/passwd", os.O_PATH)
    os.link(f"/proc/self/fd/{descriptor}", "/home/work/linked", follow_symlinks=True)
    return "linked"


must_fail("link by descriptor", by_descriptor)
must_fail("rename /etc", lambda: os.rename("/etc/passwd", "/home/work/passwd") or "renamed")
