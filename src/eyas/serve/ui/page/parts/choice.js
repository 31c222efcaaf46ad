// Which model and version is looked at, where there are several.

import { get } from "./api.js";
import { h, put } from "./dom.js";
import { t } from "./text.js";

let models = [];
const chosen = { model: "", version: "" };
let changed = () => {};

/** Read what there is; `tell` hears of each change. */
export async function readModels(tell) {
  changed = tell;
  models = (await get("/models")).models;
  if (!models.some((one) => one.name === chosen.model)) chosen.model = chosen.version = "";
}

/** For the query of a request; empty where there is nothing to choose, so that rollouts deal the requests out. */
export const which = () => ({ ...chosen });

export const model = () => models.find((one) => one.name === chosen.model) ?? models.find((one) => one.default) ?? models[0];
export const version = () => chosen.version || model()?.live || "";

/** The two menus, hidden where each has one entry. */
export function showChoice(place) {
  const versions = model()?.versions ?? [];
  place.hidden = models.length < 2 && versions.length < 2;
  put(
    place,
    models.length > 1 && menu("choice.model", models.map((one) => [one.name, one.name]), model()?.name, (name) => {
      Object.assign(chosen, { model: name, version: "" });
    }, place),
    versions.length > 1 && menu(
      "choice.version",
      [["", t("choice.live", { version: model().live })], ...versions.map((one) => [one, one])],
      chosen.version,
      (one) => { chosen.version = one; },
      place,
    ),
  );
}

function menu(key, options, value, choose, place) {
  const select = h("select", {
    onchange: () => {
      choose(select.value);
      showChoice(place);
      changed();
    },
  }, options.map(([one, text]) => h("option", { value: one, selected: one === value }, text)));
  return h("label", { class: "field inline" }, h("span", {}, t(key)), select);
}
