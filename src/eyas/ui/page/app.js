// Start, and from one page to the other by what stands behind # in the address.

import { parameters } from "./parts/address.js";
import { follow } from "./parts/asking.js";
import { h, put } from "./parts/dom.js";
import { current, preferred, speak } from "./parts/text.js";

const VIEWS = ["runs", "studies", "run", "compare", "study"];
const RETRY = 1; // seconds
const PARTS = { run: "runs", compare: "runs", study: "studies" };
const main = document.getElementById("main");
const language = document.getElementById("language");
let leave = () => {};
let turn = 0;

/** The page that the address names, anew; `arrived`: somebody has just come to it. */
async function show(arrived) {
  const { view: asked, query } = parameters();
  const name = VIEWS.includes(asked) ? asked : VIEWS[0];
  const mine = ++turn;
  leave();
  leave = () => {};
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.hash === `#/${PARTS[name] ?? name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = await import(`./views/${name}.js`).catch(() => null);
  if (mine !== turn) return;
  if (!view) { // loaded anew once the server is there: some browsers do not ask again for a script that they did not get
    leave = follow(RETRY, "list", () => ({}), () => location.reload());
    return;
  }
  put(main);
  leave = view.show(main, query);
  document.title = `${main.querySelector("h1")?.textContent ?? ""} · eyas`;
  if (arrived) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

async function start() {
  language.value = preferred();
  await speak(language.value);
  language.addEventListener("change", async () => {
    try {
      await speak(language.value, true);
    } catch {
      language.value = current(); // the view says that the server is gone
      return;
    }
    await show(false);
  });
  window.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#/")) show(true);
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  await show(false);
}

start().catch((error) => put(main, h("div", { class: "notice bad", role: "alert" }, h("p", {}, String(error)))));
