"""Raw and packet sockets, netlink beyond routing, vsock, and every other family of sockets."""
import fcntl, os, socket, struct
from attempt import *

socket_of = lambda family, kind, protocol: os.close(libc.syscall(41, family, kind, protocol)) or "opened"


def opens(family, kind, protocol):
    descriptor = libc.syscall(41, family, kind, protocol)
    return f"descriptor {descriptor}" if descriptor >= 0 else None


for kind in (1, 2, 3, 5, 10):
    for protocol in (0, 1, 6, 255, 3, 768):
        for family in [f for f in range(3, 48) if f not in (10, 16)]:
            if protocol in (0, 768):
                descriptor = libc.syscall(41, family, kind, protocol)
                must_be(f"family {family}, kind {kind}, protocol {protocol}", descriptor < 0, descriptor)
for family in (2, 10):
    for protocol in (1, 6, 17, 58, 255, 89, 47):
        must_fail(f"raw {family} {protocol}", opens, family, 3, protocol)
        must_fail(f"packet {family} {protocol}", opens, family, 10, protocol)
for protocol in range(1, 30):
    for kind in (2, 3):
        must_fail(f"netlink {protocol}", opens, 16, kind, protocol)


def route(message_kind, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as caller:
        caller.settimeout(1)
        # NLM_F_REQUEST | NLM_F_ACK
        caller.send(struct.pack("IHHII", 16 + len(body), message_kind, 5, 1, 0) + body)
        error = struct.unpack_from("i", caller.recv(4096), 16)[0]
        return "done" if error == 0 else None


must_fail("new link", route, 16, struct.pack("BxHiII", 0, 0, 0, 1, 1) + struct.pack("HH", 8, 3) + b"nw0\0" + struct.pack("HHHH", 12, 18, 9, 1) + b"dummy\0\0\0")
must_fail("loopback down", route, 16, struct.pack("BxHiII", 0, 0, 1, 0, 1))
must_fail("new address", route, 20, struct.pack("BBBBi", 2, 8, 0, 0, 1) + struct.pack("HH", 8, 2) + bytes([10, 0, 0, 1]))
must_fail("new route", route, 24, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0))
must_fail("namespace id", route, 88, struct.pack("Bxxx", 0) + struct.pack("HHI", 8, 1, 1))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
    for request in (0x8914, 0x8916, 0x8924, 0x890B, 0x89F0, 0x8946, 0x89A0):
        must_fail(f"interface request {request:#x}", lambda: fcntl.ioctl(caller, request, struct.pack("16sH22x", b"lo", 0)))
    for level, option in ((0, 64), (41, 64), (1, 36), (0, 19), (6, 31), (0, 35)):
        # iptables, marks, transparency, upper-layer protocols
        must_fail(f"socket option {level} {option}", lambda: caller.setsockopt(level, option, b"lo\0\0") or "set")
