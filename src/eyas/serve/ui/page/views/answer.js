// One image and what the model says of it.

import { access, get, post, ready } from "../parts/api.js";
import { bars } from "../parts/bars.js";
import { badge, h, put, say } from "../parts/dom.js";
import { barrier, failed } from "../parts/notice.js";
import { classPicker } from "../parts/picker.js";
import { picture } from "../parts/picture.js";
import { either, percent, t } from "../parts/text.js";
import { heatMap } from "./heat.js";

const known = new Map(); // what /model-info says, by model and version

/** A card that fills itself when its item is answered. */
export function answerCard(item) {
  const frame = h("div", { class: "frame large" });
  const body = h("div", { class: "grow" }, h("p", { class: "hint" }, t("try.waiting")));
  const card = h("article", { class: "card answer" }, frame, body);
  item.redraw = async () => {
    if (item.error) {
      put(body, h("h2", {}, item.file.name || t("try.pasted")), failed(item.error));
      say(t("try.failed", { name: item.file.name }));
      return;
    }
    try {
      const info = await infoOf(item);
      item.picture ??= await picture(item.file, info.preprocessor);
      drawPicture(frame, item);
      put(body, ...told(item, info, frame));
      announce(item);
    } catch (error) {
      put(body, failed(error));
    }
  };
  if (item.answer || item.error) item.redraw();
  return card;
}

/** The model that has answered: its version may be another than the live one by now. */
function infoOf(item) {
  const query = { model: item.which.model, version: item.answer.version };
  const key = JSON.stringify(query);
  if (!known.has(key)) known.set(key, get("/model-info", query).catch(() => get("/model-info", { model: query.model })));
  return known.get(key);
}

function drawPicture(frame, item) {
  if (!item.picture) {
    put(frame, h("span", { class: "hint" }, t("try.nopreview")));
    return;
  }
  item.picture.setAttribute("role", "img");
  item.picture.setAttribute("aria-label", t("try.preview", { name: item.file.name }));
  put(frame, item.picture);
}

function told(item, info, frame) {
  const { answer } = item;
  const probabilities = answer.probabilities[0];
  const possible = info.classes.filter((_, k) => probabilities[k] >= info.threshold);
  const unknown = answer.unknown?.[0] === true;
  const review = answer.needs_review[0];
  return [
    h("p", { class: "hint name" }, item.file.name || t("try.pasted")),
    h("h2", { class: "verdict" }, `${answer.labels[0]} `, h("span", {}, percent(answer.confidence[0]))),
    (review || unknown) && h("div", { class: "doubt" },
      unknown && h("p", {}, badge("bad", t("unknown")), " ", t("try.unknown")),
      review && h("p", {}, badge("warn", t("review")), " ", reviewText(possible, info))),
    bars(probabilities, info.classes, info.threshold),
    feedback(item, info),
    ready("POST /explain") && heatMap(item, info, frame),
    h("details", {}, h("summary", {}, t("try.how")),
      h("p", { class: "hint" }, t("try.calibrated", { threshold: percent(info.threshold), coverage: percent(info.coverage, 0) }))),
    h("p", { class: "id hint" }, t("try.id", { id: answer.id, version: answer.version })),
  ];
}

function reviewText(possible, info) {
  const coverage = percent(info.coverage, 0);
  if (!possible.length) return t("try.review.none", { coverage });
  if (possible.length > 5) return t("try.review.many", { coverage, n: possible.length });
  return t("try.review.some", { coverage, names: either(possible) });
}

function announce({ answer, file }) {
  const doubts = [answer.unknown?.[0] && t("unknown"), answer.needs_review[0] && t("review")].filter(Boolean);
  const text = t("try.said", { name: file.name, label: answer.labels[0], share: percent(answer.confidence[0], 0) });
  say([text, ...doubts].join(". "));
}

/** "Was it right?" Yes at once; for no, the class that it truly is. */
function feedback(item, info) {
  if (access("POST /feedback") === "absent") return null;
  const blocked = barrier("POST /feedback");
  if (blocked) return h("details", {}, h("summary", {}, t("feedback.question")), blocked);
  const place = h("div", { class: "feedback" });
  const picker = classPicker(t("feedback.which"), info.classes, item.told);
  const tell = async (label) => {
    if (!label) {
      picker.control.focus();
      return;
    }
    try {
      await post("/feedback", { id: item.answer.id, label }, item.which);
      item.told = label;
      put(place, thanks());
      say(t("feedback.thanks", { label }));
      place.querySelector("button").focus();
    } catch (error) {
      put(place, failed(error), question());
    }
  };
  const question = () => h("div", { class: "row", role: "group", "aria-label": t("feedback.question") },
    h("span", { class: "strong" }, t("feedback.question")),
    h("button", { type: "button", onclick: () => tell(item.answer.labels[0]) }, t("feedback.yes")),
    h("button", { type: "button", onclick: () => { put(place, correction()); picker.control.focus(); } }, t("feedback.no")));
  const correction = () => h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); tell(picker.value()); } },
    picker.element,
    h("button", { class: "primary" }, t("feedback.send")),
    h("button", { type: "button", class: "plain", onclick: () => put(place, question()) }, t("cancel")));
  const thanks = () => h("div", { class: "row" },
    badge("good", t("feedback.thanks", { label: item.told })),
    h("button", { type: "button", class: "plain", onclick: () => put(place, question()) }, t("feedback.change")));
  return put(place, item.told ? thanks() : question());
}
