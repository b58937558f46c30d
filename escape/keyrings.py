"""Keeps or finds keys in the kernel's keyrings, which know nothing of PID namespaces."""
import ctypes
from attempt import *

text = lambda word: ctypes.c_char_p(word.encode())
for ring in (-1, -2, -3, -4, -5, -6, -7):
    must_fail(f"add_key {ring}", lambda: call("add_key", text("user"), text("note"), text("from a guest"), 12, ring))
    must_fail(f"keyctl get {ring}", lambda: call("keyctl", 0, ring, 1))
    must_fail(f"keyctl search {ring}", lambda: call("keyctl", 10, ring, text("user"), text("note"), 0))
must_fail("join session", lambda: call("keyctl", 1, text("joint")))
must_fail("persistent", lambda: call("keyctl", 22, -1, -5))
must_fail("request_key", lambda: call("request_key", text("user"), text("note"), None, -5))
must_fail("/proc/keys", lambda: read("/proc/keys") or None)
must_fail("/proc/key-users", lambda: read("/proc/key-users") or None)
