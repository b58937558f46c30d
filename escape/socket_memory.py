# madang-escape: memory=67108864 ends=ok,memory-limit
"""Hides memory in the buffers of sockets, where a limit on memory may not look: it must not exceed the limit by much."""
import os, socket
from attempt import *

LIMIT = 64 << 20


def stuffed(family, kind, pairs):
    total, kept = 0, []
    listener = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM and family == socket.AF_INET:
        listener.bind(("127.0.0.1", 0))
        listener.listen(200)
    for _ in range(pairs):
        if family == socket.AF_UNIX:
            one, other = socket.socketpair(family, kind)
        else:
            one, other = socket.socket(family, kind), None
            for end in (one,):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            if kind == socket.SOCK_STREAM:
                one.connect(listener.getsockname())
                other, _ = listener.accept()
            else:
                other = socket.socket(family, kind)
                other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
                other.bind(("127.0.0.1", 0))
                one.connect(other.getsockname())
        kept.append((one, other))
        one.setblocking(False), other.setblocking(False)
        try:
            for _ in range(512):
                one.send(b"x" * 32768)
        except OSError:
            pass
    # All are full now: what comes out is what the kernel kept for us.
    for _, other in kept:
        try:
            while taken := len(other.recv(1 << 16)):
                total += taken
        except OSError:
            pass
    return f"{total >> 20} MiB in {pairs} pairs" if total > LIMIT * 2 else None


must_fail("TCP", stuffed, socket.AF_INET, socket.SOCK_STREAM, 90)
must_fail("UDP", stuffed, socket.AF_INET, socket.SOCK_DGRAM, 110)
must_fail("Unix", stuffed, socket.AF_UNIX, socket.SOCK_STREAM, 110)
