-- Sends the lines of a file, one with each request: wrk ... -s images.lua URL -- FILE
-- Prints one line of JSON at the end.
local bodies, at = {}, 0
local headers = { ["Content-Type"] = "application/json" }

function init(args)
  for line in io.lines(args[1]) do
    bodies[#bodies + 1] = line
  end
end

function request()
  at = at % #bodies + 1
  return wrk.format("POST", nil, headers, bodies[at])
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "errors": %d, "rate": %.3f, "p50": %.9f, "p99": %.9f}\n',
    summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout,
    1e6 * summary.requests / summary.duration,
    latency:percentile(50) / 1e6,
    latency:percentile(99) / 1e6
  ))
end
