// The few forms of Markdown that a model card has, as elements: headings, lists, tables, code, paragraphs.

import { h } from "./dom.js";

const INLINE = /(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`)/;

/** Elements for a text; a heading `#` becomes a heading of level `top`. */
export function markdown(text, top = 3) {
  const lines = text.split("\n");
  const made = [];
  while (lines.length) made.push(block(lines, top));
  return made.filter(Boolean);
}

function block(lines, top) {
  const line = lines.shift();
  if (!line.trim()) return null;
  if (line.startsWith("```")) return h("pre", {}, taken(lines, (one) => !one.startsWith("```"), true).join("\n"));
  const heading = /^(#+) (.*)/.exec(line);
  if (heading) return h(`h${Math.min(6, top + heading[1].length - 1)}`, {}, inline(heading[2]));
  if (line.startsWith("- ")) {
    const items = [line, ...taken(lines, (one) => one.startsWith("- "))];
    return h("ul", {}, items.map((one) => h("li", {}, inline(one.slice(2)))));
  }
  if (line.startsWith("|")) return table([line, ...taken(lines, (one) => one.startsWith("|"))]);
  return h("p", {}, inline([line, ...taken(lines, (one) => one.trim() && !/^(#|- |\||```)/.test(one))].join(" ")));
}

function taken(lines, goes, closed = false) {
  const found = [];
  while (lines.length && goes(lines[0])) found.push(lines.shift());
  if (closed) lines.shift();
  return found;
}

function table(lines) {
  const rows = lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const [head, rule, ...body] = rows;
  const numeric = (rule ?? []).map((cell) => cell.endsWith(":"));
  const cells = (tag, row) => row.map((cell, at) => h(tag, { class: numeric[at] ? "number" : null, scope: tag === "th" ? "col" : null }, inline(cell)));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": head.join(", ") },
    h("table", {}, h("thead", {}, h("tr", {}, cells("th", head))), h("tbody", {}, body.map((row) => h("tr", {}, cells("td", row))))));
}

function inline(text) {
  return text.split(INLINE).map((part) => {
    if (part.startsWith("**")) return h("strong", {}, part.slice(2, -2));
    if (part.startsWith("`")) return h("code", {}, part.slice(1, -1));
    if (part.startsWith("*") && part.length > 2) return h("em", {}, part.slice(1, -1));
    return part;
  });
}
