// One study of `eyas tune` as it goes: the best so far, its trials, what mattered, the configuration to take.

import { to } from "../parts/address.js";
import { follow } from "../parts/asking.js";
import { h, put, styled } from "../parts/dom.js";
import { lines } from "../parts/lines.js";
import { parallel } from "../parts/parallel.js";
import { rows } from "../parts/rows.js";
import { swarm } from "../parts/swarm.js";
import { count, percent, t, tn } from "../parts/text.js";
import { bar, column, copied, mark, plain, quoted, span, stateBadge, value } from "../parts/words.js";
import { pictures } from "./run.js";

const EVERY = 1; // seconds
const DONE = ["complete", "pruned"];

export function show(root, query) {
  const study = query.get("study") ?? "";
  const kept = { token: "", revision: 0, trials: new Map(), parts: {} };
  const status = h("div"), chart = h("div"), table = h("div"), take = h("div"), more = h("div", { class: "stack" }), drawn = h("div", { class: "stack" });
  put(root, h("p", { class: "crumb" }, h("a", { href: to("studies") }, t("nav.studies"))), h("h1", { class: "path" }, study), status,
    h("div", { class: "columns" }, h("section", { class: "card charts one" }, chart), take),
    more, h("section", { class: "card tall" }, h("h2", {}, t("study.trials")), table), drawn);
  return follow(EVERY, "study", () => ({ study, after: kept.revision, token: kept.token }), (found) => {
    if (found.token !== kept.token) kept.trials.clear();
    Object.assign(kept, { token: found.token, revision: found.revision });
    for (const one of found.trials) kept.trials.set(one.number, one);
    const trials = [...kept.trials.values()].sort((a, b) => a.number - b.number);
    put(status, standing(found, trials));
    drawBest(kept, chart, found, trials);
    drawTrials(kept, table, found, trials);
    const told = JSON.stringify([found.best, found.best_yaml]);
    if (told !== kept.parts.told) put(take, best(found));
    kept.parts.told = told;
    drawMore(kept, more, found, trials);
    const files = JSON.stringify(found.pictures);
    if (files !== kept.parts.files) put(drawn, pictures(study, found.pictures));
    kept.parts.files = files;
  });
}

function standing(found, trials) {
  const tile = (label, text, hint) => h("div", { class: "card tile" }, h("p", { class: "hint" }, label), h("p", { class: "big" }, text), hint && h("p", { class: "hint" }, hint));
  const base = trials.find((one) => one.baseline && one.value !== null);
  return [
    h("p", { class: "row" }, stateBadge(found.state), h("span", { class: "hint" }, [found.sampler, found.data, found.rungs.length > 0 && t("study.rungs", { rungs: found.rungs.join(", ") })].filter(Boolean).join(" · "))),
    found.cause && h("div", { class: "notice bad" }, h("p", { lang: "en" }, found.cause)),
    found.source !== "live" && h("div", { class: "notice" }, h("p", {}, t(`study.source.${found.source}`))),
    found.conclusion && found.state === "finished" && h("div", { class: "notice" }, h("p", { lang: "en" }, found.conclusion)),
    found.of !== null && h("div", { class: "wide-bar" }, bar(found.configurations, found.of, t("runs.done", { run: found.study }))),
    h("div", { class: "tiles" },
      tile(t("studies.configurations"), found.of ? `${count(found.configurations)} / ${count(found.of)}` : count(found.configurations), found.minutes && t("study.minutes", { n: found.minutes })),
      tile(t("run.best", { name: column(found.metric) }), value(found.metric, found.best?.value), found.best && t("study.by", { n: found.best.number, epochs: count(found.best.epochs) })),
      base && tile(t("study.baseline"), value(found.metric, base.value)),
      tile(t("state.running"), count(found.running), tn("study.done", found.done))),
  ];
}

/** A step each time a trial ends; the trials themselves beside it would hide it. */
function drawBest(kept, place, found, trials) {
  if (!kept.parts.best) {
    kept.parts.best = lines({ title: t("study.best", { name: column(found.metric) }), across: t("study.ended"), format: (y) => value(found.metric, y), marks: (step) => mark(found.metric, step) });
    put(place, kept.parts.best.element);
  }
  const ended = trials.filter((one) => one.value !== null && DONE.includes(one.state) && one.ended).sort((a, b) => a.ended.localeCompare(b.ended));
  const pick = found.rising ? Math.max : Math.min;
  let best = null;
  const points = ended.map((one, at) => [at + 1, best = best === null ? one.value : pick(best, one.value)]);
  kept.parts.best.show([{ name: t("study.sofar"), points, tone: 0, step: true }, { name: t("study.each"), points: ended.map((one, at) => [at + 1, one.value]), tone: 1, dots: true }]);
}

function drawTrials(kept, place, found, trials) {
  if (!kept.parts.table) {
    const keys = Object.keys(found.space);
    const epochs = (one) => Math.max(one.epochs, 0, ...Object.keys(one.curve).map(Number));
    kept.parts.table = rows({
      caption: t("study.trials"), key: (one) => one.number, sort: "value", rising: !found.rising, empty: t("study.none"),
      columns: [
        { id: "number", label: t("study.number"), number: true, sort: (one) => one.number, told: (one) => [one.number, one.run, one.baseline],
          cell: (one) => [one.run ? h("a", { href: to("run", { run: `${found.study}/runs/${one.run}` }) }, String(one.number)) : String(one.number), one.baseline && h("span", { class: "hint block" }, t("study.baseline"))] },
        { id: "state", label: t("runs.state"), sort: (one) => t(`state.${one.state}`), told: (one) => [one.state, one.cause],
          cell: (one) => [stateBadge(one.state), one.cause && h("span", { class: "hint block", lang: "en" }, one.cause)] },
        { id: "value", label: column(found.metric), number: true, sort: (one) => now(one), told: (one) => now(one), cell: (one) => h("span", { class: "strong" }, value(found.metric, now(one))) },
        { id: "epochs", label: t("study.budget"), number: true, sort: epochs, told: (one) => [epochs(one), one.rung],
          cell: (one) => t("study.epochs", { n: count(epochs(one)), of: count(found.rungs[one.rung] ?? epochs(one)) }) },
        { id: "seconds", label: t("column.seconds"), number: true, sort: (one) => one.seconds, told: (one) => one.seconds, cell: (one) => span(one.seconds) },
        ...keys.map((key) => ({ id: key, label: key.replace(/^train\./, ""), number: !found.space[key].choices, sort: (one) => one.params[key] ?? null, told: (one) => one.params[key] ?? null, cell: (one) => plain(one.params[key]) })),
      ],
    });
    put(place, kept.parts.table.element);
  }
  kept.parts.table.show(trials.filter((one) => one.state !== "withdrawn"));
}

/** Its value, or that of its last epoch so far. */
function now(one) {
  return one.value ?? one.curve[Math.max(...Object.keys(one.curve).map(Number))] ?? null;
}

/** What mattered, where the trials lie: made once, and drawn anew. */
function drawMore(kept, place, found, trials) {
  const known = trials.filter((one) => one.value !== null && DONE.includes(one.state));
  if (known.length < 2) return;
  const importance = found.importance?.shares ?? [];
  const keys = [...new Set([...importance.map((one) => one.key), ...Object.keys(found.space)])].filter((key) => key in found.space);
  const parts = kept.parts;
  if (!parts.mattered) {
    Object.assign(parts, { mattered: h("section", { class: "card" }), swarm: swarm(), parallel: parallel() });
    const flown = trials.some((one) => one.particle !== null);
    put(place,
      h("div", { class: "columns" }, parts.mattered,
        keys.length > 1 && h("section", { class: "card" }, h("h2", {}, t(flown ? "study.swarm" : "study.points")), h("p", { class: "hint" }, t(flown ? "study.swarm.says" : "study.points.says")), parts.swarm.element)),
      h("section", { class: "card" }, h("h2", {}, t("study.parallel")), h("p", { class: "hint" }, t("study.parallel.says")), parts.parallel.element));
  }
  const order = [...known].sort((a, b) => (found.rising ? a.value - b.value : b.value - a.value));
  const shares = new Map(order.map((one, at) => [one.number, order.length > 1 ? at / (order.length - 1) : 1]));
  const numbers = keys.filter((key) => !found.space[key].choices && !found.space[key].when);
  const both = { space: found.space, metric: found.metric, shares };
  parts.mattered.hidden = !importance.length;
  put(parts.mattered, h("h2", {}, t("study.importance")), h("p", { class: "hint" }, t("study.importance.says")), h("ul", { class: "shares" }, importance.map(share)));
  parts.parallel.show({ ...both, trials: known, best: found.best?.number });
  if (keys.length > 1) parts.swarm.show({ ...both, trials, order: [...numbers, ...keys.filter((key) => !numbers.includes(key))] });
}

const share = (one) => h("li", {}, h("code", {}, one.key), styled(h("span", { class: "share", "aria-hidden": "true" }), { "--share": one.median }), h("span", { class: "number" }, percent(one.median, 0)));

function best(found) {
  if (!found.best) return null;
  const own = [`${found.place}/runs/${found.best.run}/config.yaml`, `runs_dir=${found.folder}`, "name=best"]; // while the search goes on
  const text = `eyas train --config ${(found.best_yaml ? [`${found.place}/best.yaml`] : own).map(quoted).join(" ")}`;
  return h("section", { class: "card" }, h("h2", {}, t("study.take")),
    h("dl", { class: "facts" }, Object.entries(found.best.params).flatMap(([key, one]) => [h("dt", {}, key), h("dd", {}, plain(one))])),
    copied(text, t("study.take")),
    found.best_yaml && h("details", {}, h("summary", {}, "best.yaml"), copied(found.best_yaml, "best.yaml")));
}
