// A small line over time, drawn by hand.

import { s } from "./dom.js";

const WIDE = 240, HIGH = 48, PAD = 3;
const LEAST = 30; // places on the line: few values do not fill it

/**
 * A line over time, the newest on the right; `label` says it in words. Gaps are null. It has at least so many places, and
 * begins at zero or, with `zero: false`, at its smallest value.
 */
export function spark(values, label, { least = LEAST, zero = true } = {}) {
  const known = values.filter((value) => value !== null);
  const low = zero ? 0 : Math.min(...known);
  const range = Math.max(1e-9, Math.max(low, ...known) - low);
  const places = Math.max(values.length, least);
  const step = (WIDE - 2 * PAD) / (places - 1);
  const first = places - values.length;
  const points = values.map((value, at) => (value === null ? null
    : [PAD + (first + at) * step, HIGH - PAD - (HIGH - 2 * PAD) * (value - low) / range]));
  const parts = [];
  for (const point of points) {
    if (point === null) parts.push([]);
    else (parts.at(-1) ?? (parts.push([]), parts.at(-1))).push(point);
  }
  const lines = parts.filter((part) => part.length).map((part) => part.map((point) => point.map(round).join(",")));
  return s("svg", { class: "spark", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    s("line", { class: "base", x1: PAD, x2: WIDE - PAD, y1: HIGH - PAD, y2: HIGH - PAD }),
    lines.map((line) => s("polyline", { points: line.join(" ") })));
}

function round(x) {
  return Math.round(100 * x) / 100;
}
