"""Reaches the world: cloud metadata, name servers, anything. There is no way but loopback."""
import os, socket
from attempt import *

PLACES = [("169.254.169.254", 80), ("169.254.170.2", 80), ("100.100.100.200", 80), ("192.0.0.192", 80), ("1.1.1.1", 53), ("8.8.8.8", 53), ("10.0.0.1", 80),
          ("172.16.0.1", 80), ("192.168.1.1", 80), ("224.0.0.251", 5353), ("255.255.255.255", 67)]


def connects(family, kind, address):
    with socket.socket(family, kind) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        caller.settimeout(1)
        caller.connect(address)
        caller.send(b"hello")
        return f"reached {address}"


for place in PLACES:
    must_fail(f"tcp {place}", connects, socket.AF_INET, socket.SOCK_STREAM, place)
    must_fail(f"udp {place}", connects, socket.AF_INET, socket.SOCK_DGRAM, place)
for host in ("fd00:ec2::254", "2606:4700:4700::1111", "fe80::1", "ff02::1"):
    must_fail(f"udp [{host}]", connects, socket.AF_INET6, socket.SOCK_DGRAM, (host, 53, 0, 1))
must_fail("a name is found", lambda: socket.getaddrinfo("example.com", 80))
must_be("loopback is the only interface", [name for _, name in socket.if_nameindex()] in (["lo"], []), socket.if_nameindex())
routes = read("/proc/net/route").decode().splitlines()[1:]
must_be("there is no route", routes == [], routes)
must_fail("bind a low port", lambda: (lambda s: s.bind(("127.0.0.1", 80)) or s.getsockname())(socket.socket()) if int(read("/proc/sys/net/ipv4/ip_unprivileged_port_start")) <= 80 and False else None)


def mine():
    with socket.socket() as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        caller.connect(listener.getsockname())
        return True


must_be("our own loopback works", mine(), False)
