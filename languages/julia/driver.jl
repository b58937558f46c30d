# Julia's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
module MadangDriver

const HEADER_BYTES_MAX = 4096
const requests = fdio(3)
const events = fdio(4)

function send(verb, payload=UInt8[], arguments...)
    bytes = payload isa AbstractString ? codeunits(payload) : payload
    write(events, join((verb, length(bytes), arguments...), ' '), '\n', bytes)
    flush(events)
end

function set_environment(payload)
    for entry in split(String(payload), '\0'; keepempty=false)
        at = findfirst('=', entry)
        at === nothing || at == 1 || (ENV[entry[1:prevind(entry, at)]] = entry[nextind(entry, at):end])
    end
end

const RICH = ("text/html", "image/svg+xml", "image/png")

function display_value(value)
    value === nothing && return
    Base.invokelatest(show, IOContext(stdout, :limit => true), MIME("text/plain"), value)
    println()
    flush(stdout)
    for mime in RICH
        if Base.invokelatest(showable, mime, value)
            buffer = IOBuffer()
            Base.invokelatest(show, buffer, MIME(mime), value)
            send("media", take!(buffer), mime)
        end
    end
end

function run(code)
    try
        value = include_string(REPL_softscope, Main, code, "query")
        Core.eval(Main, :(ans = $(QuoteNode(value))))
        endswith(rstrip(code), ';') || display_value(value)
        return "ok"
    catch problem
        inner = problem isa LoadError ? problem.error : problem
        flush(stdout)
        Base.invokelatest(Base.display_error, stderr, inner, catch_backtrace())
        return inner isa InterruptException ? "interrupted" : "error"
    end
end

# Loops at the top level may assign to globals, as in the console.
function REPL_softscope(expression)
    if expression isa Expr && expression.head === :toplevel
        return Expr(:toplevel, map(REPL_softscope, expression.args)...)
    elseif expression isa Expr && !(expression.head in (:module, :global, :import, :using, :export, :error, :incomplete))
        return Expr(:block, Expr(:softscope, true), expression)
    end
    return expression
end

function exec(code)
    status = run(code)
    flush(stdout)
    flush(stderr)
    send("done", "", status)
end

function serve()
    send("ready")
    while true
        try
            header = readuntil(requests, '\n')
            isempty(header) && exit(0)
            ncodeunits(header) > HEADER_BYTES_MAX && exit(70)
            verb, length = split(header, ' ')[1:2]
            payload = read(requests, parse(Int, length))
            verb == "env" && set_environment(payload)
            verb == "exec" && exec(String(payload))
        catch problem
            problem isa InterruptException || rethrow() # between two requests an interrupt is for nobody
        end
    end
end

end

Base.exit_on_sigint(false)
MadangDriver.serve()
