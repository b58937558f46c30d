"""Every signal, sent to init in every way."""
import ctypes, os, struct
from attempt import *

pidfd = call("pidfd_open", 1, 0)
for number in range(1, 65):
    must_fail(f"kill {number}", lambda: os.kill(1, number) or "sent")
    must_fail(f"tgkill {number}", lambda: libc.syscall(234, 1, 1, number) == 0 or None)
    must_fail(f"tkill {number}", lambda: libc.syscall(200, 1, number) == 0 or None)
    must_fail(f"pidfd_send_signal {number}", lambda: call("pidfd_send_signal", pidfd, number, None, 0) or "sent")
    information = ctypes.create_string_buffer(struct.pack("iii", number, 0, -1) + bytes(116))
    must_fail(f"sigqueue {number}", lambda: libc.syscall(129, 1, number, information) == 0 or None)
must_be("init is alive", b"madang" in read("/proc/1/comm"), read("/proc/1/comm"))
