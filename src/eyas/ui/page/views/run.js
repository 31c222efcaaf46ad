// One run as it goes: curves, time left, epochs, and all that its folder says of it.

import { follow, picture } from "../parts/asking.js";
import { to } from "../parts/address.js";
import { charts, epochsOf } from "../parts/curves.js";
import { badge, h, put, say } from "../parts/dom.js";
import { confusion, scores } from "../parts/evaluation.js";
import { count, moment, t, tn } from "../parts/text.js";
import { bar, column, copied, left, quoted, span, stateBadge, value } from "../parts/words.js";

const EVERY = 1, SELDOM = 3; // seconds

export function show(root, query) {
  const run = query.get("run") ?? "";
  const epochs = epochsOf(run), curves = charts();
  const status = h("div"), about = h("div", { class: "stack" }), table = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": t("run.epochs") });
  const seen = { run: null, state: "" };
  const study = /^(.+?)\/(?:runs\/trial-\d+|final\/runs\/.+)$/.exec(run)?.[1];
  put(root,
    h("p", { class: "crumb" }, study ? h("a", { href: to("study", { study }) }, study) : h("a", { href: to("runs") }, t("nav.runs"))),
    h("h1", { class: "path" }, run), status,
    h("section", { class: "card charts" }, curves.elements),
    h("details", { class: "card", ontoggle: () => draw() }, h("summary", {}, h("h2", {}, t("run.epochs"))), table), about);
  const draw = () => {
    if (table.parentElement.open) put(table, epochTable(epochs, seen.run));
  };
  const clock = setInterval(() => seen.run?.state === "running" && put(status, standing(seen.run)), 1000);
  const ends = [
    follow(EVERY, "run", epochs.query, (found) => {
      epochs.take(found);
      if (seen.state && seen.state !== found.state) say(t(`state.${found.state}`));
      Object.assign(seen, { run: found, state: found.state });
      put(status, standing(found));
      document.title = `${found.state === "running" ? `${found.epochs}/${found.of} · ` : ""}${run} · eyas`;
      curves.show(epochs);
      draw();
    }),
    follow(SELDOM, "about", () => ({ run }), (found) => put(about, sections(run, found))),
  ];
  return () => {
    clearInterval(clock);
    for (const end of ends) end();
  };
}

function standing(run) {
  const rest = left(run);
  const tile = (label, text, more) => h("div", { class: "card tile" }, h("p", { class: "hint" }, label), h("p", { class: "big" }, text), more && h("p", { class: "hint" }, more));
  return [
    h("p", { class: "row" }, stateBadge(run.state),
      run.state === "elsewhere" && h("span", {}, t("run.elsewhere", { host: run.host })),
      h("span", { class: "hint" }, [run.model, run.data, run.parameters && tn("runs.parameters", run.parameters), run.precision, run.device, moment(run.began)].filter(Boolean).join(" · "))),
    run.cause && h("div", { class: "notice bad" }, h("p", { lang: "en" }, run.cause)),
    run.state === "killed" && h("div", { class: "notice" }, h("p", {}, t("run.killed"), " ", h("code", {}, `eyas train --resume ${quoted(run.place)}`))),
    h("div", { class: "wide-bar" }, bar(run.epochs, run.of, t("runs.done", { run: run.run }))),
    h("div", { class: "tiles" },
      tile(t("column.epoch"), `${count(run.epochs)} / ${count(run.of)}`, run.epoch_seconds !== null && t("run.each", { time: span(run.epoch_seconds) })),
      run.state === "running" && tile(t("runs.left"), span(rest)),
      run.best && tile(t("run.best", { name: column(run.monitor) }), value(run.monitor, run.best[run.monitor]), t("run.of", { epoch: count(run.best.epoch) })),
      run.best && run.best.val_accuracy !== null && run.monitor !== "val_accuracy" && tile(column("val_accuracy"), value("val_accuracy", run.best.val_accuracy), t("run.of", { epoch: count(run.best.epoch) })),
      run.seconds !== null && tile(t("run.seconds"), span(run.seconds))),
  ];
}

function epochTable(epochs, run) {
  const names = epochs.columns.filter((name, at) => epochs.rows.some((row) => row[at] !== null));
  const place = epochs.columns.indexOf("epoch");
  const cell = (row, name) => (name === "epoch" ? count(row[place]) : name === "seconds" ? span(row[epochs.columns.indexOf(name)]) : value(name, row[epochs.columns.indexOf(name)]));
  return h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col", class: "number" }, column(name))))),
    h("tbody", {}, [...epochs.rows].reverse().map((row) => h("tr", { class: row[place] === run?.best?.epoch ? "best" : null },
      names.map((name) => h(name === "epoch" ? "th" : "td", { class: "number", scope: name === "epoch" ? "row" : null },
          cell(row, name), name === "epoch" && row[place] === run?.best?.epoch && h("span", { class: "quiet" }, t("run.isbest"))))))));
}

function sections(run, found) {
  return [
    warnings(found.check),
    scores(found.metrics),
    Object.entries(found.evaluations).map(([split, one]) => confusion(split, one)),
    found.bundles.length > 0 && h("section", { class: "card" }, h("h2", {}, t("run.bundles")), found.bundles.map((one) => bundle(found.place, one))),
    pictures(run, found.pictures),
    h("details", { class: "card" }, h("summary", {}, h("h2", {}, t("run.config"))), copied(found.config, t("run.config"))),
  ].flat().filter(Boolean);
}

/** Null where nothing is known of the data: an older run. */
function warnings(check) {
  if (!check) return null;
  return h("section", { class: "card" }, h("h2", {}, t("run.check")),
    check.length ? h("ul", {}, check.map((one) => h("li", {}, badge(one.severity === "error" ? "bad" : "warn", one.code), " ",
      h("span", { lang: "en" }, one.message), one.examples.length > 0 && h("span", { class: "hint block" }, one.examples.join(", ")))))
      : h("p", { class: "hint" }, t("run.check.none")));
}

function bundle(place, one) {
  return h("div", {}, h("p", {}, h("strong", {}, `${one.name ?? ""} ${one.version ?? ""}`), " ", h("span", { class: "hint" }, one.created ? moment(one.created) : "")),
    copied(`eyas serve ${quoted(`${place}/${one.folder}`)}`, t("run.bundles")));
}

/** A gallery; each picture opens in a tab of its own. */
export function pictures(of, found) {
  if (!found.length) return null;
  return h("section", { class: "card" }, h("h2", {}, t("run.pictures")),
    h("ul", { class: "pictures" }, found.map((one) => h("li", {}, h("a", { href: picture(of, one), target: "_blank", rel: "noopener" },
      h("img", { src: picture(of, one), alt: one.file, loading: "lazy" }), h("span", { class: "hint block" }, one.file))))));
}

