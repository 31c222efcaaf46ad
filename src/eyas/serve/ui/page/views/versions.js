// The versions of a model: which is live, which could be.

import { post } from "../parts/api.js";
import { badge, h, say } from "../parts/dom.js";
import { confirm } from "../parts/notice.js";
import { moment, t } from "../parts/text.js";

export function versionsTable(model, again) {
  const rows = model.versions.map((one) => h("tr", {},
    h("th", { scope: "row" }, one.version),
    h("td", {}, states(one)),
    h("td", { class: "end" }, !one.live && one.stored && h("button", {
      type: "button",
      "data-act": `live ${model.model} ${one.version}`,
      "aria-label": t("rollout.live.of", { version: one.version }),
      onclick: () => makeLive(model, one.version, again),
    }, t("rollout.live")))));
  return h("div", {},
    h("table", { class: "versions" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("rollout.version")), h("th", { scope: "col" }, t("rollout.state")), h("td", {}))),
      h("tbody", {}, rows)),
    model.since && h("p", { class: "hint" }, t("rollout.since", { version: model.pointer, since: moment(model.since), by: model.by ?? "–" })),
    model.before.length > 0 && h("div", { class: "row" }, h("button", {
      type: "button",
      "data-act": `back ${model.model}`,
      onclick: () => takeBack(model, again),
    }, t("rollout.back", { version: model.before[0] }))));
}

function states(one) {
  return h("span", { class: "badges" },
    one.live && badge("good", t("rollout.islive")),
    one.loaded && !one.live && badge("plain", t("rollout.loaded")),
    one.stored && !one.loaded && badge("plain", t("rollout.stored")),
    !one.stored && badge("warn", t("rollout.notstored")),
    one.refused && badge("bad", t("rollout.refused")),
    one.refused && h("span", { class: "hint", lang: "en" }, one.refused));
}

function makeLive(model, version, again) {
  const says = t("rollout.live.says", { model: model.model, version, live: model.live ?? "–" });
  confirm({ title: t("rollout.live.title"), says, button: t("rollout.live") }, async () => {
    await post(`/admin/models/${encodeURIComponent(model.model)}/live`, { version });
    say(t("rollout.live.done", { version }));
    await again();
  });
}

function takeBack(model, again) {
  const version = model.before[0];
  const says = t("rollout.live.says", { model: model.model, version, live: model.live ?? "–" });
  confirm({ title: t("rollout.back.title"), says, button: t("rollout.back", { version }), danger: true }, async () => {
    await post(`/admin/models/${encodeURIComponent(model.model)}/rollback`);
    say(t("rollout.live.done", { version }));
    await again();
  });
}
