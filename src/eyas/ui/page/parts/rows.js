// A table that can be sorted, and whose rows stay the same elements while their values change: focus stays where it is.

import { h, put } from "./dom.js";
import { t } from "./text.js";

/**
 * `columns`: [{ id, label, sort(item), cell(item), number, wide }]; without `sort` it cannot be sorted by, `wide` is left
 * out on a phone. `key(item)` tells rows apart. Gives { element, show(items) }.
 */
export function rows({ caption, columns, key, sort, rising = true, empty }) {
  const known = new Map();
  const state = { by: sort, rising, items: [] };
  const body = h("tbody");
  const heads = columns.map((column) => head(column, () => {
    state.rising = state.by === column.id ? !state.rising : !column.number;
    state.by = column.id;
    draw();
  }));
  const none = h("p", { class: "hint" }, empty);
  const table = h("table", { class: "rows" }, h("caption", { class: "quiet" }, caption), h("thead", {}, h("tr", {}, heads)), body);
  const draw = () => {
    columns.forEach((column, at) => heads[at].setAttribute("aria-sort", column.id !== state.by ? "none" : state.rising ? "ascending" : "descending"));
    const by = columns.find((column) => column.id === state.by);
    const order = [...state.items].sort((a, b) => compare(by.sort(a), by.sort(b), state.rising));
    const wanted = order.map((item) => row(known, columns, key(item), item));
    const now = [...body.children];
    if (wanted.length !== now.length || wanted.some((one, at) => one !== now[at])) {
      const focused = document.activeElement;
      put(body, wanted);
      if (body.contains(focused)) focused.focus({ preventScroll: true });
    }
    table.hidden = !wanted.length;
    none.hidden = wanted.length > 0;
  };
  return {
    element: h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table, none),
    show(items) {
      state.items = items;
      draw();
    },
  };
}

function head(column, choose) {
  const content = column.sort ? h("button", { type: "button", class: "sort", onclick: choose }, column.label) : column.label;
  return h("th", { scope: "col", class: `${column.number ? "number" : ""} ${column.wide ? "wide" : ""}` },
    content || h("span", { class: "quiet" }, t("choose")));
}

function row(known, columns, id, item) {
  if (!known.has(id)) {
    const cells = columns.map((column, at) => h(at === (columns[0].sort ? 0 : 1) ? "th" : "td", {
      class: `${column.number ? "number" : ""} ${column.wide ? "wide" : ""}`, scope: at === (columns[0].sort ? 0 : 1) ? "row" : null, "data-label": column.label || null,
    }));
    known.set(id, { element: h("tr", {}, cells), cells, told: [] });
  }
  const found = known.get(id);
  columns.forEach((column, at) => {
    const told = JSON.stringify(column.told ? column.told(item) : item);
    if (found.told[at] === told) return;
    found.told[at] = told;
    put(found.cells[at], [column.cell(item)].flat());
  });
  return found.element;
}

/** What is not known comes last, whichever way. */
function compare(a, b, rising) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return rising ? order : -order;
}
