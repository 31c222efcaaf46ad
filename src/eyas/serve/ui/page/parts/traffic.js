// Traffic and latency over the last minutes, worked out from /metrics; kept while the tab lives.

import { ask } from "./api.js";
import { difference, histogram, parse, quantile, sum } from "./prometheus.js";

const KEPT = 300; // looks: ten minutes at one every two seconds
const WINDOW = 30; // looks behind a quantile: a minute
const REQUESTS = "eyas_model_requests_total";
const SECONDS = "eyas_model_request_seconds";
const FAILED = new Set(["server_error", "timeout", "shed"]);
const ASIDE = new Set(["shadow", "shadow_error"]);
const looks = [];
export const history = { rate: [], failed: [], p50: [], p95: [], p99: [] };

/** Look once more; `history` has the results, the newest last. Null where nothing can be said. */
export async function look() {
  const series = parse(await (await ask("GET", "/metrics")).text());
  const outcome = (passes) => sum(series, REQUESTS, (labels) => passes(labels.outcome));
  looks.push({
    at: performance.now() / 1000,
    requests: outcome((one) => !ASIDE.has(one)),
    failed: outcome((one) => FAILED.has(one)),
    seconds: histogram(series, SECONDS),
    waiting: sum(series, "eyas_waiting_requests"),
  });
  if (looks.length > KEPT) looks.shift();
  note();
}

/** What /metrics has counted in all, and what waits now. */
export function latest() {
  const last = looks.at(-1);
  return { requests: last?.requests ?? 0, failed: last?.failed ?? 0, waiting: last?.waiting ?? 0 };
}

function note() {
  const [before, now] = looks.slice(-2);
  const over = now ? now.at - before.at : 0;
  const rate = (name) => (over > 0 ? Math.max(0, now[name] - before[name]) / over : null);
  const last = looks.at(-1);
  const counts = difference(last.seconds, looks.at(-WINDOW)?.seconds ?? looks[0].seconds);
  const values = { rate: rate("requests"), failed: rate("failed"), p50: quantile(counts, 0.5), p95: quantile(counts, 0.95), p99: quantile(counts, 0.99) };
  for (const [name, value] of Object.entries(values)) {
    history[name].push(value);
    if (history[name].length > KEPT) history[name].shift();
  }
}
