"""Python's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).

Thousands of these wait idle, so this file holds only what every request needs and imports nothing that a bare
interpreter has not loaded already; conversation lives in console.py, loaded by the first `exec` or `complete`.
"""
import sys
import _io
import _signal
import gc as _gc
import os
from fcntl import ioctl as _ioctl
from time import monotonic as _monotonic, sleep as _sleep

_HERE = os.path.dirname(__file__)
_HEADER_BYTES_MAX = 4096
_FIONREAD = 0x541B
# How long one stream waits for the reader to take what the other has written: a reader may wait for its turn on a full machine.
_ORDER_WAIT_S_MAX = 1.0
# How long where somebody else keeps writing, or nobody reads: the last wait was in vain.
_ORDER_WAIT_S_MIN = 0.05
_YIELDS_BEFORE_SLEEP = 50
_VERSION = "python%d.%d" % sys.version_info[:2]
# Where packages are: Debian's three places, and everybody else's one.
_SITE = [path for path in ("/usr/local/lib/" + _VERSION + "/dist-packages", "/usr/lib/python3/dist-packages",
                           "/usr/lib/" + _VERSION + "/dist-packages", sys.prefix + "/lib/" + _VERSION + "/site-packages")
         if os.path.isdir(path)]


def _unread(fd):
    """Bytes in the pipe `fd` that its reader has not taken yet."""
    try:
        return int.from_bytes(_ioctl(fd, _FIONREAD, b"\0\0\0\0"), sys.byteorder)
    except OSError:
        return 0


def _wait_until_read(fd, patience):
    """Waits so long at most; answers how long it is worth waiting the next time."""
    unread = _unread(fd)
    begun = _monotonic() if unread else 0
    yields = 0
    while unread:
        yields += 1
        os.sched_yield() if yields < _YIELDS_BEFORE_SLEEP else _sleep(0.0002)
        before, unread = unread, _unread(fd)
        if unread > before:
            patience = _ORDER_WAIT_S_MIN
        if unread and _monotonic() - begun > patience:
            return _ORDER_WAIT_S_MIN
    return _ORDER_WAIT_S_MAX


class _Output(_io.FileIO):
    """Descriptor 1 or 2; what was written to the other one has been taken by the reader before this one writes."""

    patience = _ORDER_WAIT_S_MAX

    def write(self, data):
        other = self.other
        if other.written:
            other.written = False
            other.patience = _wait_until_read(other.fileno(), other.patience)
        self.written = True
        return _io.FileIO.write(self, data)


class _Site:
    """What the module `site` does with `.pth` files, put off until an import fails for want of it: it doubles the start."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if path is not None:
            return None
        sys.meta_path.remove(cls)
        import site
        known = set(sys.path)
        for directory in _SITE:
            site.addsitedir(directory, known)
        from importlib.machinery import PathFinder
        return PathFinder.find_spec(name)


def _open_site():
    """The interpreter was started without `site`: its paths and names, without its cost."""
    import builtins
    import _sitebuiltins
    sys.path += _SITE
    sys.meta_path.append(_Site)
    eof = "Ctrl-D (i.e. EOF)"
    builtins.quit, builtins.exit = _sitebuiltins.Quitter("quit", eof), _sitebuiltins.Quitter("exit", eof)
    builtins.copyright = _sitebuiltins._Printer("copyright", sys.copyright)
    builtins.credits = _sitebuiltins._Printer("credits", "See www.python.org for more information.")
    builtins.license = _sitebuiltins._Printer("license", "See https://www.python.org/psf/license/")
    builtins.help = _sitebuiltins._Helper()


def _open_streams():
    out, err = _Output(1, "w", closefd=False), _Output(2, "w", closefd=False)
    out.other, err.other, out.written, err.written = err, out, True, True
    for raw, name, errors in ((out, "stdout", "strict"), (err, "stderr", "backslashreplace")):
        buffer = _io.BufferedWriter(raw)
        stream = _io.TextIOWrapper(buffer, "utf-8", errors, "\n", True)
        raw.name = "<%s>" % name
        stream.mode = "w"
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    sys.stdin.reconfigure(encoding="utf-8", errors="strict")


def _open_main():
    """A fresh `__main__`, with nothing of the driver's in it."""
    main = type(sys)("__main__")
    space = main.__dict__
    space["__builtins__"] = sys.modules["builtins"]
    space["__annotations__"] = {}
    sys.modules["__main__"] = main
    return space


class _Requests:
    """Requests from descriptor 3, one at a time."""

    def __init__(self):
        self.ahead = b""

    def _more(self):
        data = os.read(3, 65536)
        if not data:
            os._exit(0)
        self.ahead += data

    def next(self):
        while b"\n" not in self.ahead:
            if len(self.ahead) > _HEADER_BYTES_MAX:
                os._exit(70)
            self._more()
        header, _, self.ahead = self.ahead.partition(b"\n")
        verb, length, *arguments = header.decode("ascii").split(" ")
        length = int(length)
        while len(self.ahead) < length:
            self._more()
        payload, self.ahead = self.ahead[:length], self.ahead[length:]
        return verb, payload, arguments


def send(verb, payload=b"", *arguments):
    """One event, whole."""
    header = " ".join([verb, str(len(payload)), *map(str, arguments)])
    left = memoryview(header.encode("ascii") + b"\n" + payload)
    while left:
        left = left[os.write(4, left):]


def _set_environment(payload):
    for entry in payload.split(b"\0"):
        key, equals, value = entry.partition(b"=")
        if equals and key:
            os.environb[key] = value
            if key == b"PYTHONPATH":
                sys.path[0:0] = [path for path in os.fsdecode(value).split(":") if path]
            elif key == b"TZ":
                from time import tzset
                tzset()


def _console():
    """console.py, as a module that shares this file's streams."""
    space = {"__name__": "madang_console", "__file__": _HERE + "/console.py", "send": send, "unread": _unread,
             "here": _HERE, "main": _open_main()}
    with _io.FileIO(space["__file__"]) as file:
        exec(compile(file.read(), space["__file__"], "exec", dont_inherit=True), space)
    return space["Console"]()


def _read_program(path):
    try:
        with _io.FileIO(path) as file:
            return file.read()
    except OSError as error:
        sys.stderr.write("%s: can't open file %r: [Errno %d] %s\n" % (
            sys.executable, path, error.errno, error.strerror))
        sys.exit(2)


def _open_script(payload):
    """Everything as `python3 path arg…` has it when the first line runs; answers (source, path, namespace)."""
    os.close(3)
    os.close(4)
    argv = [os.fsdecode(word) for word in payload.split(b"\0")]
    path = os.path.abspath(argv[0])
    space = _open_main()
    space["__file__"] = path
    space["__cached__"] = None
    from _frozen_importlib_external import SourceFileLoader
    space["__loader__"] = SourceFileLoader("__main__", path)
    sys.argv = argv
    sys.orig_argv = [sys.executable, *argv]
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    return _read_program(path), path, space


def _report(error):
    """What the interpreter does with an uncaught error, less this file's frames."""
    trace = error.__traceback__.tb_next
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    sys.stdout.flush()
    sys.excepthook(type(error), error, trace)
    if isinstance(error, KeyboardInterrupt):
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        sys.stdout.flush()
        os.kill(os.getpid(), _signal.SIGINT)


def _is_standard(module):
    """Whether a module is the interpreter's own: nothing of it outlives its objects but what `atexit` knows."""
    path = getattr(module, "__file__", None)
    return path is None or path.startswith(_STANDARD) and "-packages/" not in path


def _leave_early():
    """Ends the process after a program that needs nothing of the interpreter's own end, which takes longer than most programs.

    Not after one with threads, C libraries that may buffer, or modules of its own. What a program can notice is done in the
    interpreter's order: exit functions, then `__main__` with all in it, then flushing.
    """
    global _space
    added = sys.modules.keys() - _MODULES
    if not _LASTING.isdisjoint(added) or not all(_is_standard(sys.modules[name]) for name in added):
        return
    import atexit
    atexit._run_exitfuncs()
    del sys.modules["__main__"]
    _space = None
    _gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _ignore(_number, _frame):
    """An interrupt between two requests is for nobody."""


os.set_inheritable(3, False)
os.set_inheritable(4, False)
_signal.signal(_signal.SIGINT, _ignore)
_open_site()
_open_streams()
_requests = _Requests()
_talk = None
_STANDARD = os.path.dirname(os.__file__) + "/"
# Modules that leave something for the interpreter's own end: threads to wait for, buffers of C libraries.
_LASTING = frozenset(("threading", "ctypes", "readline", "_curses", "_tkinter"))
_MODULES = frozenset(sys.modules)
_gc.freeze()  # what is here now is nobody's garbage: a collection looks at the program's own objects only
send("ready")
while True:
    _verb, _payload, _arguments = _requests.next()
    if _verb == "env":
        _set_environment(_payload)
    elif _verb == "script":
        break
    elif _verb in ("exec", "complete"):
        _talk = _talk or _console()
        _talk.answer(_verb, _payload, _arguments)

# The program runs from here, at module level, so that its stack is as shallow as can be.
_source, _path, _space = _open_script(_payload)
try:
    exec(compile(_source, _path, "exec", dont_inherit=True), _space)
    _leave_early()
except SystemExit:
    raise
except BaseException as _error:
    _report(_error)
    sys.exit(1)
finally:
    _space = _source = _talk = None  # so that the program's objects die with its `__main__`, as they would without us
