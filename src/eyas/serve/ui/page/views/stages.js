// One rollout: its stages, arms and verdict, the moves that can be made, and those that were.

import { access, post } from "../parts/api.js";
import { interval } from "../parts/bars.js";
import { badge, h, say } from "../parts/dom.js";
import { barrier, confirm } from "../parts/notice.js";
import { count, duration, moment, percent, t } from "../parts/text.js";

const KINDS = { running: "plain", paused: "warn", promoted: "good", "rolled back": "bad", aborted: "bad" };
const VERDICTS = { hold: "plain", advance: "good", promote: "good", "roll back": "bad" };
const MOVES = { running: ["advance", "promote", "pause", "rollback"], paused: ["resume", "promote", "rollback"] };

/** Args: what the monitor says of it now, or null; what the admin endpoint says of the last one, or null. */
export function rolloutPanel(now, last, { model, again }) {
  const status = last?.status ?? now.status;
  return h("div", { class: "rollout" },
    h("p", {}, badge(KINDS[status], t(`status.${status}`)), " ", headline(now, last)),
    stages(now, last),
    now && arms(now),
    now && verdict(now),
    again && moves(status, model, now?.challenger.version ?? last.plan.challenger, again),
    last && past(last));
}

function headline(now, last) {
  const mode = now?.mode ?? last.plan.mode;
  const values = {
    champion: now?.champion.version ?? last.plan.champion,
    challenger: now?.challenger.version ?? last.plan.challenger,
    share: percent(now?.share ?? last.share, 0),
  };
  return t(`mode.${mode}`, values);
}

function stages(now, last) {
  const stage = now?.stage ?? last.stage;
  const shares = last ? last.plan.stages.map((share) => percent(share, 0)) : Array.from({ length: now.stages }, (_, at) => (at + 1 === now.stage ? percent(now.share, 0) : String(at + 1)));
  return h("ol", { class: "stages", "aria-label": t("rollout.stages") }, shares.map((share, at) => h("li", {
    class: at + 1 < stage ? "done" : null,
    "aria-current": at + 1 === stage ? "step" : null,
  }, share)));
}

function arms(now) {
  const rows = [["champion", now.champion], ["challenger", now.challenger]];
  const head = ["arm", "requests", "p95", "p99", "labels"];
  const shadow = now.mode === "shadow";
  const [low, high] = shadow ? now.disagreement : now.loss;
  const bounds = { low: percent(low), high: percent(high) };
  return [
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("rollout.arms") }, h("table", {},
      h("thead", {}, h("tr", {}, head.map((key, at) => h("th", { scope: "col", class: at ? "number" : null }, t(`rollout.${key}`))))),
      h("tbody", {}, rows.map(([key, arm]) => h("tr", {}, h("th", { scope: "row" }, `${t(`rollout.${key}`)} ${arm.version}`),
        [count(arm.requests), duration(arm.p95_seconds), duration(arm.p99_seconds), count(arm.labels)].map((text) => h("td", { class: "number" }, text))))))),
    h("p", {}, t(shadow ? "rollout.disagreement" : "rollout.loss", bounds)),
    interval(low, null, high, shadow ? 0 : -1, 1),
  ];
}

function verdict(now) {
  return h("div", { class: "verdicts" },
    h("p", {}, `${t("rollout.verdict")} `, badge(VERDICTS[now.verdict] ?? "plain", t(`verdict.${now.verdict}`))),
    h("ul", { lang: "en" }, now.reasons.map((reason) => h("li", {}, reason))));
}

function moves(status, model, challenger, again) {
  const known = MOVES[status] ?? [];
  if (!known.length) return null;
  const endpoint = "POST /admin/models/{model}/rollout/pause";
  if (access(endpoint) === "absent") return h("p", { class: "hint" }, t("rollout.bycommand"));
  const blocked = barrier(endpoint);
  if (blocked) return blocked;
  return h("div", { class: "row", role: "group", "aria-label": t("rollout.moves") }, known.map((name) => h("button", {
    type: "button",
    class: name === "promote" ? "primary" : name === "rollback" ? "danger" : null,
    "data-act": `${name} ${model}`,
    onclick: () => ask(name, model, challenger, again),
  }, t(`move.${name}`))));
}

function ask(name, model, challenger, again) {
  const force = name === "promote";
  const more = { reason: true, force, danger: name === "rollback" };
  confirm({ title: t(`move.${name}`), says: t(`move.${name}.says`, { model, challenger }), button: t(`move.${name}`), ...more }, async (why, forced) => {
    await post(`/admin/models/${encodeURIComponent(model)}/rollout/${name}`, force ? { why, force: forced } : { why });
    say(t("move.done", { move: t(`move.${name}`) }));
    await again();
  });
}

function past(last) {
  const lines = [...last.history].reverse().map((one) => h("li", {},
    h("p", {}, badge("plain", t(`move.${one.move}`)), ` ${percent(one.share, 0)} `, h("span", { class: "hint" }, t("rollout.by", { by: one.by, time: moment(one.time) }))),
    one.why.length > 0 && h("p", { lang: "en" }, one.why.join("; "))));
  return h("details", { "data-name": "history" }, h("summary", {}, t("rollout.history")), h("ol", { class: "history" }, lines));
}
