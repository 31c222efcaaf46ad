// What was measured of a run: metrics of each split, its confusion matrix, the classes that it knows least.

import { h, put, say } from "./dom.js";
import { MOST, matrix, worstPairs } from "./matrix.js";
import { count, number, percent, t, tn } from "./text.js";

const METRICS = [["accuracy", percent], ["top5", percent], ["macro_f1", (x) => number(x, 4)], ["nll", (x) => number(x, 4)], ["ece", percent], ["images", count]];
const LEAST = 5; // classes

/** Null where nothing was measured. */
export function scores(metrics) {
  const splits = Object.keys(metrics).filter((one) => metrics[one] && typeof metrics[one] === "object");
  if (!splits.length) return null;
  const known = METRICS.filter(([name]) => splits.some((split) => name in metrics[split]));
  const cell = (split, name, format) => {
    const found = metrics[split], between = found.intervals?.[name];
    return h("td", { class: "number" }, name in found ? format(found[name]) : "–",
      between && h("span", { class: "hint block" }, t("interval", { low: format(between[0]), high: format(between[1]) })));
  };
  return h("section", { class: "card" }, h("h2", {}, t("run.metrics")),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("run.metrics") }, h("table", {},
      h("thead", {}, h("tr", {}, h("td", {}), known.map(([name]) => h("th", { scope: "col", class: "number" }, t(`metric.${name}`))))),
      h("tbody", {}, splits.map((split) => h("tr", {}, h("th", { scope: "row" }, split), known.map(([name, format]) => cell(split, name, format))))))));
}

/** The matrix of one split's `evaluation.json`, and what it says most. */
export function confusion(split, { confusion: counts, per_class: each }) {
  if (!counts || !each) return null;
  const classes = each.map((one) => one.class);
  const pairs = counts.flatMap((row, truth) => row.map((n, predicted) => [truth, predicted, n])).filter(([, , n]) => n);
  const told = h("p", { class: "behind" });
  const tell = (truth, predicted, n) => {
    const text = tn("matrix.cell", n, { truth: classes[truth], predicted: classes[predicted] });
    put(told, text);
    say(text);
  };
  const worst = [...each].sort((a, b) => a.f1 - b.f1).slice(0, LEAST);
  const wrong = worstPairs(pairs, LEAST);
  return h("section", { class: "card" }, h("h2", {}, t("run.confusion", { split })),
    classes.length > MOST && h("p", { class: "hint" }, t("matrix.worst", { shown: count(MOST), all: count(classes.length) })),
    h("div", { class: "columns" },
      h("div", {}, h("div", { class: "scroll" }, matrix(pairs, classes, tell)), told),
      h("div", {},
        h("h3", {}, t("run.hardest")),
        h("table", {}, h("thead", {}, h("tr", {}, ["class", "recall", "precision", "f1"].map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, t(`class.${name}`))))),
          h("tbody", {}, worst.map((one) => h("tr", {}, h("th", { scope: "row" }, one.class), ["recall", "precision", "f1"].map((name) => h("td", { class: "number" }, number(one[name], 3))))))),
        wrong.length > 0 && h("h3", {}, t("matrix.pairs")),
        wrong.length > 0 && h("ul", {}, wrong.map(([truth, predicted, n]) => h("li", {}, tn("matrix.cell", n, { truth: classes[truth], predicted: classes[predicted] })))))));
}
