// Choosing a class: a menu where there are few, a field that searches where there are many.

import { h } from "./dom.js";

const FEW = 15;
let made = 0;

/** A labelled field; `value()` gives the class, or an empty string where none is chosen. */
export function classPicker(label, classes, chosen = "") {
  const id = `class-${++made}`;
  const field = classes.length <= FEW ? menu(id, classes, chosen) : search(id, classes, chosen);
  const control = field.tagName === "SELECT" ? field : field.firstChild;
  return {
    element: h("div", { class: "field" }, h("label", { for: id }, label), field),
    control,
    value: () => (classes.includes(control.value) ? control.value : ""),
  };
}

function menu(id, classes, chosen) {
  const options = ["", ...classes].map((name) => h("option", { value: name, selected: name === chosen }, name || "–"));
  return h("select", { id }, options);
}

function search(id, classes, chosen) {
  const list = `${id}-list`;
  return h("span", {},
    h("input", { id, list, autocomplete: "off", value: chosen }),
    h("datalist", { id: list }, classes.map((name) => h("option", { value: name }))));
}
