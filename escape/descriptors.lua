-- Descriptors 3 and up must not take what we say: no pipe to the driver's other side may be left.
local strange, tried = {}, 0
for number = 3, 255 do
  tried = tried + 1
  local file = io.open("/proc/self/fd/" .. number, "w")
  if file then
    strange[#strange + 1] = number
    file:close()
  end
end
print(#strange > 0 and "ESCAPED: open for writing: " .. table.concat(strange, " ") or "HELD: " .. tried .. " tries")
