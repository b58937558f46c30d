"""Has, or gains, a capability; loses a wall."""
import ctypes, os, struct
from attempt import *

status = dict(line.split(":\t", 1) for line in read("/proc/self/status", 65536).decode().splitlines() if ":\t" in line)
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    must_be(name, int(status[name], 16) == 0, status[name])
must_be("no_new_privs", status["NoNewPrivs"] == "1", status["NoNewPrivs"])
must_be("seccomp filters", status["Seccomp"] == "2", status["Seccomp"])
must_be("not root", status["Uid"].split() == ["1000"] * 4 and status["Gid"].split() == ["1000"] * 4, (status["Uid"], status["Gid"]))
must_be("no groups", set(status["Groups"].split()) <= {"1000"}, status["Groups"])
must_be("not traced", status["TracerPid"] == "0", status["TracerPid"])
must_be("a group of files that nobody else may change", int(status["Umask"], 8) & 0o022 == 0o022, status["Umask"])
# Python ignores SIGPIPE and SIGXFSZ by itself; 32 and 33 are the C library's own.
must_be("signals are not ignored", int(status["SigIgn"], 16) & ~(1 << 12 | 1 << 24 | 3 << 31) == 0, status["SigIgn"])
must_be("signals are not blocked", int(status["SigBlk"], 16) == 0, status["SigBlk"])
header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
for bits in (1 << 21, 1 << 12, 1 << 0, 0xFFFFFFFF):
    must_fail("capset", lambda: libc.syscall(126, header, ctypes.create_string_buffer(struct.pack("IIIIII", bits, bits, bits, 0, 0, 0))) == 0 or None)
PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_SET_MM, PR_SET_SECCOMP = 8, 28, 38, 47, 35, 22
prctl = lambda *words: libc.syscall(157, *[ctypes.c_long(word) for word in words + (0,) * (5 - len(words))])
for capability in (0, 5, 12, 21, 38, 39):
    must_fail("ambient capability", lambda: prctl(PR_CAP_AMBIENT, 2, capability) == 0 or None)
must_fail("privileges again", lambda: prctl(PR_SET_NO_NEW_PRIVS, 0) == 0 or None)
must_fail("secure bits", lambda: prctl(PR_SET_SECUREBITS, 0x10) == 0 or None)
must_fail("memory map", lambda: prctl(PR_SET_MM, 13, 0) == 0 or None)
must_fail("no filters again", lambda: prctl(PR_SET_SECCOMP, 0) == 0 or None)
