"""Reaches an app that is another session's: through the proxy's door with every ticket that somebody could have, and by its own port."""
import socket
from attempt import *


def reaches(host, port, head):
    with socket.create_connection((host, port), 1) as caller:
        # There must be no connection at all, whatever is said over it.
        try:
            caller.sendall(head)
            caller.settimeout(1)
            return caller.recv(80)
        except OSError:
            return f"connected to {host}"


path, ticket = facts["app_path"], facts["app_ticket"]
late = ticket[:-4] + "AAAA"
tickets = ["", f"cookie: madang_app={ticket}\r\n", f"authorization: Bearer {ticket}\r\n", f"authorization: Bearer {late}\r\n"]
heads = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{lines}\r\n".encode() for lines in tickets]
heads.append(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: madang-tcp\r\n{tickets[2]}\r\n".encode())
for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.1", "10.0.2.2", "172.17.0.1", "169.254.0.1"):
    for head in heads:
        must_fail(f"the door of apps at {host}", reaches, host, int(facts["app_door"]), head)
for host in ("127.0.0.1", "127.0.0.2", "::1", "10.0.2.15", facts["hostname"]):
    must_fail(f"the app's own port at {host}", reaches, host, int(facts["app_port"]), heads[0])
