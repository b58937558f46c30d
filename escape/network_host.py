"""Reaches services of the host: loopback, abstract and ordinary sockets, the server itself. The host counts who knocked."""
import os, socket
from attempt import *


def connects(family, kind, address):
    with socket.socket(family, kind) as caller:
        caller.settimeout(1)
        caller.connect(address)
        caller.send(b"hello from a guest")
        return f"reached {address}"


for port in (int(facts["tcp_port"]), int(facts["server_port"])):
    for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", "10.0.2.2", "172.17.0.1", "192.168.0.1", "169.254.0.1"):
        must_fail(f"tcp {host}:{port}", connects, socket.AF_INET, socket.SOCK_STREAM, (host, port))
    for host in ("::1", "::ffff:127.0.0.1", "::"):
        must_fail(f"tcp [{host}]:{port}", connects, socket.AF_INET6, socket.SOCK_STREAM, (host, port))
must_fail("abstract socket", connects, socket.AF_UNIX, socket.SOCK_STREAM, "\0" + facts["abstract_socket"])
for path in (facts["socket_path"], facts["server_socket"], "/run/madang/init.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/notify"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        must_fail(path, connects, socket.AF_UNIX, kind, path)
        must_fail(f"{path} from init's root", connects, socket.AF_UNIX, kind, ("/proc/1/root" + path)[:107])
for line in read("/proc/net/unix", 65536).decode().splitlines()[1:]:
    must_be("no abstract socket is to be seen", " @" not in line, line)
