// Words and numbers in the reader's language.

export const LANGUAGES = ["en", "fr"];
const KEPT = "eyas.language";
let words = {};
let language = "en";
let region = "en"; // the browser's own way to write this language's numbers and times
let plural = new Intl.PluralRules("en");

/** The language that was chosen here, else the browser's first that there is, else English. */
export function preferred() {
  const kept = localStorage.getItem(KEPT);
  const wanted = [kept, ...navigator.languages.map((code) => code.slice(0, 2))];
  return wanted.find((code) => LANGUAGES.includes(code)) ?? "en";
}

export async function speak(code, keep = false) {
  const answer = await fetch(`ui/texts/${code}.json`);
  words = await answer.json();
  language = code;
  region = navigator.languages.find((one) => one.slice(0, 2) === code) ?? code;
  plural = new Intl.PluralRules(code);
  if (keep) localStorage.setItem(KEPT, code);
  document.documentElement.lang = code;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
}

/** The text of a key, with {names} filled in. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** As `t`, of `key.one` or `key.other` by the number, which is {n}. */
export function tn(key, n, values = {}) {
  const form = `${key}.${plural.select(n)}`;
  return t(form in words ? form : `${key}.other`, { n: count(n), ...values });
}

export function current() {
  return language;
}

export const number = (x, digits = 2) => format(x, { maximumFractionDigits: digits });
export const count = (x) => format(x, { maximumFractionDigits: 0 });
export const short = (x) => format(x, { notation: "compact", maximumFractionDigits: 1 });

export function percent(x, digits = 1) {
  return format(x, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Seconds as milliseconds below one second. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const [value, unit] = seconds < 1 ? [seconds * 1000, "millisecond"] : [seconds, "second"];
  return format(value, { style: "unit", unit, maximumSignificantDigits: 3 });
}

/** A moment: seconds since 1970, or ISO 8601. */
export function moment(value) {
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  const parts = { dateStyle: "medium", timeStyle: "short" };
  return Number.isNaN(date.getTime()) ? String(value) : new Intl.DateTimeFormat(region, parts).format(date);
}

/** "a, b or c". */
export function either(names) {
  return new Intl.ListFormat(language, { type: "disjunction" }).format(names);
}

function format(x, options) {
  return x === null || x === undefined || Number.isNaN(x) ? "–" : new Intl.NumberFormat(region, options).format(x);
}
