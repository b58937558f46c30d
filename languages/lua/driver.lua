-- Lua's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
--
-- Standard Lua cannot set close-on-exec or an environment variable, nor take a signal. So `env` is kept for os.getenv and
-- passed to programs by their shell, and an interrupt is taken by lua.c, whose handler serves once: a second one in the
-- life of a driver ends it, and the session goes on with a new one without its state.
local HEADER_BYTES_MAX = 4096
local requests = assert(io.open("/dev/fd/3", "rb"))
local events = assert(io.open("/dev/fd/4", "wb"))
local environment = {}
local count = 0
local pack, unpack = table.pack, table.unpack

local function send(verb, payload, ...)
  payload = payload or ""
  local header = table.concat({ verb, tostring(#payload), ... }, " ")
  events:write(header, "\n", payload)
  events:flush()
end

local function flush()
  io.stdout:flush()
  io.stderr:flush()
end

--- The environment as the session sees it, also what was set after the start.
local getenv = os.getenv
os.getenv = function(name) -- luacheck: ignore
  local value = environment[name]
  if value ~= nil then return value end
  return getenv(name)
end

--- Programs started by the program get those variables too, and neither of the driver's descriptors.
local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
local function in_environment(command)
  local words = { "exec 3<&- 4<&- 5<&- 6<&- 7<&-;" }
  for name, value in pairs(environment) do words[#words + 1] = "export " .. name .. "=" .. quoted(value) .. ";" end
  return table.concat(words, " ") .. " " .. command
end
local execute, popen = os.execute, io.popen
os.execute = function(command) -- luacheck: ignore
  if command == nil then return execute() end
  flush()
  return execute(in_environment(command))
end
io.popen = function(command, ...) -- luacheck: ignore
  flush()
  return popen(in_environment(command), ...)
end

local function announced(read)
  return function(...)
    flush()
    send("input", "", "echo")
    return read(...)
  end
end

local function open_console()
  io.stdout:setvbuf("line")
  io.stderr:setvbuf("no")
  io.read = announced(io.read) -- luacheck: ignore
  local lines = io.lines
  io.lines = function(path, ...) -- luacheck: ignore
    if path == nil then send("input", "", "echo") end
    return lines(path, ...)
  end
end

local function report(problem)
  flush()
  io.stderr:write(tostring(problem), "\n")
end

--- The error with its trace, as far as it is the program's.
local function traced(problem)
  if type(problem) ~= "string" then
    local meta = getmetatable(problem)
    if not (meta and meta.__tostring) then return "(error object is a " .. type(problem) .. " value)" end
    problem = tostring(problem)
  end
  local trace = debug.traceback(problem, 2)
  local ours = trace:find("\n\t%[C%]: in function 'xpcall'", 1)
  return ours and trace:sub(1, ours - 1) or trace
end

--- As an expression if it is one, else as statements, like the console does it.
local function compile(code, name)
  local chunk = load("return " .. code, name, "t")
  if chunk then return chunk end
  return load(code, name, "t")
end

local function exec(code)
  if count == 0 then open_console() end
  count = count + 1
  local chunk, problem = compile(code, "=query " .. count)
  if not chunk then
    report(problem)
    return "error"
  end
  local result = pack(xpcall(chunk, traced))
  if not result[1] then
    report(result[2])
    return result[2]:find("interrupted!", 1, true) and "interrupted" or "error"
  end
  if result.n > 1 then
    local shown, why = pcall(print, unpack(result, 2, result.n))
    if not shown then report(why) end
  end
  return "ok"
end

local function set_environment(payload)
  for entry in payload:gmatch("[^%z]+") do
    local name, value = entry:match("^([^=]+)=(.*)$")
    if name and name:match("^[%a_][%w_]*$") then environment[name] = value end
  end
end

arg = {}
send("ready")
while true do
  local header = requests:read("L")
  if not header or #header > HEADER_BYTES_MAX then os.exit(0) end
  local verb, length = header:match("^(%S+) (%d+)")
  local payload = tonumber(length) > 0 and requests:read(tonumber(length)) or ""
  if verb == "env" then
    set_environment(payload)
  elseif verb == "exec" then
    local status = exec(payload)
    flush()
    send("done", "", status)
  end
end
