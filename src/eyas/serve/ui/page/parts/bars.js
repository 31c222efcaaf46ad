// The most probable classes as bars.

import { h, styled } from "./dom.js";
import { percent, t } from "./text.js";

const SHOWN = 5;

/** Indices of the most probable classes, the first one first. */
export function leading(probabilities, most = SHOWN) {
  return [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, most);
}

/** A list of classes with their probabilities; those at least at the threshold are marked as possible. */
export function bars(probabilities, classes, threshold) {
  const rows = leading(probabilities).map((k) => {
    const share = probabilities[k];
    const possible = share >= threshold;
    return h("li", { class: possible ? "possible" : null },
      h("span", { class: "name", title: classes[k] }, classes[k] ?? String(k)),
      h("span", { class: "track", "aria-hidden": "true" },
        styled(h("span", { class: "fill" }), { "--share": share }),
        styled(h("span", { class: "mark" }), { "--share": threshold })),
      h("span", { class: "value" }, percent(share)),
      possible && h("span", { class: "quiet" }, t("try.possible")));
  });
  return h("ol", { class: "bars" }, rows);
}

/** A share with its bounds on a line from 0 to 1, or from `low` to `high`. */
export function interval(lower, value, upper, low = 0, high = 1) {
  const place = (x) => (Math.min(Math.max(x, low), high) - low) / (high - low);
  return h("span", { class: "interval", "aria-hidden": "true" },
    styled(h("span", { class: "range" }), { "--from": place(lower), "--to": place(upper) }),
    value !== null && styled(h("span", { class: "point" }), { "--from": place(value) }),
    low < 0 && styled(h("span", { class: "zero" }), { "--from": place(0) }));
}
