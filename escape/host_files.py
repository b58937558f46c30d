"""Reads a file of the host that nobody shows us, by every spelling of its path."""
import glob, os
from attempt import *

canary, secret = facts["canary_file"], facts["secret"].encode()


def reads(path):
    return path if secret in read(path) else None


roots = ["", "/proc/self/root", "/proc/1/root", "/proc/thread-self/root", "/proc/self/cwd" + "/.." * 20, "/home/work" + "/.." * 40,
         "/dev/fd/../../..", "/proc/self/task/1/root", "/proc/2/root/proc/1/root", "/run/madang/../..", "/usr/../..", "/etc/../..",
         "/opt/madang/languages/../../..", "/tmp/../..", "/proc/self/map_files/../../..", "//", "/./."]
for root in roots:
    must_fail(f"read {root}", reads, root + canary)
for pid in range(1, 60):
    for magic in ("root", "cwd"):
        must_fail(f"/proc/{pid}/{magic}", reads, f"/proc/{pid}/{magic}{canary}") if os.path.lexists(f"/proc/{pid}") else None


def through_link(target):
    os.symlink(target, "link")
    return reads("link")


def through_rename_race():
    os.mkdir("a"), os.mkdir("a/b")
    inner = os.open("a/b", os.O_PATH)
    os.rename("a/b", "b")
    descriptor = os.open("../" * 30 + canary.lstrip("/"), os.O_RDONLY, dir_fd=inner)
    return os.read(descriptor, 4096) if secret in os.read(descriptor, 4096) else None


for root in roots[:6]:
    must_fail(f"symbolic link to {root}", through_link, root + canary)
must_fail("a directory renamed under an open descriptor", through_rename_race)
for path in glob.glob("/proc/*/fd/*") + glob.glob("/proc/*/task/*/fd/*"):
    if f"/{os.getpid()}/" not in path and "/self/" not in path:
        must_fail(path, reads, path + canary)
