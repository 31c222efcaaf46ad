// Lines over epochs, drawn by hand: axes, a legend that tells the values at the pointer, arrow keys to move it and to have
// them said.

import { h, put, s, say } from "./dom.js";
import { count } from "./text.js";

const WIDE = 20; // times the smallest value: then a logarithmic axis
const HIGH = 230, LEFT = 54, RIGHT = 12, TOP = 10, BOTTOM = 30;
export const TONES = 8;

/**
 * A chart that `show(series)` draws anew. A series: { name, points: [[x, y], …], tone, and of these any: dashed, dots
 * (without a line), step, link }. `format(y)` writes a value, `marks(step)` gives what writes those of the axis, `across`
 * is what x counts, `title` the heading. `log`: where the values span much.
 */
export function lines({ title, across, format, marks = () => format, log = false }) {
  const svg = s("svg", { class: "lines", role: "img", tabindex: "0" });
  const legend = h("ul", { class: "legend" });
  const element = h("figure", { class: "chart" }, h("figcaption", {}, h("h3", {}, title)), legend, svg);
  const state = { series: [], at: null, width: 0 };
  const draw = () => render(svg, legend, state, { title, across, format, marks, log });
  const point = (at) => {
    if (state.at === at) return;
    state.at = at;
    draw();
  };
  svg.addEventListener("pointermove", (event) => point(nearest(svg, state, event)));
  svg.addEventListener("pointerleave", () => point(null));
  svg.addEventListener("blur", () => point(null));
  svg.addEventListener("keydown", (event) => {
    const xs = places(state.series);
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !xs.length) return;
    event.preventDefault();
    const now = state.at === null ? xs.length - 1 : xs.indexOf(state.at);
    point(xs[Math.min(Math.max(now + step, 0), xs.length - 1)]);
    say(`${across} ${count(state.at)}. ${state.series.map((one) => `${one.name}: ${told(one, state.at, format)}`).join("; ")}`);
  });
  new ResizeObserver(() => {
    if (svg.clientWidth && svg.clientWidth !== state.width) {
      state.width = svg.clientWidth;
      draw();
    }
  }).observe(svg);
  return {
    element,
    show(series) {
      state.series = series.map((one) => ({ ...one, points: one.points.filter(([, y]) => y !== null) }));
      draw();
    },
  };
}

const places = (series) => [...new Set(series.flatMap((one) => one.points.map(([x]) => x)))].sort((a, b) => a - b);

function nearest(svg, state, event) {
  const xs = places(state.series);
  if (!xs.length) return null;
  const box = svg.getBoundingClientRect();
  const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
  const x = xs[0] + share * (xs.at(-1) - xs[0]);
  return xs.reduce((best, one) => (Math.abs(one - x) < Math.abs(best - x) ? one : best));
}

function render(svg, legend, state, { title, across, format, marks, log }) {
  const width = state.width || 480;
  const shown = state.series.filter((one) => one.points.length);
  const xs = places(shown);
  const ys = shown.flatMap((one) => one.points.map(([, y]) => y));
  svg.setAttribute("viewBox", `0 0 ${width} ${HIGH}`);
  svg.setAttribute("aria-label", `${title}. ${shown.map((one) => `${one.name}: ${format(one.points.at(-1)[1])}`).join("; ")}`);
  put(legend, state.series.map((one) => item(one, state.at, format)), state.at !== null && h("li", { class: "hint" }, `${across} ${count(state.at)}`));
  if (!xs.length) {
    put(svg);
    return;
  }
  const wide = log && Math.min(...ys) > 0 && Math.max(...ys) > WIDE * Math.min(...ys);
  const scale = wide ? Math.log10 : (y) => y;
  const ticks = wide ? decades(ys) : nice(Math.min(...ys), Math.max(...ys));
  const mark = marks(ticks.length > 1 ? ticks[1] - ticks[0] : 0);
  const low = Math.min(scale(ticks[0]), ...ys.map(scale)), high = Math.max(scale(ticks.at(-1)), ...ys.map(scale));
  const X = (x) => round(LEFT + (width - LEFT - RIGHT) * (xs.length > 1 ? (x - xs[0]) / (xs.at(-1) - xs[0]) : 0.5));
  const Y = (y) => round(HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * (high > low ? (scale(y) - low) / (high - low) : 0.5));
  put(svg,
    ticks.map((y) => [
      s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: Y(y), y2: Y(y) }),
      s("text", { x: LEFT - 6, y: Y(y) + 4, "text-anchor": "end" }, mark(y)),
    ]).flat(),
    whole(xs, Math.max(2, Math.floor(width / 80))).map((x) => s("text", { x: X(x), y: HIGH - BOTTOM + 16, "text-anchor": "middle" }, count(x))),
    s("text", { x: width - RIGHT, y: HIGH - 2, "text-anchor": "end" }, across),
    state.at !== null && s("line", { class: "pointer", x1: X(state.at), x2: X(state.at), y1: TOP, y2: HIGH - BOTTOM }),
    shown.map((one) => s("g", { class: look(one) },
      one.points.length > 1 && !one.dots ? s("polyline", { points: corners(one).map(([x, y]) => `${X(x)},${Y(y)}`).join(" ") }) : null,
      marked(one, state.at).map(([x, y]) => s("circle", { cx: X(x), cy: Y(y), r: 3.5 })))));
}

const look = (one) => `tone-${one.tone % TONES} ${one.dashed ? "dashed" : ""} ${one.dots ? "dots" : ""}`;
const corners = (one) => (one.step ? one.points.flatMap(([x, y], at) => (at ? [[x, one.points[at - 1][1]], [x, y]] : [[x, y]])) : one.points);

function marked(one, at) {
  if (one.dots) return one.points;
  return at === null ? one.points.slice(-1) : one.points.filter(([x]) => x === at);
}

/** The value there; the last one where nobody points. */
function told(one, at, format) {
  const found = at === null ? one.points.at(-1) : one.points.find(([x]) => x === at);
  return found ? format(found[1]) : "–";
}

function item(one, at, format) {
  return h("li", {},
    h("span", { class: `line ${look(one)}`, "aria-hidden": "true" }),
    one.link ? h("a", { href: one.link }, one.name) : h("span", {}, one.name),
    h("span", { class: "strong number" }, told(one, at, format)));
}

/** Round values that span low to high. */
export function nice(low, high, most = 4) {
  if (high - low < 1e-12) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

function decades(ys) {
  const first = Math.floor(Math.log10(Math.min(...ys)) + 1e-9), last = Math.ceil(Math.log10(Math.max(...ys)) - 1e-9);
  return Array.from({ length: Math.max(last - first, 1) + 1 }, (_, at) => 10 ** (first + at));
}

function whole(xs, most) {
  return nice(xs[0], xs.at(-1), most).filter((x) => Number.isInteger(x) && x >= xs[0] && x <= xs.at(-1));
}

const round = (x) => Math.round(10 * x) / 10;
