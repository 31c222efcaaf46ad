// Calibration, drawn by hand.

import { h, s } from "./dom.js";
import { percent, t } from "./text.js";

/** Accuracy over confidence: on the diagonal, probabilities mean what they say. */
export function reliability(bins) {
  const side = 220, from = 52, to = (x) => round(from + x * (side - from - 8)), up = (y) => round(side - from - y * (side - from - 8));
  const most = Math.max(...bins.map((bin) => bin.images));
  const ticks = [0, 0.5, 1];
  const label = t("model.reliability.label", { bins: bins.map((bin) => `${percent(bin.confidence, 0)} → ${percent(bin.accuracy, 0)}`).join(", ") });
  return h("figure", { class: "reliability" },
    s("svg", { viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": label },
      s("line", { class: "base", x1: to(0), y1: up(0), x2: to(1), y2: up(1) }),
      ticks.map((x) => [
        s("text", { x: to(x), y: side - from + 16, "text-anchor": x === 1 ? "end" : "middle" }, percent(x, 0)),
        s("text", { x: from - 6, y: up(x) + 4, "text-anchor": "end" }, percent(x, 0)),
        s("line", { class: "grid", x1: to(0), x2: to(1), y1: up(x), y2: up(x) }),
        s("line", { class: "grid", x1: to(x), x2: to(x), y1: up(0), y2: up(1) }),
      ]).flat(),
      bins.map((bin) => s("line", { class: "gap", x1: to(bin.confidence), x2: to(bin.confidence), y1: up(bin.confidence), y2: up(bin.accuracy) })),
      bins.map((bin) => s("circle", { cx: to(bin.confidence), cy: up(bin.accuracy), r: round(3 + 5 * Math.sqrt(bin.images / most)) })),
      s("text", { x: to(0.5), y: side - 4, "text-anchor": "middle" }, t("model.reliability.x"))),
    h("figcaption", { class: "hint" }, t("model.reliability.says")));
}

function round(x) {
  return Math.round(100 * x) / 100;
}
