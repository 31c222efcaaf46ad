// Doing something again and again, while somebody looks.

/** Do `work` now and every so many seconds while the page is visible; gives what ends it. */
export function poll(seconds, work) {
  let timer = 0;
  let ended = false;
  const turn = async () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") await work();
    clearTimeout(timer);
    if (!ended) timer = setTimeout(turn, 1000 * seconds);
  };
  const woken = () => document.visibilityState === "visible" && turn();
  document.addEventListener("visibilitychange", woken);
  turn();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", woken);
  };
}
