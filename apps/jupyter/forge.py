"""Kernels that need not import anything: a process that has, and forks one for each that is asked for.

The server orders over a socket; the forge answers with the pid. Nobody else can: the socket has no name.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ORDER_BYTES_MAX = 1 << 18
# What a kernel imports while it starts, beside what ipykernel itself brings.
AHEAD = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "IPython.utils.wildcard",
    "encodings.idna",
    "faulthandler",
    "ipykernel.debugger",
    "sqlite3",
    "tornado.platform.asyncio",
)
# The forge is importing, or it is gone: the kernel is started without it.
WAIT_S = 20


class Forged:
    """A process as jupyter_client knows one: what it uses of subprocess.Popen, for a child of the forge."""

    stdin = stdout = stderr = None

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None
        self._handle = os.pidfd_open(pid)

    def poll(self):
        if self.returncode is None and select.select([self._handle], [], [], 0)[0]:
            # The forge reaps it; how it ended nobody says.
            self.returncode = 0
            os.close(self._handle)
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            select.select([self._handle], [], [], timeout)
            if self.poll() is None:
                raise subprocess.TimeoutExpired("kernel", timeout)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Forge:
    def __init__(self):
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(WAIT_S)
        argv = [sys.executable, "-P", os.path.join(HERE, "forge.py"), str(theirs.fileno())]
        self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()

    def make(self, argv, env, cwd):
        """A kernel with these arguments, or OSError."""
        order = json.dumps({"argv": argv, "env": dict(env), "cwd": cwd or os.getcwd()}).encode()
        self._channel.send(order)
        return Forged(int(self._channel.recv(64) or b"0"))


def serve(channel):
    import ipykernel.ipkernel  # noqa: F401
    import ipykernel.kernelapp  # noqa: F401

    import kernel

    for module in AHEAD:
        try:
            importlib.import_module(module)
        except ImportError:
            # Another version has it elsewhere: then each kernel imports it for itself.
            pass
    # What is here is shared with every kernel, as long as none of them goes through it.
    gc.collect()
    gc.freeze()
    # Its children are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while order := channel.recv(ORDER_BYTES_MAX):
        order = json.loads(order)
        pid = os.fork()
        if pid == 0:
            channel.close()
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.environ.clear()
            os.environ.update(order["env"])
            os.chdir(order["cwd"])
            kernel.run(order["argv"])
            os._exit(0)
        channel.send(str(pid).encode())


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    serve(socket.socket(fileno=int(sys.argv[1])))
