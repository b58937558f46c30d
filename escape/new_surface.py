"""Calls that are a kernel's soft parts: io_uring, bpf, userfaultfd, perf, modules, kexec, clocks, the console."""
import ctypes, os
from attempt import *

zeros = lambda size=256: ctypes.create_string_buffer(size)
text = lambda word: ctypes.c_char_p(word.encode())
must_fail("io_uring_setup", lambda: call("io_uring_setup", 8, zeros()))
must_fail("io_setup", lambda: call("io_setup", 8, ctypes.byref(ctypes.c_ulong(0))) or "set up")
for command in range(0, 37):
    must_fail(f"bpf {command}", lambda: call("bpf", command, zeros(), 128))
for flags in (0, 1, 0x800, 0x80801):
    must_fail("userfaultfd", lambda: call("userfaultfd", flags))
for kind in range(6):
    must_fail(f"perf {kind}", lambda: call("perf_event_open", zeros(), 0, -1, -1, 0))
    must_fail(f"perf of init {kind}", lambda: call("perf_event_open", zeros(), 1, -1, -1, 0))
must_fail("memfd_secret", lambda: call("memfd_secret", 0))
must_fail("fanotify", lambda: call("fanotify_init", 0, 0))
must_fail("kexec_load", lambda: call("kexec_load", 0, 0, None, 0) or "loaded")
must_fail("kexec_file_load", lambda: call("kexec_file_load", 0, 0, 0, None, 4) or "loaded")
must_fail("init_module", lambda: call("init_module", zeros(), 256, text("")) or "loaded")
must_fail("finit_module", lambda: call("finit_module", 0, text(""), 0) or "loaded")
must_fail("delete_module", lambda: call("delete_module", text("dummy"), 0x800) or "gone")
for command in (0x89ABCDEF, 0, 0x01234567, 0x4321FEDC):
    must_fail("reboot", lambda: call("reboot", 0xFEE1DEAD, 672274793, command, None) or "rebooted")
must_fail("acct", lambda: call("acct", text("/home/work/acct")) or "on")
must_fail("iopl", lambda: call("iopl", 3) or "raised")
must_fail("ioperm", lambda: call("ioperm", 0x80, 1, 1) or "raised")
must_fail("modify_ldt", lambda: call("modify_ldt", 1, zeros(16), 16) or "modified")
for command in (2, 3, 4, 5, 6, 8, 10):
    must_fail(f"syslog {command}", lambda: call("syslog", command, zeros(4096), 4096))
must_fail("clock_settime", lambda: call("clock_settime", 0, zeros(16)) or "set")
must_fail("settimeofday", lambda: call("settimeofday", zeros(16), None) or "set")
must_fail("clock_adjtime", lambda: call("clock_adjtime", 0, zeros(256)))
must_fail("sethostname", lambda: call("sethostname", text("owned"), 5) or "set")
must_fail("setdomainname", lambda: call("setdomainname", text("owned"), 5) or "set")
must_fail("vhangup", lambda: libc.syscall(153) == 0 or None)
must_fail("personality without random addresses", lambda: call("personality", 0x0040000) or "set")
must_fail("listmount", lambda: call("listmount", zeros(64), zeros(4096), 512, 0))
