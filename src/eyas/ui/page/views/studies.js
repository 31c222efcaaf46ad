// The list of studies.

import { to } from "../parts/address.js";
import { follow } from "../parts/asking.js";
import { h, put } from "../parts/dom.js";
import { rows } from "../parts/rows.js";
import { count, t } from "../parts/text.js";
import { bar, column, stateBadge, value } from "../parts/words.js";

const EVERY = 1; // seconds

export function show(root) {
  const table = rows({
    caption: t("studies.title"), key: (study) => study.study, sort: "study", empty: t("studies.none"),
    columns: [
      { id: "study", label: t("studies.study"), sort: (one) => one.study, told: (one) => [one.study, one.sampler],
        cell: (one) => [h("a", { class: "strong", href: to("study", { study: one.study }) }, one.study), h("span", { class: "hint block" }, one.sampler ?? "")] },
      { id: "state", label: t("runs.state"), sort: (one) => t(`state.${one.state}`), told: (one) => [one.state, one.cause], cell: (one) => [stateBadge(one.state), one.state === "unreadable" && h("span", { class: "hint block", lang: "en" }, one.cause)] },
      { id: "trials", label: t("studies.configurations"), number: true, sort: (one) => one.configurations,
        cell: (one) => [one.of ? `${count(one.configurations)} / ${count(one.of)}` : count(one.configurations), one.of && bar(one.configurations, one.of, t("runs.done", { run: one.study }))] },
      { id: "running", label: t("state.running"), number: true, sort: (one) => one.running, cell: (one) => count(one.running) },
      { id: "best", label: t("runs.best"), number: true, sort: (one) => one.best?.value ?? null,
        cell: (one) => [h("span", { class: "strong" }, value(one.metric, one.best?.value)), one.metric && h("span", { class: "hint block" }, column(one.metric))] },
    ],
  });
  put(root, h("h1", {}, t("studies.title")), h("div", { class: "card" }, table.element));
  return follow(EVERY, "list", () => ({}), (found) => table.show(found.studies));
}
