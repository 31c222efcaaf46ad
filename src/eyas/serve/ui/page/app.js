// Start, and from one page to the other by what stands behind # in the address.

import { meet, service } from "./parts/api.js";
import { readModels, showChoice } from "./parts/choice.js";
import { put } from "./parts/dom.js";
import { askToken, failed, onToken, showTokenButton } from "./parts/notice.js";
import { preferred, speak, t } from "./parts/text.js";

const VIEWS = ["try", "model", "monitor", "rollout"];
const CHOOSING = ["try", "model"]; // the others show all versions
const main = document.getElementById("main");
const choice = document.getElementById("choice");
const tokenButton = document.getElementById("token");
const language = document.getElementById("language");
let leave = () => {};
let turn = 0;

/** The page that the address names, anew; `arrived`: somebody has just come to it. */
async function show(arrived) {
  const asked = location.hash.slice(2);
  const name = VIEWS.includes(asked) ? asked : VIEWS[0];
  const mine = ++turn;
  leave();
  leave = () => {};
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(`nav.${name}`)} · eyas`;
  showTokenButton(tokenButton);
  try {
    const view = await import(`./views/${name}.js`);
    await readModels(() => show(false));
    if (CHOOSING.includes(name)) showChoice(choice);
    else choice.hidden = true;
    if (mine !== turn) return;
    put(main);
    leave = view.show(main) ?? leave;
  } catch (error) {
    if (mine === turn) put(main, failed(error));
  }
  if (arrived) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

async function start() {
  language.value = preferred();
  await Promise.all([speak(language.value), meet()]);
  document.getElementById("about").textContent = `eyas ${service().version}`;
  language.addEventListener("change", async () => {
    await speak(language.value, true);
    await show(false);
  });
  tokenButton.addEventListener("click", askToken);
  onToken(() => show(false));
  window.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#/")) show(true);
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  await show(false);
}

start().catch((error) => put(main, failed(error)));
