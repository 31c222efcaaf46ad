// A change that the monitor has found, with predictions that show it.

import { service } from "../parts/api.js";
import { badge, h } from "../parts/dom.js";
import { gallery } from "../parts/gallery.js";
import { count, moment, percent, t } from "../parts/text.js";

export function alarmCard(alarm) {
  const examples = h("div");
  const watch = h("details", {
    ontoggle: () => {
      if (watch.open && !examples.firstChild) {
        gallery(examples, { model: alarm.model, version: alarm.version, id: alarm.examples.join() });
      }
    },
  },
  h("summary", {}, t("alarm.examples", { n: count(alarm.examples.length) })),
  !service().keeps_images && h("p", { class: "hint" }, t("alarm.noimages")),
  examples);
  return h("article", { class: "card alarm" },
    h("h3", {}, badge("bad", t(`alarm.${alarm.kind}`)), ` ${alarm.model} ${alarm.version} `, h("span", { class: "hint" }, moment(alarm.raised))),
    h("p", {}, t(`alarm.${alarm.kind}.says`)),
    h("dl", { class: "facts" },
      h("dt", {}, t("alarm.since")), h("dd", {}, t("alarm.of", { since: count(alarm.since), at: count(alarm.at) })),
      h("dt", {}, t("alarm.streams")), h("dd", {}, alarm.streams.map((one) => stream(one)).join(", ")),
      alarm.outlier_share > 0 && [h("dt", {}, t("alarm.outliers")), h("dd", {}, percent(alarm.outlier_share))]),
    alarm.classes.length > 0 && shares(alarm.classes),
    alarm.examples.length > 0 && watch);
}

function shares(classes) {
  return h("table", {}, h("caption", {}, t("alarm.classes")),
    h("thead", {}, h("tr", {}, ["class", "before", "after"].map((key, at) => h("th", { scope: "col", class: at ? "number" : null }, t(`alarm.${key}`))))),
    h("tbody", {}, classes.slice(0, 8).map((one) => h("tr", {}, h("th", { scope: "row" }, one.label),
      h("td", { class: "number" }, percent(one.before)), h("td", { class: "number" }, percent(one.since))))));
}

/** What is watched, in words: `pixel mean 0` is the brightness of the first channel. */
function stream(name) {
  const pixel = /^(pixel \w+) (\d+)$/.exec(name);
  return pixel ? t(`stream.${pixel[1]}`, { n: count(Number(pixel[2]) + 1) }) : t(`stream.${name}`);
}
