-- Sends one POST over and over: wrk ... -s wrk.lua URL -- BODY_FILE "Name: value" ...
-- Prints one line of JSON at the end. wrk counts every status above 399 as an error.
function init(args)
  wrk.method = "POST"
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
  for index = 2, #args do
    local name, value = args[index]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"seconds": %.6f, "requests": %d, "status_errors": %d, "socket_errors": %d, "p50": %.6f, "p99": %.6f}\n',
    summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
