// Parallel coordinates: a line a trial across all searched keys and the value that came of it.

import { h, put, s, styled } from "./dom.js";
import { scale } from "./scales.js";
import { t } from "./text.js";
import { value } from "./words.js";

const HIGH = 300, TOP = 40, BOTTOM = 22, SIDE = 56, ALL = 1200, LEAST = 84, MOST = 170;

/**
 * Gives { element, show({ space, metric, trials, shares, best }) }. `trials` have params and a value; `shares` maps a trial
 * to [0, 1], 1 the best.
 */
export function parallel() {
  const element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("study.parallel") });
  return { element, show: (found) => put(element, drawn(found, (element.clientWidth || ALL) - 2 * SIDE)) };
}

function drawn({ space, metric, trials, shares, best }, room) {
  const known = trials.filter((one) => one.value !== null);
  const values = known.map((one) => one.value);
  const axes = [...Object.entries(space).map(([name, about]) => ({ name, ...scale(about), of: (one) => one.params[name] })),
    { name: metric, ...scale({ low: Math.min(...values), high: Math.max(...values) }), of: (one) => one.value, marked: true }];
  const last = axes.at(-1);
  last.marks = [[0, value(metric, Math.min(...values))], [1, value(metric, Math.max(...values))]];
  const apart = Math.floor(Math.min(Math.max(room / (axes.length - 1), LEAST), MOST));
  const width = 2 * SIDE + apart * (axes.length - 1);
  const X = (at) => SIDE + apart * at, Y = (share) => Math.round(10 * (HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * share)) / 10;
  const path = (one) => axes.map((axis, at) => [at, axis.place(axis.of(one))]).filter(([, place]) => place !== null).map(([at, place]) => `${X(at)},${Y(place)}`).join(" ");
  const ordered = [...known].sort((a, b) => shares.get(a.number) - shares.get(b.number));
  const svg = s("svg", { class: "parallel", viewBox: `0 0 ${width} ${HIGH}`, width, height: HIGH, role: "img", "aria-label": t("study.parallel.label", { n: known.length }) });
  put(svg,
    ordered.map((one) => styled(s("polyline", { points: path(one), class: one.number === best ? "best" : null }, s("title", {}, t("study.trial", { n: one.number, value: value(metric, one.value) }))), { "--share": shares.get(one.number) })),
    axes.map((axis, at) => [
      s("line", { class: "axis", x1: X(at), x2: X(at), y1: TOP, y2: HIGH - BOTTOM }),
      s("text", { class: "name", x: X(at), y: at % 2 ? 14 : 28, "text-anchor": "middle" }, axis.name.replace(/^train\./, "")),
      axis.marks.map(([place, text]) => s("text", { x: X(at) + 5, y: Y(place) + 3 }, text)),
    ].flat()).flat());
  return svg;
}
