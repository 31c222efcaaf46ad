// From a value of a searched key to a place in [0, 1], and back to marks for an axis.

import { nice } from "./lines.js";
import { plain } from "./words.js";

/** `about`: { choices } or { low, high, log }. Gives { place(value), marks: [[place, text], …] }; null for no value. */
export function scale(about) {
  if (about.choices) {
    const texts = about.choices.map((one) => JSON.stringify(one));
    const at = (index) => (texts.length > 1 ? index / (texts.length - 1) : 0.5);
    return {
      place: (value) => (texts.includes(JSON.stringify(value)) ? at(texts.indexOf(JSON.stringify(value))) : null),
      marks: about.choices.map((one, index) => [at(index), plain(one)]),
    };
  }
  const turn = about.log ? Math.log10 : (x) => x;
  const [low, high] = [turn(about.low), turn(about.high)];
  const place = (value) => (typeof value !== "number" ? null : high > low ? (turn(value) - low) / (high - low) : 0.5);
  const steps = about.log ? [about.low, 10 ** ((low + high) / 2), about.high] : nice(about.low, about.high, 3);
  return { place, marks: steps.filter((x) => place(x) > -0.01 && place(x) < 1.01).map((x) => [place(x), plain(Number(x.toPrecision(2)))]) };
}
