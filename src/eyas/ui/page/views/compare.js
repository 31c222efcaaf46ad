// Some runs beside each other: one chart, and what their configurations differ in.

import { to } from "../parts/address.js";
import { follow } from "../parts/asking.js";
import { epochsOf } from "../parts/curves.js";
import { h, put } from "../parts/dom.js";
import { lines } from "../parts/lines.js";
import { rows } from "../parts/rows.js";
import { count, t } from "../parts/text.js";
import { column, mark, plain, stateBadge, value } from "../parts/words.js";

const EVERY = 1, SELDOM = 5; // seconds
const MOST = 8;
const NAMES = ["val_loss", "val_accuracy", "loss", "accuracy", "val_macro_f1", "val_ece", "learning_rate"];
const chosen = { name: "val_accuracy" };
const APART = new Set(["name", "runs_dir"]); // tell runs apart, and nothing of what they learn

export function show(root, query) {
  const names = [...new Set(query.getAll("run"))].slice(0, MOST);
  const runs = names.map((name, tone) => ({ name, tone, epochs: epochsOf(name), found: null, values: null }));
  const place = h("div"), table = standing(), difference = h("div");
  let chart = null;
  const draw = () => chart.show(runs.map((run) => ({ name: run.name, tone: run.tone, points: run.epochs.points(chosen.name), link: to("run", { run: run.name }) })));
  const choose = (name) => {
    chosen.name = name;
    chart = lines({ title: column(name), across: t("column.epoch"), format: (y) => value(name, y), marks: (step) => mark(name, step), log: name === "learning_rate" });
    put(place, chart.element);
    draw();
  };
  put(root, h("p", { class: "crumb" }, h("a", { href: to("runs") }, t("nav.runs"))), h("h1", {}, t("compare.title")));
  if (runs.length < 2) {
    root.append(h("p", {}, t("compare.few")));
    return () => {};
  }
  const select = h("select", { onchange: () => choose(select.value) }, NAMES.map((name) => h("option", { value: name, selected: name === chosen.name }, column(name))));
  root.append(
    h("label", { class: "field narrow" }, h("span", {}, t("compare.value")), select),
    h("section", { class: "card charts one" }, place),
    h("section", { class: "card" }, h("h2", {}, t("compare.standing")), table.element),
    h("section", { class: "card" }, h("h2", {}, t("compare.differences")), difference));
  choose(chosen.name);
  const ends = runs.flatMap((run) => [
    follow(EVERY, "run", run.epochs.query, (found) => {
      run.epochs.take(found);
      run.found = found;
      draw();
      table.show(runs.filter((one) => one.found));
    }),
    follow(SELDOM, "about", () => ({ run: run.name }), (found) => {
      run.values = found.values;
      put(difference, differences(runs));
    }),
  ]);
  return () => ends.forEach((end) => end());
}

function standing() {
  const best = ({ found }) => found.best?.[found.monitor] ?? null;
  const accuracy = ({ found }) => found.best?.val_accuracy ?? null;
  return rows({
    caption: t("compare.standing"), key: (run) => run.name, sort: "run", empty: "",
    columns: [
      { id: "run", label: t("runs.run"), sort: (run) => run.name, told: (run) => run.name,
        cell: ({ name, tone }) => [h("span", { class: `line tone-${tone}`, "aria-hidden": "true" }), " ", h("a", { href: to("run", { run: name }) }, name)] },
      { id: "state", label: t("runs.state"), sort: ({ found }) => t(`state.${found.state}`), told: ({ found }) => found.state, cell: ({ found }) => stateBadge(found.state) },
      { id: "epochs", label: t("column.epoch"), number: true, sort: ({ found }) => found.epochs, told: ({ found }) => found.epochs, cell: ({ found }) => `${count(found.epochs)} / ${count(found.of)}` },
      { id: "best", label: t("runs.best"), number: true, sort: best, told: best, cell: (run) => [value(run.found.monitor, best(run)), h("span", { class: "hint block" }, column(run.found.monitor))] },
      { id: "accuracy", label: column("val_accuracy"), number: true, sort: accuracy, told: accuracy, cell: (run) => h("span", { class: "strong" }, value("val_accuracy", accuracy(run))) },
    ],
  });
}

function differences(runs) {
  const known = runs.filter((run) => run.values);
  const keys = [...new Set(known.flatMap((run) => Object.keys(run.values)))].filter((key) => !APART.has(key));
  const differ = keys.filter((key) => new Set(known.map((run) => JSON.stringify(run.values[key]))).size > 1);
  if (!differ.length) return h("p", { class: "hint" }, t("compare.same"));
  const heads = known.map((run) => h("th", { scope: "col" }, h("span", { class: `line tone-${run.tone}`, "aria-hidden": "true" }), " ", run.name));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("compare.differences") },
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("compare.key")), heads)),
      h("tbody", {}, differ.map((key) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, key)),
        known.map((run) => h("td", {}, key in run.values ? plain(run.values[key]) : "–")))))));
}
