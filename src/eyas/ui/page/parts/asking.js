// Asking again and again, and noticing whether the answer is another.

import { h, put } from "./dom.js";
import { poll } from "./polling.js";
import { t } from "./text.js";

/** An answer other than 200. */
export class Failure extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/**
 * Ask now and every so many seconds; `heard` gets each answer that is another than the one before. `query()` is called
 * anew each time. What goes wrong stands above the page until it goes well again. Gives what ends it.
 */
export function follow(seconds, path, query, heard) {
  let last = "";
  return poll(seconds, async () => {
    try {
      const pairs = new URLSearchParams(query());
      const answer = await fetch(`live/${path}?${pairs}`, { cache: "no-cache" });
      if (!answer.ok) throw new Failure(answer.status, (await answer.json()).detail);
      const told = `${pairs} ${answer.headers.get("ETag")}`;
      if (told !== last) {
        const found = await answer.json();
        document.getElementById("about").textContent = `eyas ${found.version} · ${found.folder}`;
        await heard(found);
      }
      last = told;
      trouble(path, null);
    } catch (error) {
      trouble(path, error);
    }
  });
}

export const picture = (of, { file, version }) => `live/picture?${new URLSearchParams({ of, file, v: version })}`;

const wrong = new Map();

function trouble(path, error) {
  const text = error && (error instanceof Failure ? error.message : error instanceof TypeError ? t("trouble.gone") : String(error));
  if ((wrong.get(path) ?? null) === (text ?? null)) return;
  wrong.set(path, text);
  const texts = [...new Set([...wrong.values()].filter(Boolean))];
  put(document.getElementById("trouble"), texts.map((one) => h("div", { class: "notice bad" }, h("p", {}, one))));
}
