"""Opens files by handle, past every path: the way out of containers with CAP_DAC_READ_SEARCH."""
import ctypes, os, struct
from attempt import *


def by_handle(kind, raw):
    handle = ctypes.create_string_buffer(struct.pack("Ii", len(raw), kind) + raw)
    mount = os.open("/usr", os.O_RDONLY)
    return call("open_by_handle_at", mount, handle, os.O_RDONLY)


def handle_of(path):
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    call("name_to_handle_at", -100, ctypes.c_char_p(path.encode()), handle, ctypes.byref(mount), 0)
    size, kind = struct.unpack_from("Ii", handle.raw)
    return by_handle(kind, handle.raw[8:8 + size])


for path in ("/usr", "/etc/passwd", "/home/work"):
    must_fail(f"handle of {path}", handle_of, path)
for inode in (1, 2, 3, 5, 11, 12, 128, 256):
    must_fail(f"inode {inode}", by_handle, 1, struct.pack("II", inode, 0))
    must_fail(f"inode {inode}, 64 bit", by_handle, 0x81, struct.pack("QI", inode, 0))
