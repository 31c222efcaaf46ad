// Where the trials lie in two of the searched keys; lines join the moves of one particle of the swarm.

import { h, put, s } from "./dom.js";
import { TONES } from "./lines.js";
import { scale } from "./scales.js";
import { t } from "./text.js";
import { value } from "./words.js";

const WIDE = 520, HIGH = 330, LEFT = 64, BOTTOM = 40, TOP = 12, RIGHT = 16;
const chosen = { x: null, y: null };

/** Two menus and the picture. Gives { element, show({ space, metric, trials, shares, order }) }; `order` names the keys. */
export function swarm() {
  const svg = s("svg", { class: "swarm", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
  const menus = h("div", { class: "row" });
  let told = null;
  const menu = (name) => {
    const select = h("select", { onchange: () => { chosen[name] = select.value; render(svg, told); } },
      told.order.map((key) => h("option", { value: key, selected: key === chosen[name] }, key)));
    return h("label", { class: "field" }, h("span", {}, t(`study.${name}`)), select);
  };
  return {
    element: h("div", {}, menus, svg),
    show(found) {
      const first = told === null;
      told = found;
      for (const [name, at] of [["x", 0], ["y", 1]]) if (!found.order.includes(chosen[name])) chosen[name] = found.order[at];
      if (first) put(menus, menu("x"), menu("y"));
      render(svg, found);
    },
  };
}

function render(svg, { space, metric, trials, shares }) {
  const across = scale(space[chosen.x]), up = scale(space[chosen.y]);
  const X = (share) => LEFT + (WIDE - LEFT - RIGHT) * share, Y = (share) => HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * share;
  const placed = trials.filter((one) => one.continues === null)
    .map((one) => ({ one, x: across.place(one.params[chosen.x]), y: up.place(one.params[chosen.y]) }))
    .filter(({ x, y }) => x !== null && y !== null).map((at) => ({ ...at, x: X(at.x), y: Y(at.y) }));
  const flown = new Map();
  for (const move of placed.filter(({ one }) => one.particle !== null)) flown.set(move.one.particle, [...(flown.get(move.one.particle) ?? []), move]);
  svg.setAttribute("aria-label", t("study.swarm.label", { n: placed.length, x: chosen.x, y: chosen.y }));
  put(svg,
    across.marks.map(([place, text]) => [s("line", { class: "grid", x1: X(place), x2: X(place), y1: TOP, y2: HIGH - BOTTOM }), s("text", { x: X(place), y: HIGH - BOTTOM + 16, "text-anchor": "middle" }, text)]).flat(),
    up.marks.map(([place, text]) => [s("line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: Y(place), y2: Y(place) }), s("text", { x: LEFT - 6, y: Y(place) + 4, "text-anchor": "end" }, text)]).flat(),
    s("text", { x: WIDE - RIGHT, y: HIGH - 6, "text-anchor": "end" }, chosen.x),
    [...flown].map(([particle, moves]) => s("g", { class: `tone-${particle % TONES}` }, s("polyline", { class: "path", points: moves.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ") }))),
    placed.map(({ one, x, y }) => s("g", { class: one.particle === null ? "tone-none" : `tone-${one.particle % TONES}` },
      s("circle", { cx: x, cy: y, r: 3 + 7 * (shares.get(one.number) ?? 0), class: one.value === null ? "open" : null },
        s("title", {}, t("study.trial", { n: one.number, value: value(metric, one.value) }))))));
}
