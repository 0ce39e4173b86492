// The live stream: parts of a page (data-live, by id) are replaced as they change. A page of the
// past follows nothing. New scorecards make a page fetch itself anew, with the reader's own rights.
const followed = document.querySelector("[data-topics]");
const liveParts = () => document.querySelectorAll("[data-live][id]");
const ofThePast = /[?&](day|known_at)=/.test(location.search);
let stream, seen = followed?.dataset.since ?? "", boardSeen, fetching, deaf, silence = 40;

function show(id, html) {
  const part = document.getElementById(id);
  if (!part || part.dataset.live === undefined) return;
  const next = part.cloneNode(false);
  next.innerHTML = html;
  localTimes(next);
  const folds = part.querySelectorAll("details"); // what the reader unfolded stays so
  next.querySelectorAll("details").forEach((fold, nth) => { fold.open ||= folds[nth]?.open ?? false; });
  if (next.innerHTML === part.innerHTML) return;
  const focused = part.contains(document.activeElement) && document.activeElement;
  const link = focused && focused.getAttribute("href");
  const fold = [...part.querySelectorAll("summary")].indexOf(focused);
  part.replaceChildren(...next.childNodes);
  if (link) part.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
  if (fold >= 0) part.querySelectorAll("summary")[fold]?.focus({ preventScroll: true });
  part.classList.remove("changed");
  void part.offsetWidth; // so that the same animation begins again
  part.classList.add("changed");
}

// after a random while: not everybody at once
function fetchSoon(most) {
  fetching ??= setTimeout(fetchAnew, Math.random() * most);
}

async function fetchAnew() {
  fetching = undefined;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of liveParts()) {
      const next = page.getElementById(part.id);
      if (next) show(part.id, next.innerHTML);
    }
    const foot = page.querySelector(".foot");
    if (foot) { localTimes(foot); document.querySelector(".foot")?.replaceWith(foot); }
  } catch { /* the line is down: the stream says so */ }
}

function heard() {
  document.getElementById("live-lost")?.remove();
  clearTimeout(deaf);
  deaf = setTimeout(lost, silence * 1000);
}

function lost() {
  if (document.getElementById("live-lost")) return;
  const says = document.createElement("p");
  says.id = "live-lost";
  says.className = "banner stale";
  says.setAttribute("role", "status");
  says.textContent = `Not live since ${new Date().toLocaleTimeString(undefined, { timeStyle: "short" })}: what is shown may be over. Trying again; if it stays so, reload the page.`;
  document.getElementById("main")?.prepend(says);
}

function follow() {
  if (stream || document.hidden) return;
  const asked = new URLSearchParams({ topics: followed?.dataset.topics ?? "board", since: seen });
  stream = new EventSource(`/live?${asked}`);
  stream.onopen = heard;
  stream.addEventListener("beat", (event) => { silence = 2.5 * Number(event.data) || silence; heard(); });
  stream.onmessage = (event) => {
    seen = event.lastEventId;
    heard();
    const { board, ...parts } = JSON.parse(event.data);
    if (board !== undefined) {
      if (boardSeen !== undefined && boardSeen !== board) fetchSoon(2000);
      boardSeen = board;
    }
    if (document.querySelector("[data-anew]") && Object.keys(parts).length) fetchSoon(200);
    for (const [id, html] of Object.entries(parts)) show(id, html);
  };
  stream.onerror = () => {
    deaf ??= setTimeout(lost, silence * 1000);
    if (stream?.readyState !== EventSource.CLOSED) return; // it tries again by itself
    rest();
    setTimeout(follow, 5000 + Math.random() * 5000);
  };
}

function rest() {
  stream?.close();
  stream = undefined;
}

if (!ofThePast && liveParts().length) {
  follow();
  // a hidden page follows nothing: browsers have six lines to a host for all pages together
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return follow();
    clearTimeout(deaf);
    deaf = undefined;
    rest();
  });
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
}
