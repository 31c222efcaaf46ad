// Try it: images in, answers out.

import { access, ask, ready } from "../parts/api.js";
import { which } from "../parts/choice.js";
import { h, put, say } from "../parts/dom.js";
import { barrier } from "../parts/notice.js";
import { count, t } from "../parts/text.js";
import { answerCard } from "./answer.js";

const AT_ONCE = 3;
const MOST = 50;
const items = []; // newest first; they stay while the tab lives
const waiting = [];
let running = 0;
let list = null;

export function show(root) {
  const taken = access("POST /predict") === "ready";
  list = h("div", { class: "answers" });
  put(
    root,
    h("h1", {}, t("try.title")),
    barrier("POST /predict"),
    taken && dropZone(),
    h("section", { "aria-label": t("try.answers") }, list),
  );
  for (const item of items) list.append(answerCard(item));
  document.addEventListener("paste", paste);
  const stop = taken ? dropAnywhere() : () => {};
  return () => {
    document.removeEventListener("paste", paste);
    stop();
  };
}

function dropZone() {
  const files = h("input", { type: "file", accept: "image/*", multiple: true, class: "quiet", tabindex: "-1", "aria-hidden": "true", onchange: choose });
  const camera = h("input", { type: "file", accept: "image/*", capture: "environment", class: "quiet", tabindex: "-1", "aria-hidden": "true", onchange: choose });
  return h("div", { class: "drop" },
    h("p", { class: "strong" }, t("try.drop")),
    h("p", { class: "hint" }, t("try.paste")),
    h("div", { class: "row" },
      h("button", { type: "button", class: "primary", onclick: () => files.click() }, t("try.choose")),
      h("button", { type: "button", class: "touch", onclick: () => camera.click() }, t("try.camera"))),
    files, camera);
}

function choose({ target }) {
  add([...target.files]);
  target.value = "";
}

function paste(event) {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length && ready("POST /predict")) {
    event.preventDefault();
    add(files);
  }
}

/** Files dropped anywhere on the page. */
function dropAnywhere() {
  const over = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dragging", event.type === "dragover");
    if (event.type === "drop") add([...event.dataTransfer.files]);
  };
  const kinds = ["dragover", "dragleave", "drop"];
  for (const kind of kinds) document.addEventListener(kind, over);
  return () => {
    for (const kind of kinds) document.removeEventListener(kind, over);
  };
}

function add(files) {
  if (files.length > MOST) say(t("try.most", { n: count(MOST) }));
  for (const file of files.slice(0, MOST)) {
    const item = { file, which: which(), answer: null, error: null, told: "", heat: null, redraw: () => {} };
    items.unshift(item);
    list.prepend(answerCard(item));
    waiting.push(item);
  }
  items.splice(MOST);
  while (list.children.length > MOST) list.lastChild.remove();
  while (running < AT_ONCE && waiting.length) next();
}

async function next() {
  const item = waiting.shift();
  if (!item) return;
  running += 1;
  try {
    const type = item.file.type.startsWith("image/") ? item.file.type : "application/octet-stream";
    const answer = await ask("POST", "/predict", { query: item.which, body: item.file, type });
    item.answer = await answer.json();
  } catch (error) {
    item.error = error;
  }
  running -= 1;
  item.redraw();
  next();
}
