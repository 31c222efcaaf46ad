// The model: what it is, how good, how sure, and what it mistakes for what.

import { get, ready } from "../parts/api.js";
import { which } from "../parts/choice.js";
import { reliability } from "../parts/charts.js";
import { h, put, say } from "../parts/dom.js";
import { forgetImages, gallery } from "../parts/gallery.js";
import { markdown } from "../parts/markdown.js";
import { MOST, matrix, worstPairs } from "../parts/matrix.js";
import { barrier, failed } from "../parts/notice.js";
import { count, moment, number, percent, t, tn } from "../parts/text.js";

const METRICS = [
  ["accuracy", percent], ["top5", percent], ["macro_f1", (x) => number(x, 4)], ["nll", (x) => number(x, 4)], ["ece", percent],
];

export function show(root) {
  const place = h("div", { "aria-busy": "true" }, h("p", { class: "hint" }, t("loading")));
  put(root, h("h1", {}, t("model.title")), place);
  fill(place);
  return forgetImages;
}

async function fill(place) {
  try {
    const [info, card] = await Promise.all([get("/model-info", which()), get("/model-card", which())]);
    put(place,
      h("div", { class: "columns" },
        h("div", { class: "stack" }, facts(info, card), trust(info, card)),
        h("div", { class: "stack" }, scores(info), calibration(card))),
      confusion(info, card),
      h("section", { class: "card" },
        h("details", {}, h("summary", {}, h("h2", {}, t("model.card"))), h("div", { class: "prose", lang: "en" }, markdown(card.card)))));
  } catch (error) {
    put(place, failed(error));
  }
  place.removeAttribute("aria-busy");
}

function facts(info, card) {
  const size = info.preprocessor.target_size.map(String).reverse().join(" × ");
  const rows = [
    ["version", info.version], ["made", moment(info.created)], ["architecture", info.architecture],
    ["framework", info.framework], ["parameters", count(info.num_trainable_params)],
    ["input", t(`model.resize.${info.preprocessor.resize}`, { size, channels: t(`model.channels.${info.preprocessor.channels}`) })],
    ["classes", `${count(info.classes.length)}: ${info.classes.slice(0, 12).join(", ")}${info.classes.length > 12 ? "…" : ""}`],
    ["dataset", `${info.dataset} (${Object.entries(card.dataset_images).map(([split, n]) => `${split} ${count(n)}`).join(", ")})`],
    ["fingerprint", h("code", {}, `${info.dataset_fingerprint.slice(0, 16)}…`)],
  ];
  return h("section", { class: "card" }, h("h2", {}, info.name),
    h("dl", { class: "facts" }, rows.map(([key, value]) => [h("dt", {}, t(`model.${key}`)), h("dd", {}, value)]).flat()));
}

function scores(info) {
  const splits = ["test", "val", ...Object.keys(info.metrics_by_split)].filter((one, at, all) => one in info.metrics_by_split && all.indexOf(one) === at);
  const cell = (split, name, format) => {
    const found = info.metrics_by_split[split];
    if (!(name in found)) return h("td", { class: "number" }, "–");
    const between = found.intervals?.[name];
    return h("td", { class: "number" }, format(found[name]),
      between && h("span", { class: "hint block" }, t("interval", { low: format(between[0]), high: format(between[1]) })));
  };
  return h("section", { class: "card" }, h("h2", {}, t("model.scores")),
    h("table", {},
      h("thead", {}, h("tr", {}, h("td", {}), splits.map((split) => h("th", { scope: "col", class: "number" }, t(`split.${split}`))))),
      h("tbody", {}, METRICS.filter(([name]) => splits.some((split) => name in info.metrics_by_split[split]))
        .map(([name, format]) => h("tr", {}, h("th", { scope: "row" }, t(`metric.${name}`)), splits.map((split) => cell(split, name, format)))))),
    splits.some((split) => info.metrics_by_split[split].intervals) && h("p", { class: "hint" }, t("model.scores.says")));
}

function trust(info, card) {
  return h("section", { class: "card" }, h("h2", {}, t("model.trust")),
    h("ul", {},
      h("li", {}, t("model.temperature", { n: number(info.temperature, 3), images: count(card.calibration_images) })),
      h("li", {}, t("model.coverage", { coverage: percent(info.coverage, 0), threshold: number(info.threshold, 4) })),
      card.coverage_measured !== null && h("li", {}, t("model.measured", { share: percent(card.coverage_measured) })),
      h("li", {}, info.outlier_rate === null ? t("model.nounknown") : t("model.unknown", { rate: percent(info.outlier_rate) }))));
}

function calibration(card) {
  return h("section", { class: "card" }, h("h2", {}, t("model.reliability")),
    card.reliability.length ? reliability(card.reliability) : h("p", { class: "hint" }, t("model.reliability.none")));
}

function confusion(info, card) {
  const place = h("div");
  const images = h("div", { class: "behind" });
  const draw = async (source) => {
    put(images);
    let pairs = card.confusion;
    if (source === "service") {
      put(place, barrier("GET /predictions/confusion"));
      if (!ready("GET /predictions/confusion")) return;
      try {
        pairs = (await get("/predictions/confusion", which())).confusion;
      } catch (error) {
        put(place, failed(error));
        return;
      }
    }
    const total = pairs.reduce((all, [, , n]) => all + n, 0);
    if (!total) {
      put(place, h("p", { class: "hint" }, t(`matrix.none.${source}`)));
      return;
    }
    put(place,
      h("p", { class: "hint" }, tn(`matrix.says.${source}`, total), " ", info.classes.length > MOST && t("matrix.worst", { shown: count(MOST), all: count(info.classes.length) })),
      h("div", { class: "scroll" }, matrix(pairs, info.classes, (truth, predicted, n) => behind(images, info, truth, predicted, n, source))),
      worst(pairs, info));
  };
  const sources = ["held", "service"].map((source) => h("label", { class: "check" },
    h("input", { type: "radio", name: "source", value: source, checked: source === "held", onchange: () => draw(source) }), h("span", {}, t(`matrix.source.${source}`))));
  draw("held");
  return h("section", { class: "card" }, h("h2", {}, t("matrix.title")),
    h("fieldset", { class: "row" }, h("legend", { class: "quiet" }, t("matrix.source")), sources), place, images);
}

function worst(pairs, info) {
  const found = worstPairs(pairs);
  if (!found.length) return null;
  return h("details", {}, h("summary", {}, t("matrix.pairs")), h("ul", {}, found.map(([truth, predicted, n]) => h("li", {}, tn("matrix.cell", n, { truth: info.classes[truth], predicted: info.classes[predicted] })))));
}

async function behind(place, info, truth, predicted, n, source) {
  const names = { truth: info.classes[truth], predicted: info.classes[predicted] };
  const shown = h("div");
  const title = truth === predicted ? t("matrix.behind.right", names) : t("matrix.behind.wrong", names);
  put(place, h("h3", {}, title), source === "held" && h("p", { class: "hint" }, tn("matrix.heldout", n)), shown);
  say(title);
  await gallery(shown, { model: info.name, version: info.version, true: String(truth), predicted: String(predicted) });
}
