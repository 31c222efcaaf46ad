// Kept predictions as a gallery of their images.

import { get, ready, storedImage } from "./api.js";
import { barrier, failed } from "./notice.js";
import { badge, h, put } from "./dom.js";
import { moment, percent, t } from "./text.js";

const urls = new Set();

/** Let go of the images that were shown. */
export function forgetImages() {
  for (const url of urls) URL.revokeObjectURL(url);
  urls.clear();
}

/** Fill `place` with the predictions that a query asks for; more behind a button. */
export async function gallery(place, query) {
  if (!ready("GET /predictions")) {
    put(place, barrier("GET /predictions"));
    return;
  }
  place.setAttribute("aria-busy", "true");
  try {
    const page = await get("/predictions", query);
    const list = h("ul", { class: "gallery" }, page.predictions.map(item));
    put(place, page.predictions.length ? list : h("p", { class: "hint" }, t("gallery.none")), more(list, query, page.older));
  } catch (error) {
    put(place, failed(error));
  }
  place.removeAttribute("aria-busy");
}

function more(list, query, older) {
  if (!older) return null;
  const button = h("button", {
    type: "button",
    class: "plain",
    onclick: async () => {
      button.disabled = true;
      try {
        const page = await get("/predictions", { ...query, older });
        list.append(...page.predictions.map(item));
        button.replaceWith(more(list, query, page.older) ?? "");
      } catch (error) {
        button.replaceWith(failed(error));
      }
    },
  }, t("gallery.more"));
  return button;
}

function item(one) {
  const frame = h("div", { class: "frame" });
  if (one.has_image) load(frame, one);
  else put(frame, h("span", { class: "hint" }, t("gallery.noimage")));
  const right = one.true_class === null ? null : one.true_class === one.predicted;
  return h("li", {},
    frame,
    h("p", { class: "strong" }, `${one.label} `, h("span", { class: "hint" }, percent(one.confidence, 0))),
    right !== null && h("p", {}, badge(right ? "good" : "bad", right ? t("gallery.right") : t("gallery.wrong", { label: one.true_label }))),
    one.needs_review && h("p", {}, badge("warn", t("review"))),
    one.unknown && h("p", {}, badge("bad", t("unknown"))),
    h("p", { class: "hint" }, moment(one.time)),
    h("p", { class: "id hint" }, one.id));
}

async function load(frame, one) {
  try {
    const url = await storedImage(one.id);
    urls.add(url);
    put(frame, h("img", { src: url, alt: t("gallery.alt", { label: one.label }), onload: crisp }));
  } catch {
    put(frame, h("span", { class: "hint" }, t("gallery.noimage"))); // it has left the store meanwhile
  }
}

function crisp({ target }) {
  if (target.naturalWidth <= 64) target.classList.add("pixels");
}
