// The list of runs: how each stands; some of them chosen to be compared.

import { to } from "../parts/address.js";
import { follow } from "../parts/asking.js";
import { h, put } from "../parts/dom.js";
import { rows } from "../parts/rows.js";
import { spark } from "../parts/spark.js";
import { count, moment, t, tn } from "../parts/text.js";
import { RUN_STATES, bar, column, left, span, stateBadge, value } from "../parts/words.js";

const EVERY = 1; // seconds
const chosen = new Set();
const filter = { words: "", state: "", trials: false };

export function show(root) {
  let told = { runs: [] };
  const table = rows({ caption: t("runs.title"), columns: columns(() => choice()), key: (run) => run.run, sort: "began", rising: false, empty: t("runs.none") });
  const counted = h("p", { class: "hint" });
  const go = h("a", { class: "button", href: to("compare") });
  const state = h("select", { onchange: () => set("state", state.value) },
    ["", ...RUN_STATES].map((one) => h("option", { value: one, selected: one === filter.state }, one ? t(`state.${one}`) : t("runs.every"))));
  const draw = () => {
    const shown = told.runs.filter(passes);
    table.show(shown);
    put(counted, tn("runs.count", shown.length), " · ", tn("runs.running", shown.filter((one) => one.state === "running").length));
    choice();
  };
  const choice = () => {
    const there = [...chosen].filter((one) => told.runs.some((run) => run.run === one));
    go.href = to("compare", { run: there });
    go.textContent = t("runs.compare", { n: count(there.length) });
    go.hidden = there.length < 2;
  };
  const set = (name, to) => {
    filter[name] = to;
    draw();
  };
  put(root,
    h("h1", {}, t("runs.title")),
    h("div", { class: "row filters" },
      h("label", { class: "field grow" }, h("span", {}, t("runs.filter")),
        h("input", { type: "search", value: filter.words, oninput: (event) => set("words", event.target.value) })),
      h("label", { class: "field" }, h("span", {}, t("runs.state")), state),
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: filter.trials, onchange: (event) => set("trials", event.target.checked) }), h("span", {}, t("runs.trials"))),
      go),
    h("div", { class: "card" }, table.element), counted);
  return follow(EVERY, "list", () => ({}), (found) => {
    told = found;
    draw();
  });
}

function passes(run) {
  if (run.study && !filter.trials) return false;
  if (filter.state && run.state !== filter.state) return false;
  const text = `${run.run} ${run.model} ${run.data}`.toLowerCase();
  return filter.words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function columns(choice) {
  const best = (run) => run.best?.[run.monitor] ?? null;
  return [
    {
      id: "chosen", label: "", told: (run) => run.run,
      cell: (run) => h("input", {
        type: "checkbox", checked: chosen.has(run.run), "aria-label": t("runs.choose", { run: run.run }),
        onchange: (event) => { chosen[event.target.checked ? "add" : "delete"](run.run); choice(); },
      }),
    },
    {
      id: "run", label: t("runs.run"), sort: (run) => run.run, told: (run) => [run.run, run.model, run.data, run.parameters],
      cell: (run) => [h("a", { class: "strong", href: to("run", { run: run.run }) }, run.run),
        h("span", { class: "hint block" }, [run.model, run.data, run.parameters && tn("runs.parameters", run.parameters)].filter(Boolean).join(" · "))],
    },
    { id: "state", label: t("runs.state"), sort: (run) => t(`state.${run.state}`), told: (run) => [run.state, run.cause], cell: (run) => [stateBadge(run.state), run.state === "unreadable" && h("span", { class: "hint block", lang: "en" }, run.cause)] },
    {
      id: "epochs", label: t("column.epoch"), sort: (run) => run.epochs, number: true, told: (run) => [run.epochs, run.of],
      cell: (run) => [`${count(run.epochs)} / ${count(run.of)}`, bar(run.epochs, run.of, t("runs.done", { run: run.run }))],
    },
    { id: "left", label: t("runs.left"), sort: left, number: true, told: (run) => span(left(run)), cell: (run) => span(left(run)) },
    {
      id: "best", label: t("runs.best"), sort: best, number: true, told: (run) => [run.best, run.monitor],
      cell: (run) => [value(run.monitor, best(run)), run.best && h("span", { class: "hint block" }, t("runs.at", { name: column(run.monitor), epoch: count(run.best.epoch) }))],
    },
    {
      id: "accuracy", label: column("val_accuracy"), sort: (run) => run.best?.val_accuracy ?? null, number: true, told: (run) => run.best,
      cell: (run) => h("span", { class: "strong" }, value("val_accuracy", run.best?.val_accuracy)),
    },
    {
      id: "curve", label: t("runs.curve"), wide: true, told: (run) => run.spark,
      cell: (run) => (run.spark.length > 1 ? spark(run.spark, t("runs.spark", { name: column(run.monitor) }), { least: 2, zero: false }) : "–"),
    },
    { id: "began", label: t("runs.began"), sort: (run) => Number(new Date(typeof run.began === "number" ? run.began * 1000 : run.began)), number: true, told: (run) => run.began, cell: (run) => h("span", { class: "hint" }, moment(run.began)) },
  ];
}
