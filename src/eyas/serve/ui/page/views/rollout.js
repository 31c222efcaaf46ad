// Versions and rollouts: what is live, what takes over, and doing something about it.

import { get, ready } from "../parts/api.js";
import { h, put } from "../parts/dom.js";
import { barrier, failed } from "../parts/notice.js";
import { poll } from "../parts/polling.js";
import { count, t } from "../parts/text.js";
import { rolloutPanel } from "./stages.js";
import { versionsTable } from "./versions.js";

const EVERY = 2; // seconds
const LOOK = "GET /admin/models/{model}/rollout";

export function show(root) {
  put(root, h("h1", {}, t("rollout.title")));
  const blocked = barrier("GET /admin/models");
  if (blocked) {
    root.append(blocked);
    if (ready("GET /monitor")) root.append(...onlyLooking());
    return onlyStop(root);
  }
  const trouble = h("div", { role: "alert" });
  const place = h("div");
  root.append(trouble, place);
  return follow(place, trouble);
}

/** Without the admin endpoints: what the monitor says of rollouts. */
function onlyLooking() {
  return [h("div", { class: "watched" })];
}

function onlyStop(root) {
  const place = root.querySelector(".watched");
  if (!place) return () => {};
  return poll(EVERY, async () => {
    try {
      const { rollouts } = await get("/monitor");
      put(place, rollouts.map((one) => rolloutPanel(one, null, {})));
    } catch (error) {
      put(place, failed(error));
    }
  });
}

/** All models, each with its versions and its rollout. */
function follow(place, trouble) {
  const known = new Map(); // the last rollout of each model, once there was one
  let drawn = "";
  const again = async () => {
    try {
      const [state, judged] = await Promise.all([get("/admin/models"), verdicts()]);
      for (const one of judged) known.set(one.model, known.get(one.model) ?? null);
      if (ready(LOOK)) await Promise.all([...known.keys()].map(async (model) => known.set(model, await get(pathOf(model)))));
      const text = JSON.stringify([state, judged, [...known]]);
      if (text !== drawn && !document.querySelector("dialog")) {
        drawn = text;
        redraw(place, state, judged, known, again);
      }
      put(trouble);
    } catch (error) {
      put(trouble, failed(error));
    }
  };
  return poll(EVERY, again);
}

function redraw(place, state, judged, known, again) {
  const focused = document.activeElement?.dataset?.act;
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.name));
  const sections = state.models.map((model) => h("section", { class: "card" },
    h("h2", {}, model.model),
    model.trouble && h("div", { class: "notice bad" }, h("p", { lang: "en" }, model.trouble)),
    versionsTable(model, again),
    h("h3", {}, t("rollout.rollout")),
    ofModel(model.model, judged, known, again)));
  put(place, state.doing && h("p", { class: "notice", role: "status" }, t("rollout.doing", { what: state.doing })), sections, workers(state));
  for (const one of place.querySelectorAll("details")) one.open = open.has(one.dataset.name);
  if (focused) place.querySelector(`[data-act="${CSS.escape(focused)}"]`)?.focus();
}

function ofModel(model, judged, known, again) {
  const now = judged.find((one) => one.model === model) ?? null;
  const last = known.get(model) ?? null;
  if (now || last) return rolloutPanel(now, last, { model, again });
  if (!ready(LOOK)) return h("p", { class: "hint" }, t(ready("GET /monitor") ? "rollout.none" : "rollout.unwatched"));
  const place = h("div", { class: "row" });
  const look = h("button", {
    type: "button",
    class: "plain",
    onclick: async () => {
      try {
        known.set(model, await get(pathOf(model)));
        await again();
      } catch (error) {
        put(place, error.status === 404 ? h("p", { class: "hint" }, t("rollout.never")) : failed(error));
      }
    },
  }, t("rollout.last"));
  return put(place, h("p", { class: "hint" }, t("rollout.none")), look);
}

function workers(state) {
  const pids = state.workers.map((one) => [one.pid, t(`worker.${one.state}`)].join(" ")).join(", ");
  return h("p", { class: "hint" }, t("rollout.workers", { n: count(state.workers.length), pids, repository: state.repository }));
}

async function verdicts() {
  return ready("GET /monitor") ? (await get("/monitor")).rollouts : [];
}

const pathOf = (model) => `/admin/models/${encodeURIComponent(model)}/rollout`;
