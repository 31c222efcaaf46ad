// The service as it runs: traffic, latency, drift, accuracy, alarms.

import { get, ready } from "../parts/api.js";
import { interval } from "../parts/bars.js";
import { badge, h, put, say } from "../parts/dom.js";
import { forgetImages } from "../parts/gallery.js";
import { barrier, failed } from "../parts/notice.js";
import { poll } from "../parts/polling.js";
import { spark } from "../parts/spark.js";
import { count, duration, number, percent, t, tn } from "../parts/text.js";
import { history, latest, look } from "../parts/traffic.js";
import { alarmCard } from "./alarm.js";

const EVERY = 2; // seconds
const KINDS = { none: "good", now: "bad", once: "warn", "not watched": "plain" };

export function show(root) {
  const traffic = h("div", { class: "tiles" });
  const versions = h("div");
  const alarms = h("div");
  const store = h("div");
  const trouble = h("div", { role: "alert" });
  const watched = ready("GET /monitor");
  put(root,
    h("h1", {}, t("monitor.title")), trouble,
    h("section", {}, h("h2", {}, t("monitor.traffic")), traffic),
    barrier("GET /monitor"),
    watched && h("section", {}, h("h2", {}, t("monitor.versions")), versions),
    watched && h("section", {}, h("h2", {}, t("monitor.alarms")), alarms),
    watched && h("section", {}, h("h2", {}, t("monitor.store")), store));
  const seen = { alarms: "", known: null };
  const stop = poll(EVERY, async () => {
    try {
      await look();
      put(traffic, tiles());
      if (watched) draw(await get("/monitor"), { versions, alarms, store }, seen);
      if (trouble.firstChild) put(trouble);
    } catch (error) {
      if (!trouble.firstChild) put(trouble, failed(error));
    }
  });
  return () => {
    stop();
    forgetImages();
  };
}

function tiles() {
  const tile = (key, values, format, more = "") => {
    const last = values.at(-1) ?? null;
    const known = values.filter((value) => value !== null);
    const text = last === null ? "–" : format(last);
    const label = t("monitor.spark", { what: t(`monitor.${key}`), now: text, most: known.length ? format(Math.max(...known)) : "–" });
    return h("div", { class: "card tile" }, h("p", { class: "hint" }, t(`monitor.${key}`)), h("p", { class: "big" }, text), spark(values, label), more && h("p", { class: "hint" }, more));
  };
  const { requests, failed: wrong, waiting } = latest();
  return [
    tile("rate", history.rate, (x) => number(x, 1), tn("monitor.all", requests)),
    tile("p50", history.p50, duration),
    tile("p95", history.p95, duration),
    tile("p99", history.p99, duration),
    tile("failed", history.failed, (x) => number(x, 2), t("monitor.wrong", { n: count(wrong), waiting: count(waiting) })),
  ];
}

function draw(status, places, seen) {
  put(places.versions, h("div", { class: "columns versions-now" }, status.versions.map(versionCard)),
    !status.versions.length && h("p", { class: "hint" }, t("monitor.noversions")));
  put(places.store, storeCard(status));
  const found = status.versions.flatMap((one) => one.alarms).sort((a, b) => b.raised.localeCompare(a.raised));
  const key = found.map((one) => `${one.model} ${one.version} ${one.raised} ${one.at}`).join();
  if (key === seen.alarms && places.alarms.firstChild) return;
  if (seen.known !== null && found.length > seen.known) say(t("monitor.newalarm", { kind: t(`alarm.${found[0].kind}`) }));
  Object.assign(seen, { alarms: key, known: found.length });
  forgetImages();
  put(places.alarms, found.map(alarmCard), !found.length && h("p", { class: "hint" }, t("monitor.noalarms")));
}

function versionCard(one) {
  const share = (n) => (one.predictions ? percent(n / one.predictions) : "–");
  const rows = [
    ["predictions", count(one.predictions)],
    ["review", share(one.needs_review)],
    ["unknown", share(one.unknown)],
    ["watched", count(one.watched)],
  ];
  return h("div", { class: "card" },
    h("h3", {}, `${one.model} ${one.version} `, badge(KINDS[one.drift], t(`drift.${one.drift}`))),
    one.why_not && h("p", { class: "hint" }, t("monitor.whynot"), " ", h("span", { lang: "en" }, one.why_not)),
    h("dl", { class: "facts" }, rows.map(([key, value]) => [h("dt", {}, t(`monitor.${key}`)), h("dd", {}, value)]).flat(),
      h("dt", {}, t("monitor.accuracy")), h("dd", {}, accuracy(one.feedback))),
    one.failures > 0 && h("p", {}, badge("warn", tn("monitor.failures", one.failures))));
}

function accuracy(found) {
  if (!found) return t("monitor.nostore");
  if (!found.labels) return t("monitor.nolabels");
  const bounds = { low: percent(found.lower), high: percent(found.upper) };
  return [
    `${percent(found.accuracy)} `, h("span", { class: "hint" }, t("interval", bounds)),
    interval(found.lower, found.accuracy, found.upper),
    h("span", { class: "hint block" }, tn("monitor.labels", found.labels, { confidence: percent(found.confidence, 0) })),
  ];
}

function storeCard({ store, lost }) {
  const dropped = Object.entries(store?.dropped ?? {}).filter(([, n]) => n);
  const rows = store ? [["place", h("code", {}, store.place)], ["written", count(store.written)], ["waiting", count(store.waiting)]] : [];
  return h("div", { class: "card" },
    !store && h("p", { class: "hint" }, t("store.none")),
    h("dl", { class: "facts" }, [...rows, ["lost", count(lost)]].map(([key, value]) => [h("dt", {}, t(`store.${key}`)), h("dd", {}, value)]).flat()),
    dropped.length > 0 && h("p", {}, badge("bad", t("store.dropped", { n: dropped.map(([why, n]) => `${count(n)} (${why})`).join(", ") }))),
    store?.trouble && h("div", { class: "notice bad" }, h("p", {}, t("store.trouble")), h("p", { lang: "en" }, store.trouble)));
}
