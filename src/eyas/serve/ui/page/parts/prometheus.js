// What /metrics tells: series by name and labels, and quantiles of histograms over a span of time.

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Prometheus's text format as a list of { name, labels, value }. */
export function parse(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (match) found.push({ name: match[1], labels: labels(match[2] ?? ""), value: Number(match[3]) });
  }
  return found;
}

/** The sum of the series of a name whose labels pass. */
export function sum(series, name, passes = () => true) {
  return series.reduce((all, one) => (one.name === name && passes(one.labels) ? all + one.value : all), 0);
}

/** A histogram's cumulative counts by upper bound, added up over its other labels: [[bound, count], …]. */
export function histogram(series, name, passes = () => true) {
  const counts = new Map();
  for (const one of series) {
    if (one.name === `${name}_bucket` && passes(one.labels)) {
      const bound = one.labels.le === "+Inf" ? Infinity : Number(one.labels.le);
      counts.set(bound, (counts.get(bound) ?? 0) + one.value);
    }
  }
  return [...counts].sort(([a], [b]) => a - b);
}

/** What has come on top between two of them; never below 0, as where a version has left. */
export function difference(now, before) {
  const earlier = new Map(before);
  return now.map(([bound, count]) => [bound, Math.max(0, count - (earlier.get(bound) ?? 0))]);
}

/** The quantile q in (0, 1), linear within its bucket as Prometheus has it; null without observations. */
export function quantile(counts, q) {
  const total = counts.at(-1)?.[1] ?? 0;
  if (!total) return null;
  const rank = q * total;
  const at = counts.findIndex(([, count]) => count >= rank);
  const [bound, count] = counts[at];
  const [below, least] = at ? counts[at - 1] : [0, 0];
  if (bound === Infinity) return below;
  return below + (bound - below) * (rank - least) / (count - least);
}

function labels(text) {
  return Object.fromEntries([...text.matchAll(LABEL)].map(([, name, value]) => [name, value.replace(/\\(.)/g, "$1")]));
}
