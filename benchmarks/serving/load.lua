-- For wrk: send the requests of a folder in turn, and compare each answer with the one expected.
-- Each thread has one connection, so that an answer belongs to the request before it.
local ffi = require("ffi")
ffi.cdef [[
  struct moment { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct moment *moment);
]]

local threads = {}

local function now_s()
  local moment = ffi.new("struct moment")
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) * 1e-9
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function setup(thread)
  thread:set("place", #threads)
  table.insert(threads, thread)
end

-- In each thread: the folder, how many requests it has, and how many to send.
function init(args)
  -- wrk first calls `request` once in the first thread, and does not send it.
  sent = place == 0 and -1 or 0
  answered, wrong, began_s, ended_s = 0, 0, 0, 0
  size, quota = tonumber(args[2]), tonumber(args[3])
  requests, answers = {}, {}
  for number = 0, size - 1 do
    wrk.method, wrk.body = "POST", read(args[1] .. "/" .. number .. ".request")
    requests[number] = wrk.format()
    answers[number] = read(args[1] .. "/" .. number .. ".answer")
  end
end

function request()
  if sent == 0 then began_s = now_s() end
  current = (place + sent) % size
  sent = sent + 1
  return requests[current]
end

function response(status, headers, body)
  answered = answered + 1
  if status ~= 200 or body ~= answers[current] then wrong = wrong + 1 end
  if sent >= quota then
    ended_s = now_s()
    wrk.thread:stop()
    io.stderr:write("finished\n")
  end
end

function done(summary, latency, requests)
  local total = { sent = 0, answered = 0, wrong = 0 }
  local first_s, last_s = math.huge, 0
  for _, thread in ipairs(threads) do
    for name in pairs(total) do total[name] = total[name] + thread:get(name) end
    first_s = math.min(first_s, thread:get("began_s"))
    last_s = math.max(last_s, thread:get("ended_s"))
  end
  io.write(string.format(
    '{"sent": %d, "answered": %d, "wrong": %d, "seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f}\n',
    total.sent, total.answered, total.wrong, last_s - first_s,
    latency:percentile(50), latency:percentile(99)))
end
