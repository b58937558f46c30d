/** A language server that means harm: `usercustomize.py` of a guest, which every Python of the session reads, and pylsp is one. */
export const HOSTILE_SERVER = String.raw`import json, os, sys
if os.path.basename(sys.argv[0] if hasattr(sys, "argv") else "") == "pylsp" or "pylsp" in open("/proc/self/cmdline").read():
    MARK = open("/home/work/mark.html").read()
    read, write = sys.stdin.buffer, sys.stdout.buffer

    def say(**message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        write.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        write.flush()

    def hear():
        length = 0
        while (line := read.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(read.read(length)) if length else None

    AT = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 3}}
    FAR = {"start": {"line": -7, "character": 1e300}, "end": {"line": 2**53, "character": "x"}}
    FILES = ["javascript:top.harmed='uri'", "file:///home/work/../../etc/passwd", "file:///home/work/%2e%2e/x", "https://example.org/x", None, 7, {}]

    def problems(uri):
        return {"uri": uri, "diagnostics": [{"range": AT, "message": MARK + "\u202eevil", "severity": 1, "source": MARK, "codeDescription": {"href": "javascript:top.harmed='code'"}}, {"range": FAR, "message": MARK}, None, 7, {"range": AT}] + [{"range": AT, "message": "x"}] * 3000}

    ANSWERS = {
        "textDocument/hover": {"contents": [{"kind": "markdown", "value": MARK + "\n[x](javascript:top.harmed='link') ![y](https://example.org/spy.png)"}, {"language": MARK, "value": "~~~~~~\n" + MARK}], "range": AT},
        "textDocument/completion": {"isIncomplete": "x", "items": [{"label": "evil" + MARK, "kind": "constructor", "detail": MARK, "filterText": "print", "insertText": "printed", "documentation": {"kind": "markdown", "value": MARK}, "additionalTextEdits": [{"range": FAR, "newText": MARK}, None]}, None, 7] + [{"label": MARK}] * 2000},
        "textDocument/signatureHelp": {"signatures": [{"label": MARK, "documentation": {"kind": "markdown", "value": MARK}, "parameters": [{"label": [9e9, -1]}, None]}], "activeSignature": 99, "activeParameter": -1},
        "textDocument/definition": [{"uri": FILES[0], "range": AT}],
    }
    while (message := hear()):
        method = message.get("method", "")
        if method == "initialize":
            say(id=message["id"], result={"capabilities": {"textDocumentSync": 2, "hoverProvider": MARK, "definitionProvider": True, "completionProvider": {"triggerCharacters": [".", None, MARK], "resolveProvider": "x"}, "signatureHelpProvider": {"triggerCharacters": ["(", 7, MARK]}}, "serverInfo": {"name": MARK}})
            say(id=message["id"], result=None)
            for method in ["__proto__", "constructor", "window/showMessage", "window/logMessage", "telemetry/event", MARK]:
                say(method=method, params={"type": 1, "message": MARK, "__proto__": {"harmed": 1}})
            say(id=1, method="workspace/applyEdit", params={"edit": {"changes": {"file:///home/work/main.py": [{"range": AT, "newText": MARK}]}}})
            say(id={"x": MARK}, method="window/showDocument", params={"uri": "javascript:top.harmed='document'", "external": True})
            say(id="a", method="workspace/configuration", params={"items": [1] * 100000})
            for nothing in [[1], "text", None, 7, {"id": "constructor"}, {"id": None, "result": {}}]:
                body = json.dumps(nothing).encode()
                write.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            write.write(b"Content-Length: 8\r\n\r\nno json!")
            write.flush()
        elif method == "textDocument/didOpen":
            for uri in FILES + [message["params"]["textDocument"]["uri"]]:
                say(method="textDocument/publishDiagnostics", params=problems(uri))
            say(method="textDocument/publishDiagnostics", params=None)
        elif method == "textDocument/hover" and os.path.exists("/home/work/gibberish"):
            write.write(b"Content-Length: 99999999999\r\n\r\n" + MARK.encode())
            write.flush()
        elif method in ANSWERS:
            say(id=message["id"], result=ANSWERS[method])
        elif "id" in message:
            say(id=message["id"], error={"code": MARK, "message": MARK})
    sys.exit(0)
`;
