// The service: what there is, who may ask it, and asking.

const KEPT = "eyas.token";
const GUARDED = /^\w+ \/(admin|predictions)\b/;
const TRIES = 3;
let facts = { version: "", auth: false, near: true, admin_port: null, keeps_images: false, endpoints: {} };

/** An answer other than 200. */
export class Failure extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function meet() {
  facts = await (await fetch("ui/service.json")).json();
  return facts;
}

export const service = () => facts;

/** A bearer token, kept for this tab alone. */
export const token = {
  get: () => sessionStorage.getItem(KEPT) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEPT, text) : sessionStorage.removeItem(KEPT)),
  /** What the token says that it is for; null where it does not say. Only the service can tell whether it is good. */
  scopes() {
    try {
      const text = token.get().split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      const claims = JSON.parse(atob(text));
      const said = claims.scope ?? claims.scopes ?? [];
      return typeof said === "string" ? said.split(" ") : said;
    } catch {
      return null;
    }
  },
};

/** Whether an endpoint, "GET /monitor", may be asked: ready, absent, port, far, token or scope. */
export function access(endpoint) {
  if (!(endpoint in facts.endpoints)) return "absent";
  if (endpoint.includes(" /admin/") && facts.admin_port !== null) return "port";
  if (!facts.auth) return GUARDED.test(endpoint) && !facts.near ? "far" : "ready";
  const scope = facts.endpoints[endpoint];
  if (!scope) return "ready";
  if (!token.get()) return "token";
  const scopes = token.scopes();
  return scopes === null || scopes.includes(scope) ? "ready" : "scope";
}

export const ready = (endpoint) => access(endpoint) === "ready";
export const scopeOf = (endpoint) => facts.endpoints[endpoint] ?? "";

/** Ask, and give the Response; where the service is full, again after the wait that it asks for. */
export async function ask(method, path, { query = {}, body, type, accept, signal } = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const url = path.slice(1) + (pairs.length ? `?${new URLSearchParams(pairs)}` : "");
  const headers = {};
  if (type) headers["Content-Type"] = type;
  if (accept) headers.Accept = accept;
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  for (let left = TRIES; ; left -= 1) {
    const answer = await fetch(url, { method, headers, body, signal, cache: "no-store" });
    if (answer.ok) return answer;
    const after = Number(answer.headers.get("Retry-After"));
    if (answer.status !== 503 || !after || left === 1) throw await failure(answer);
    await new Promise((resolve) => setTimeout(resolve, after * 1000));
  }
}

export async function get(path, query, more = {}) {
  return (await ask("GET", path, { query, ...more })).json();
}

export async function post(path, value, query) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  return (await ask("POST", path, { query, body, type: body && "application/json" })).json();
}

/** The image of a prediction as a URL of this tab, which the caller revokes. */
export async function storedImage(id) {
  const answer = await ask("GET", `/predictions/${encodeURIComponent(id)}/image`);
  return URL.createObjectURL(await answer.blob());
}

async function failure(answer) {
  let detail = answer.statusText;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    // no problem+json: a proxy has answered
  }
  return new Failure(answer.status, detail);
}
