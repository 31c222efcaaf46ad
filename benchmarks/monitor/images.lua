-- Sends the images of a file, one with each request: wrk ... -s images.lua URL -- FILE BYTES_OF_AN_IMAGE
-- Prints one line of JSON at the end.
local content, size, count, at
local headers = { ["Content-Type"] = "application/octet-stream" }

function init(args)
  local file = assert(io.open(args[1], "rb"))
  content = file:read("*a")
  file:close()
  size = tonumber(args[2])
  count = math.floor(#content / size)
  at = 0
end

function request()
  local start = (at % count) * size
  at = at + 1
  return wrk.format("POST", nil, headers, content:sub(start + 1, start + size))
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
