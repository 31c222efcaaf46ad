// What a run's state, its times and its values are called.

import { badge, h } from "./dom.js";
import { number, percent, short, t } from "./text.js";

const KINDS = { running: "live", finished: "good", paused: "plain", stopped: "warn", failed: "bad", killed: "bad", elsewhere: "plain", waiting: "plain", unreadable: "bad", complete: "good", pruned: "plain", withdrawn: "plain" };
const SHARES = /accuracy|top5|balanced|ece$/;

/** States that a run may be in. */
export const RUN_STATES = ["running", "finished", "paused", "stopped", "failed", "killed", "elsewhere", "waiting", "unreadable"];

export const stateBadge = (state) => badge(KINDS[state] ?? "plain", t(`state.${state}`));

/** Seconds as a person says them. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 9.95) return `${number(Math.max(0, seconds), 1)} s`;
  const whole = Math.round(seconds);
  const two = (x) => String(x).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
}

/** Seconds until a run has done all its epochs; null where it does not go on. */
export function left(run) {
  if (run.state !== "running" || run.epoch_seconds === null) return null;
  return Math.max(0, run.epoch_seconds * (run.of - run.epochs) - (Date.now() / 1000 - run.written));
}

/** A value of a column: accuracies as percentages, rates with an exponent where they are small. */
export function value(name, x) {
  if (x === null || x === undefined) return "–";
  if (name === "learning_rate") return x !== 0 && x < 0.001 ? Number(x.toPrecision(3)).toExponential() : number(x, 5);
  if (SHARES.test(name)) return percent(x);
  return Math.abs(x) >= 100 ? short(x) : number(x, Math.abs(x) < 0.1 ? 4 : 3);
}

export const column = (name) => t(`column.${name}`);

/** A value on an axis whose marks are so far apart: accuracies without the digits that all of them lack. */
export function mark(name, step) {
  return (y) => (SHARES.test(name) && step >= 0.00999 ? percent(y, 0) : value(name, y));
}

/** Any value of a configuration. */
export function plain(x) {
  if (x === null || x === undefined) return "–";
  if (typeof x === "string") return x;
  if (typeof x !== "number" || Number.isInteger(x)) return JSON.stringify(x);
  const short = Number(x.toPrecision(4));
  return Math.abs(short) < 0.001 ? Number(x.toPrecision(3)).toExponential() : String(short);
}

/** A bar for so many of so many. */
export function bar(done, of, label) {
  return h("progress", { max: Math.max(of, 1), value: Math.min(done, of), "aria-label": label });
}

/** A word of a command, as a shell takes it. */
export function quoted(word) {
  return /^[\w@%+=:,.\/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A text with a button that copies it. */
export function copied(text, label) {
  const button = h("button", {
    type: "button", class: "plain copy",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = t("copied");
      } catch {
        getSelection().selectAllChildren(code); // this browser lets no page write there: the text is chosen instead
      }
    },
  }, t("copy"));
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": label }, text);
  return h("div", { class: "copyable" }, button, code);
}
