"""Loads filters of its own that say yes to everything, with a listener too: the strictest answer must still win."""
import ctypes, os, struct
from attempt import *

ALLOW, NOTIFY, TRACE, LOG = 0x7FFF0000, 0x7FC00000, 0x7FF00000, 0x7FFC0000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def load(action, flags=0):
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, action))
    program = Program(1, ctypes.cast(code, ctypes.c_void_p))
    return call("seccomp", 1, flags, ctypes.byref(program))


for action in (ALLOW, TRACE, LOG):
    def mounts():
        load(action)
        return call("mount", ctypes.c_char_p(b"none"), ctypes.c_char_p(b"/tmp"), ctypes.c_char_p(b"tmpfs"), 0, None) or "mounted"
    must_fail(f"mount after a filter that answers {action:#x}", mounts)

    def unshares():
        load(action)
        return call("unshare", 0x10000000) or "unshared"
    must_fail(f"unshare after a filter that answers {action:#x}", unshares)


def ends_anyway():
    load(ALLOW)
    return call("reboot", 0xFEE1DEAD, 672274793, 0, None) or "rebooted"


must_fail("reboot after a filter", ends_anyway)
