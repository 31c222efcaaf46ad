// Asking again and again, and noticing whether the answer is another.

import { h, put } from "./dom.js";
import { poll } from "./polling.js";
import { t } from "./text.js";

/** An answer other than 200. */
class Failure extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** No answer at all. */
class Gone extends Error {}

/**
 * Ask now and every so many seconds; `heard` gets each answer that is another than the one before. `query()` is called
 * anew each time. What goes wrong stands above the page until it goes well again, or the asking ends. Gives what ends it.
 */
export function follow(seconds, path, query, heard) {
  const mine = {};
  let last = "";
  let ended = false;
  const end = poll(seconds, async () => {
    try {
      const pairs = new URLSearchParams(query());
      const answer = await ask(`live/${path}?${pairs}`);
      if (!answer.ok) throw new Failure(answer.status, (await answer.json()).detail);
      const told = `${pairs} ${answer.headers.get("ETag")}`;
      const found = told === last ? null : await answer.json();
      if (ended) return;
      if (found) {
        document.getElementById("about").textContent = `eyas ${found.version} · ${found.folder}`;
        await heard(found);
      }
      last = told;
      trouble(mine, null);
    } catch (error) {
      if (!ended) trouble(mine, error);
    }
  });
  return () => {
    ended = true;
    end();
    trouble(mine, null);
  };
}

async function ask(address) {
  try {
    return await fetch(address, { cache: "no-cache" });
  } catch {
    throw new Gone();
  }
}

export const picture = (of, { file, version }) => `live/picture?${new URLSearchParams({ of, file, v: version })}`;

const wrong = new Map(); // who asks → what went wrong

/** What stands above the page changes only where the words do: a screen reader reads it out each time. */
function trouble(who, error) {
  if (error) wrong.set(who, error instanceof Failure ? error.message : error instanceof Gone ? t("trouble.gone") : String(error));
  else wrong.delete(who);
  const place = document.getElementById("trouble");
  const texts = [...new Set(wrong.values())];
  if (texts.join("\n") === [...place.children].map((one) => one.textContent).join("\n")) return;
  put(place, texts.map((one) => h("div", { class: "notice bad" }, h("p", {}, one))));
}
