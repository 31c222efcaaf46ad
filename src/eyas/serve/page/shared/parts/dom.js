// Elements made by function calls: no HTML is ever read from a text.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("p", { class: "hint", onclick: f }, "text", other)`. What is null or false is left out. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An element of SVG. */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Put these in the place of what an element holds. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== false));
  return element;
}

/** A share in [0, 1] of the parent's width, or any other custom property, set without a style attribute. */
export function styled(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value);
  return element;
}

/** A badge: kind is good, warn, bad or plain. */
export function badge(kind, text) {
  return h("span", { class: `badge ${kind}` }, text);
}

/** Tell those who do not see it what has happened. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === false || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
