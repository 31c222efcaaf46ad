// Addresses within the page: #/run?run=digits-cnn-1

/** The view that the address names, and what stands behind its `?`. */
export function parameters() {
  const [view, query = ""] = location.hash.slice(2).split("?");
  return { view, query: new URLSearchParams(query) };
}

/** An address; a value may be a list. */
export function to(view, values = {}) {
  const pairs = Object.entries(values).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return `#/${view}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`;
}
