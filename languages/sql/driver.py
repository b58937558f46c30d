"""SQL's driver: SQLite behind the driver protocol (docs/design/0002-driver-protocol.md).

Rows are shown as the sqlite3 console shows them, and a few of its dot commands are understood. The database is
main.db in the working directory, as for batches; it is opened by the first query.
"""
import os
import signal
import sqlite3
import sys

_HEADER_BYTES_MAX = 4096
_DATABASE = "main.db"
# Steps of SQLite's machine between two looks for an interrupt.
_STEPS_PER_LOOK = 10_000


class _Interrupt:
    asked = False

    @classmethod
    def ask(cls, _number, _frame):
        cls.asked = True


def send(verb, payload=b"", *arguments):
    """One event, whole."""
    left = memoryview(" ".join([verb, str(len(payload)), *arguments]).encode() + b"\n" + payload)
    while left:
        left = left[os.write(4, left):]


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        text = "%.15g" % value
        return text if any(c in text for c in ".en") else text + ".0"
    return str(value)


class Console:
    """One connection, opened late."""

    def __init__(self):
        self.connection = None
        self.headers = False

    def run(self, text):
        if self.connection is None:
            self.connection = sqlite3.connect(_DATABASE, isolation_level=None)
            self.connection.set_progress_handler(lambda: _Interrupt.asked, _STEPS_PER_LOOK)
        for statement in _split(text):
            if _Interrupt.asked:
                raise KeyboardInterrupt
            if statement.startswith("."):
                self._command(statement)
            else:
                self._show(self.connection.execute(statement))

    def _show(self, rows):
        if self.headers and rows.description:
            print("|".join(column[0] for column in rows.description))
        for row in rows:
            print("|".join(map(_cell, row)))

    def _command(self, line):
        name, *words = line.split()
        if name == ".tables":
            rows = self.connection.execute(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1")
            print("\n".join(row[0] for row in rows))
        elif name == ".schema":
            where = "name = ? OR tbl_name = ?" if words else "?1 IS ?2"
            names = words[:1] * 2 or [None, None]
            for (sql,) in self.connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND (%s)" % where, names):
                print(sql + ";")
        elif name == ".headers" and words:
            self.headers = words[0] == "on"
        else:
            raise sqlite3.Error("unknown command: %s (there are .tables, .schema and .headers)" % name)


def _split(text):
    """Statements and dot commands one by one; what is left at the end counts as a statement."""
    pending = ""
    for line in text.splitlines(True):
        if line.startswith(".") and not pending.strip():
            yield line.strip()
            pending = ""
            continue
        start = 0
        while (end := line.find(";", start)) >= 0:
            pending += line[start:end + 1]
            start = end + 1
            # A `;` in a string, a comment or a trigger does not end the statement.
            if sqlite3.complete_statement(pending):
                yield pending
                pending = ""
        pending += line[start:]
    if pending.strip():
        yield pending


def _exec(console, text):
    _Interrupt.asked = False
    try:
        console.run(text)
        return "ok"
    except (sqlite3.Error, KeyboardInterrupt) as error:
        sys.stdout.flush()
        if _Interrupt.asked:
            print("Interrupted", file=sys.stderr)
            return "interrupted"
        kind = "Parse error" if "syntax" in str(error) or "no such" in str(error) or "incomplete" in str(error) else "Runtime error"
        print("%s: %s" % (kind, error), file=sys.stderr)
        return "error"


def _read(stream, length):
    payload = stream.read(length)
    if len(payload) < length:
        os._exit(0)
    return payload


def main():
    """Serves requests until there are no more."""
    signal.signal(signal.SIGINT, _Interrupt.ask)
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    console = Console()
    requests = open(3, "rb")
    send("ready")
    while header := requests.readline(_HEADER_BYTES_MAX):
        verb, length, *_ = header.decode("ascii").split()
        payload = _read(requests, int(length))
        if verb == "exec":
            status = _exec(console, payload.decode("utf-8", "replace"))
            sys.stdout.flush()
            sys.stderr.flush()
            send("done", b"", status)
        elif verb == "env":
            for entry in payload.split(b"\0"):
                key, equals, value = entry.partition(b"=")
                if key and equals:
                    os.environb[key] = value


main()
