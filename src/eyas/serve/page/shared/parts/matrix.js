// A confusion matrix as a grid of buttons: arrow keys move, Enter opens the images behind a cell.

import { h, styled } from "./dom.js";
import { count, t, tn } from "./text.js";

export const MOST = 20; // classes that fit a screen

/** Which classes are shown: all, or those with the most mistakes, in the model's order. */
export function shownClasses(pairs, classes) {
  if (classes.length <= MOST) return [...classes.keys()];
  const wrong = new Map();
  for (const [truth, predicted, images] of pairs) {
    if (truth !== predicted) for (const k of [truth, predicted]) wrong.set(k, (wrong.get(k) ?? 0) + images);
  }
  const worst = [...classes.keys()].sort((a, b) => (wrong.get(b) ?? 0) - (wrong.get(a) ?? 0));
  return worst.slice(0, MOST).sort((a, b) => a - b);
}

/** The grid. `open(truth, predicted, images)` is called with indices of classes and the count of the cell. */
export function matrix(pairs, classes, open) {
  const shown = shownClasses(pairs, classes);
  const counts = new Map(pairs.map(([truth, predicted, images]) => [`${truth} ${predicted}`, images]));
  const totals = new Map();
  for (const [truth, , images] of pairs) totals.set(truth, (totals.get(truth) ?? 0) + images);
  const cell = (truth, predicted) => {
    const images = counts.get(`${truth} ${predicted}`) ?? 0;
    const label = tn("matrix.cell", images, { truth: classes[truth], predicted: classes[predicted] });
    const kind = truth === predicted ? "right" : "wrong";
    const share = images ? images / totals.get(truth) : 0;
    const tone = share > 0.5 ? 0.7 + 0.3 * share : share && 0.08 + 0.6 * share; // never between: text stays legible
    const button = h("button", {
      type: "button",
      class: `${kind} ${share > 0.5 ? "full" : ""}`,
      tabindex: "-1",
      "aria-label": label,
      title: label,
      onclick: () => choose(button, truth, predicted, images),
    }, images ? count(images) : "");
    return h("td", { role: "gridcell" }, styled(button, { "--share": tone }));
  };
  const grid = h("table", { class: "matrix", role: "grid", "aria-label": t("matrix.label") },
    h("thead", {}, h("tr", { role: "row" }, h("td", { class: "corner" }, h("span", {}, t("matrix.corner"))),
      shown.map((k) => h("th", { scope: "col", role: "columnheader", title: classes[k] }, h("span", {}, classes[k]))))),
    h("tbody", {}, shown.map((truth) => h("tr", { role: "row" },
      h("th", { scope: "row", role: "rowheader", title: classes[truth] }, classes[truth]),
      shown.map((predicted) => cell(truth, predicted))))));
  const choose = (button, ...what) => {
    grid.querySelector("[aria-pressed]")?.removeAttribute("aria-pressed");
    button.setAttribute("aria-pressed", "true");
    move(grid, button);
    open(...what);
  };
  grid.querySelector("tbody button").tabIndex = 0;
  grid.addEventListener("keydown", (event) => arrow(grid, event));
  return grid;
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity] };

function arrow(grid, event) {
  const step = STEPS[event.key];
  const button = event.target.closest("td button");
  if (!step || !button) return;
  event.preventDefault();
  const rows = [...grid.tBodies[0].rows].map((row) => [...row.querySelectorAll("button")]);
  const y = rows.findIndex((row) => row.includes(button));
  const within = (value) => Math.min(Math.max(value, 0), rows.length - 1);
  move(grid, rows[within(y + step[0])][within(rows[y].indexOf(button) + step[1])]);
}

function move(grid, button) {
  for (const one of grid.querySelectorAll('button[tabindex="0"]')) one.tabIndex = -1;
  button.tabIndex = 0;
  button.focus();
}

/** The pairs of classes that were most often mistaken, the first one first. */
export function worstPairs(pairs, most = 10) {
  return pairs.filter(([truth, predicted]) => truth !== predicted).sort((a, b) => b[2] - a[2]).slice(0, most);
}
