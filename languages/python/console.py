"""Python's conversation: `exec` and `complete`. Loaded by driver.py, which lends `send`, `unread`, `here` and `main`."""
import _ast
import _io
import _signal
import builtins
import os
import sys

_ONLY_AST = 0x400
_TOP_LEVEL_AWAIT = 0x2000
_COROUTINE = 0x80
_FUTURES = 0x1FF0000
_SOURCES_MAX = 1000
_CANDIDATES_MAX = 500
# Methods that give a rich form of an object, and what they give; the first that answers wins within its row.
_RICH = (("text/html", "_repr_html_"), ("image/svg+xml", "_repr_svg_"), ("image/png", "_repr_png_"),
         ("image/jpeg", "_repr_jpeg_"), ("text/markdown", "_repr_markdown_"), ("text/latex", "_repr_latex_"),
         ("application/json", "_repr_json_"))


class _Input(_io.FileIO):
    """Descriptor 0; says on descriptor 4 that it is about to block."""

    announced = False

    def readinto(self, buffer):
        if not self.announced and not unread(0):
            flush()
            send("input", b"", "echo")
        return _io.FileIO.readinto(self, buffer)


def flush():
    """All that was printed so far is on its way."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass  # the program replaced or closed it: then nothing of it is left to flush


def _ask(prompt, echo):
    flush()
    send("input", str(prompt).encode("utf-8", "replace"), echo)
    raw = getattr(getattr(sys.stdin, "buffer", None), "raw", None)
    # Until the whole line is there: a piece of it is no reason to ask again, least of all for a password, with echo.
    if isinstance(raw, _Input):
        raw.announced = True
    try:
        line = sys.stdin.readline()
    finally:
        if isinstance(raw, _Input):
            raw.announced = False
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")


def _input(prompt="", /):
    """Read a line from standard input; the prompt is shown to whoever types it."""
    return _ask(prompt, "echo")


def _getpass(prompt="Password: ", stream=None):
    """Read a line without showing it."""
    return _ask(prompt, "noecho")


def _media(mime, content):
    flush()
    if isinstance(content, (dict, list)):
        import json
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    send("media", bytes(content), mime)


def _rich_forms(value):
    kind = type(value)
    for mime, method in _RICH:
        if callable(getattr(kind, method, None)):
            try:
                content = getattr(value, method)()
            except Exception:
                continue  # a broken rich form must not hide the plain one
            if isinstance(content, tuple):
                content = content[0]
            if content is not None:
                yield mime, content


def _display(value):
    if value is None:
        return
    builtins._ = None
    text = repr(value)
    sys.stdout.write(text + "\n")
    for mime, content in _rich_forms(value):
        _media(mime, content)
    builtins._ = value


def _show_figures(*_arguments, **_options):
    """Every open figure as a picture, then closed; stands in for `matplotlib.pyplot.show`."""
    pyplot = sys.modules["matplotlib.pyplot"]
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        if figure.get_axes() or figure.texts or figure.images:
            picture = _io.BytesIO()
            figure.savefig(picture, format="png")
            _media("image/png", picture.getvalue())
    pyplot.close("all")


class _Figure:
    """`_repr_png_` for a figure that is itself the value shown."""

    @staticmethod
    def png(figure):
        picture = _io.BytesIO()
        figure.savefig(picture, format="png")
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot:
            pyplot.close(figure)
        return picture.getvalue()


class _AfterImport:
    """A finder that finds nothing itself, but lets us adjust a few modules the moment the program imports them."""

    def __init__(self, hooks):
        self.hooks = hooks

    def find_spec(self, name, path=None, target=None):
        hook = self.hooks.pop(name, None)
        if hook is None:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec and spec.loader:
                load = spec.loader.exec_module

                def exec_module(module):
                    load(module)
                    hook(module)
                spec.loader.exec_module = exec_module
                return spec
        return None


class Console:
    """The persistent state: `__main__`, and the sources of everything that was executed in it."""

    def __init__(self):
        self.sources = {}
        self.count = 0
        self.futures = 0
        self.loop = None
        self.process = os.getpid()
        self.space = main
        self.space["__loader__"] = self.space["__spec__"] = None
        sys.argv = [""]
        sys.orig_argv = [sys.executable]
        sys.path.insert(0, "")
        sys.stdin = None
        self._renew_input()
        builtins.input = _input
        sys.displayhook = _display
        os.environ.setdefault("MPLBACKEND", "agg")
        hooks = {
            "getpass": lambda module: setattr(module, "getpass", _getpass),
            "linecache": self._fill_linecache,
            "matplotlib.pyplot": lambda module: setattr(module, "show", _show_figures),
            "matplotlib.figure": lambda module: setattr(module.Figure, "_repr_png_", _Figure.png),
        }
        for name in [name for name in hooks if name in sys.modules]:
            hooks.pop(name)(sys.modules[name])
        sys.meta_path.insert(0, _AfterImport(hooks))

    def _renew_input(self):
        """Standard input as new: what the last query left unread of its own is not the next one's."""
        if sys.stdin is not sys.__stdin__ and sys.stdin is not None:
            return  # the program's own
        raw = _Input(0, "r", closefd=False)
        raw.name = "<stdin>"
        sys.stdin = sys.__stdin__ = _io.TextIOWrapper(_io.BufferedReader(raw), "utf-8", "strict")
        sys.stdin.mode = "r"

    def answer(self, verb, payload, arguments):
        """One request, answered."""
        if verb == "complete":
            return self._complete(payload, int(arguments[0]) if arguments else len(payload))
        status = "interrupted"
        try:
            self._renew_input()
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            status = self._exec(payload.decode("utf-8", "surrogateescape"))
            _signal.signal(_signal.SIGINT, lambda *_: None)
        except KeyboardInterrupt:
            _signal.signal(_signal.SIGINT, lambda *_: None)
        flush()
        if os.getpid() != self.process:
            os._exit(0)  # a child that the program forked and let run on
        send("done", b"", status)

    def _exec(self, source):
        self.count += 1
        name = "<query %d>" % self.count
        self._remember(name, source)
        try:
            self._run(source, name)
            if "matplotlib.pyplot" in sys.modules:
                _show_figures()
            return "ok"
        except SystemExit:
            raise
        except BaseException as error:
            self._report(error)
            return "interrupted" if isinstance(error, KeyboardInterrupt) else "error"

    def _run(self, source, name):
        flags = self.futures | _TOP_LEVEL_AWAIT
        tree = compile(source, name, "exec", flags | _ONLY_AST, True)
        last = None
        if tree.body and isinstance(tree.body[-1], _ast.Expr):
            last = _ast.Expression(tree.body.pop().value)
        if tree.body:
            self._eval(compile(tree, name, "exec", flags, True))
        if last:
            sys.displayhook(self._eval(compile(last, name, "eval", flags | self.futures, True)))

    def _eval(self, code):
        self.futures |= code.co_flags & _FUTURES
        value = eval(code, self.space)
        if code.co_flags & _COROUTINE:
            import asyncio
            if self.loop is None or self.loop.is_closed():
                self.loop = asyncio.new_event_loop()
                asyncio.set_event_loop(self.loop)
            value = self.loop.run_until_complete(value)
        return value

    def _remember(self, name, source):
        self.sources[name] = source
        if len(self.sources) > _SOURCES_MAX:
            self.sources.pop(next(iter(self.sources)))
        if "linecache" in sys.modules:
            self._fill_linecache(sys.modules["linecache"])

    def _fill_linecache(self, module):
        # Without a time of change an entry is never checked against a file, and stays.
        for name, source in self.sources.items():
            module.cache.setdefault(name, (len(source), None, source.splitlines(True), name))

    def _report(self, error):
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename.startswith(here):
            trace = trace.tb_next
        error.__traceback__ = trace
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        flush()
        try:
            if sys.excepthook is not sys.__excepthook__:
                return sys.excepthook(type(error), error, trace)
            import traceback
            traceback.print_exception(type(error), error, trace)
        except Exception:
            sys.__excepthook__(type(error), error, trace)

    def _complete(self, payload, cursor):
        before = payload[:cursor].decode("utf-8", "ignore")
        start = len(before)
        while start and (before[start - 1].isalnum() or before[start - 1] in "_."):
            start -= 1
        word = before[start:]
        try:
            found = self._attributes(word) if "." in word else self._names(word)
        except Exception:
            found = []  # a hostile __dir__ or __getattr__: no candidates
        names = sorted(set(found))[:_CANDIDATES_MAX]
        send("completions", "\n".join(names).encode("utf-8", "replace"), len(before[:start].encode()))

    def _names(self, word):
        import keyword
        pool = [*self.space, *dir(builtins), *keyword.kwlist, *keyword.softkwlist]
        return [name for name in pool if name.startswith(word) and (word.startswith("_") or not name.startswith("_"))]

    def _attributes(self, word):
        path, _, tail = word.rpartition(".")
        first, *rest = path.split(".")
        value = self.space[first] if first in self.space else getattr(builtins, first)
        for name in rest:
            if isinstance(getattr(type(value), name, None), property):
                return []  # a property runs code of the program's: not for a keystroke
            value = getattr(value, name)
        return [path + "." + name for name in dir(value)
                if name.startswith(tail) and (tail.startswith("_") or not name.startswith("_"))]
