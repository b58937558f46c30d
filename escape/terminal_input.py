"""Types into terminals: TIOCSTI, the console's escapes, stealing a controlling terminal."""
import ctypes, fcntl, os, pty
from attempt import *

TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSCTTY, KDSETMODE, VT_ACTIVATE = 0x5412, 0x541C, 0x541D, 0x540E, 0x4B3A, 0x5606
ours, theirs = pty.openpty()
for name, request in (("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX), ("TIOCCONS", TIOCCONS), ("KDSETMODE", KDSETMODE), ("VT_ACTIVATE", VT_ACTIVATE)):
    for descriptor in (0, ours, theirs):
        must_fail(name, lambda: fcntl.ioctl(descriptor, request, b"x" + bytes(63)))
        # The upper half of the argument is not looked at by the kernel, so a filter must not either.
        must_fail(f"{name} with more bits", lambda: libc.syscall(16, ctypes.c_long(descriptor), ctypes.c_long(request | 1 << 32), ctypes.c_char_p(b"\x01")) == 0 or None)
for path in ("/dev/tty", "/dev/tty0", "/dev/console", "/dev/pts/0", "/dev/ttyS0"):
    if path != f"/dev/pts/{os.ttyname(theirs).rsplit('/', 1)[-1]}":
        must_fail(path, opened, path, os.O_RDWR)
