"""Mounts, unmounts, moves and remounts, with the old calls and the new."""
import ctypes, os
from attempt import *

text = lambda word: ctypes.c_char_p(word.encode())
RDONLY, NOSUID, REMOUNT, BIND, MOVE, PRIVATE, SHARED, REC = 1, 2, 32, 4096, 8192, 1 << 18, 1 << 20, 16384
os.mkdir("m")
mount = lambda *words: call("mount", *words) or "mounted"
for kind in ("tmpfs", "proc", "sysfs", "devpts", "cgroup", "cgroup2", "overlay", "ramfs", "debugfs", "tracefs", "fuse", "bpf", "mqueue", "securityfs",
             "9p", "nfs", "ext4", "binfmt_misc", "configfs", "hugetlbfs"):
    must_fail(f"mount {kind}", mount, text("none"), text("m"), text(kind), 0, None)
for device in ("/dev/vda", "/dev/sda1", "/dev/loop0", "/dev/root", "/dev/nvme0n1p1"):
    must_fail(f"mount {device}", mount, text(device), text("m"), text("ext4"), 0, None)
for flags, name in ((BIND, "bind"), (BIND | REC, "recursive bind"), (MOVE, "move"), (REMOUNT, "remount"), (REMOUNT | BIND, "remount the bind"),
                    (PRIVATE, "private"), (SHARED, "shared")):
    for source in ("/", "/usr", "/proc", "/etc"):
        must_fail(f"{name} {source}", mount, text(source), text(source if flags & (REMOUNT | PRIVATE | SHARED) else "m"), None, flags, None)
for path in ("/", "/usr", "/proc/meminfo", "/proc/keys", "/home/work", "/sys", "/dev"):
    for flags in (0, 1, 2, 8):
        must_fail(f"unmount {path}", lambda: call("umount2", text(path), flags) or "unmounted")
must_fail("pivot_root", lambda: call("pivot_root", text("."), text("m")) or "pivoted")
must_fail("chroot", lambda: call("chroot", text("/proc/1/root")) or "changed")
must_fail("chroot here", lambda: call("chroot", text(".")) or "changed")
must_fail("open_tree", lambda: call("open_tree", -100, text("/"), 0x80001))
must_fail("open_tree without a clone", lambda: call("move_mount", call("open_tree", -100, text("/usr"), 0), text(""), -100, text("m"), 4) or "moved")
for kind in ("tmpfs", "proc", "ext4", "overlay", "cgroup2"):
    must_fail(f"fsopen {kind}", lambda: call("fsopen", text(kind), 1))
must_fail("fspick", lambda: call("fspick", -100, text("/home/work"), 1))
must_fail("mount_setattr", lambda: call("mount_setattr", -100, text("/usr"), 0x8000, ctypes.create_string_buffer(32), 32) or "set")
must_fail("swapon", lambda: call("swapon", text("/home/work/m"), 0) or "on")
must_fail("quotactl", lambda: call("quotactl", 0x800002 << 8, None, 0, None) or "on")
