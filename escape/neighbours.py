# madang-escape: at-once=3
"""Several at once: each listens, leaves marks and looks for the others'."""
import ctypes, os, socket, time
from attempt import *

KEY = 0x6E656967
me = os.urandom(8).hex()
abstract, tcp, udp = socket.socket(socket.AF_UNIX), socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
abstract.bind("\0madang-neighbour")
tcp.bind(("127.0.0.1", 7778))
udp.bind(("127.0.0.1", 7778))
for listener in (abstract, tcp):
    listener.listen()
for place in ("/tmp", "/dev/shm"):
    open(f"{place}/mark-{me}", "w").write(me)
segment = libc.syscall(29, KEY, 4096, 0o1666)
until = time.monotonic() + 1.5
others = set()
while time.monotonic() < until:
    for place in ("/tmp", "/dev/shm"):
        others.update(name for name in os.listdir(place) if name != f"mark-{me}")
    others.update(name for name in os.listdir("/proc") if name.isdigit() and name not in ("1", str(os.getpid())))
    for listener in (abstract, tcp, udp):
        listener.settimeout(0)
        try:
            others.add(str(listener.accept() if listener is not udp else listener.recvfrom(10)))
        except OSError:
            pass
    time.sleep(0.05)
must_be("nobody else is to be seen", not others, others)
must_be("one segment of memory", read("/proc/sysvipc/shm").decode().count("\n") == 2, read("/proc/sysvipc/shm"))
for number in range(2, 255):
    with socket.socket() as caller:
        caller.settimeout(0.02)
        if caller.connect_ex((f"10.0.0.{number}", 7778)) == 0:
            escaped.append(f"10.0.0.{number}")
