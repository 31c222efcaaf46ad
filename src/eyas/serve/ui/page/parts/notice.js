// Why something is not shown, and what to do about it; the token; failures in words.

import { Failure, access, scopeOf, service, token } from "./api.js";
import { h, put, say } from "./dom.js";
import { t } from "./text.js";

let changed = () => {};

/** `tell` hears when the token has changed. */
export function onToken(tell) {
  changed = tell;
}

/** Nothing where the endpoint may be asked; else a box that says why not. */
export function barrier(endpoint) {
  const state = access(endpoint);
  if (state === "ready") return null;
  const values = { scope: scopeOf(endpoint), port: service().admin_port };
  const asks = state === "token" || state === "scope";
  return h("div", { class: "notice" },
    h("p", {}, t(`access.${state}`, values)),
    asks && h("button", { type: "button", onclick: askToken }, t("token.enter")));
}

/** A failure in a box, what the service said of it in its own English. */
export function failed(error) {
  const known = error instanceof Failure && [400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 504].includes(error.status);
  const key = known ? `failed.${error.status}` : error instanceof Failure ? "failed.other" : "failed.network";
  const text = t(key, { status: error.status ?? "" });
  return h("div", { class: "notice bad" },
    h("p", {}, h("strong", {}, text)),
    error instanceof Failure && h("p", { lang: "en" }, error.message),
    [401, 403].includes(error.status) && service().auth
      && h("button", { type: "button", onclick: askToken }, t("token.enter")));
}

/** The button in the header. */
export function showTokenButton(button) {
  button.hidden = !service().auth;
  button.textContent = token.get() ? t("token.change") : t("token.enter");
}

export function askToken() {
  const field = h("input", { type: "password", id: "token-field", autocomplete: "off", spellcheck: "false", value: token.get() });
  const keep = (text) => {
    token.set(text.trim());
    dialog.close();
    say(t(token.get() ? "token.kept" : "token.gone"));
    changed();
  };
  const dialog = openDialog(
    t("token.title"),
    h("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); keep(field.value); } },
      h("p", {}, t("token.says")),
      h("label", { class: "field", for: "token-field" }, h("span", {}, t("token.field")), field),
      h("div", { class: "row end" },
        h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, t("cancel")),
        token.get() && h("button", { type: "button", class: "plain", onclick: () => keep("") }, t("token.forget")),
        h("button", { class: "primary" }, t("token.use")))),
  );
}

/** Ask before something is done; `act` gets the reason and whether it is forced, and may throw. */
export function confirm({ title, says, button, reason = false, force = false, danger = false }, act) {
  const why = h("textarea", { id: "why", rows: "2", required: true, maxlength: "500" });
  const forced = h("input", { type: "checkbox" });
  const wrong = h("div", { role: "alert" });
  const go = h("button", { class: danger ? "danger" : "primary" }, button);
  const dialog = openDialog(title, h("form", {
    method: "dialog",
    onsubmit: async (event) => {
      event.preventDefault();
      go.disabled = true;
      put(wrong);
      try {
        await act(why.value.trim(), forced.checked);
        dialog.close();
      } catch (error) {
        put(wrong, failed(error));
      }
      go.disabled = false;
    },
  },
  h("p", {}, says),
  reason && h("label", { class: "field", for: "why" }, h("span", {}, t("reason")), why),
  force && h("label", { class: "check" }, forced, h("span", {}, t("force"))),
  wrong,
  h("div", { class: "row end" },
    h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, t("cancel")), go)));
}

function openDialog(title, ...content) {
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => dialog.remove() },
    h("h2", { id: "dialog-title" }, title), content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
