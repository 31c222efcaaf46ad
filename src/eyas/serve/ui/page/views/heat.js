// Which parts of an image speak for a class: asked for on demand, and only as good as it says itself.

import { ask, get } from "../parts/api.js";
import { leading } from "../parts/bars.js";
import { badge, h, put, say } from "../parts/dom.js";
import { failed } from "../parts/notice.js";
import { overlaid, strongest } from "../parts/picture.js";
import { number, percent, t } from "../parts/text.js";

const METHODS = ["occlusion", "rise", "lime", "shap"];

/** A panel below an answer; the map is drawn in `frame`, in the place of the picture. */
export function heatMap(item, info, frame) {
  const methods = h("select", {}, METHODS.map((name) => h("option", { value: name }, t(`heat.${name}`))));
  const classes = h("select", {}, leading(item.answer.probabilities[0]).map((k) => h("option", { value: String(k) }, info.classes[k])));
  const result = h("div", { class: "grow" });
  const button = h("button", { class: "primary" }, t("heat.ask"));
  const form = h("form", {
    class: "row",
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      put(result, h("p", { class: "hint" }, t("heat.waiting")));
      try {
        item.heat = await explained(item, methods.value, classes.value);
        draw(item, frame, result);
      } catch (error) {
        put(result, failed(error));
      }
      button.disabled = false;
    },
  },
  h("label", { class: "field" }, h("span", {}, t("heat.class")), classes),
  h("label", { class: "field" }, h("span", {}, t("heat.method")), methods),
  button);
  const panel = h("details", { ontoggle: () => panel.open && offerCam(item, methods) }, h("summary", {}, t("heat.why")), form, result);
  if (item.heat) {
    panel.open = true;
    draw(item, frame, result);
  }
  return panel;
}

/** Networks whose graph gives maps of its own have one method more. */
async function offerCam(item, methods) {
  if (item.cam !== undefined) return;
  item.cam = false;
  try {
    const card = await get("/model-card", { model: item.which.model, version: item.answer.version });
    item.cam = card.outputs.includes("cam");
  } catch {
    return; // the version has left meanwhile; asking for a map will say so
  }
  if (item.cam) methods.append(h("option", { value: "cam" }, t("heat.cam")));
}

async function explained(item, method, index) {
  const query = { model: item.which.model, version: item.answer.version, method, class: index };
  const type = item.file.type.startsWith("image/") ? item.file.type : "application/octet-stream";
  return (await ask("POST", "/explain", { query, body: item.file, type })).json();
}

// null: the time was over before it could be told.
const VERDICTS = new Map([
  [true, { tone: "good", verdict: "heat.good", why: "heat.reliable" }],
  [false, { tone: "bad", verdict: "heat.bad", why: "heat.unreliable" }],
  [null, { tone: "warn", verdict: "heat.unsure", why: "heat.untold" }],
]);

function draw(item, frame, result) {
  const heat = item.heat;
  const where = strongest(heat.map);
  const { tone, verdict, why } = VERDICTS.get(heat.reliable);
  const says = t(why, { p: number(heat.p_value, 3) });
  put(
    result,
    h("p", {}, badge(tone, t(verdict)), " ", says),
    h("p", { class: "legend" }, h("span", { class: "swatch for" }), t("heat.for", { label: heat.label }), h("span", { class: "swatch against" }), t("heat.against")),
    h("p", { class: "hint" }, t("heat.numbers", { label: heat.label, share: percent(heat.probability), deletion: number(heat.deletion), insertion: number(heat.insertion) })),
    item.picture && toggle(item, frame),
  );
  if (item.picture) put(frame, mapped(item, where));
  say(`${t("heat.where", { label: heat.label, where })} ${says}`);
}

function mapped(item, where) {
  const canvas = overlaid(item.picture, item.heat.map);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", t("heat.where", { label: item.heat.label, where }));
  if (!item.heat.reliable) canvas.classList.add("doubtful");
  return canvas;
}

function toggle(item, frame) {
  const box = h("input", {
    type: "checkbox",
    checked: true,
    onchange: () => put(frame, box.checked ? mapped(item, strongest(item.heat.map)) : item.picture),
  });
  return h("label", { class: "check" }, box, h("span", {}, t("heat.show")));
}
