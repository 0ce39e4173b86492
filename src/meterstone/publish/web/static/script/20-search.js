// ⌘K: what /search finds is shown below the field while one types; arrows walk through it.
const searchForm = document.querySelector(".top .search");
const searchField = searchForm?.querySelector("input[type=search]");
const drop = document.createElement("div");
let asking, typed;

const closeDrop = () => drop.remove();

async function lookUp() {
  const wanted = searchField.value.trim();
  asking?.abort();
  if (!wanted) { closeDrop(); return; }
  asking = new AbortController();
  const asked = new URLSearchParams(new FormData(searchForm));
  try {
    const answer = await fetch(`/search?${asked}`, { signal: asking.signal });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("found");
    const says = document.createElement("p");
    says.className = "small";
    says.setAttribute("role", "status");
    says.textContent = page.querySelector("h1")?.textContent ?? "";
    drop.replaceChildren(says, ...(found?.childNodes ?? []));
    searchForm.append(drop);
  } catch { /* asked again before it was answered, or the line is down: Enter still searches */ }
}

if (searchField) {
  drop.className = "drop";
  searchField.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(lookUp, 120); });
  searchForm.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drop.isConnected) { closeDrop(); searchField.focus(); event.preventDefault(); return; }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [searchField, ...drop.querySelectorAll("a")];
    const at = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    if (drop.isConnected && stops[at]) { stops[at].focus(); event.preventDefault(); }
  });
  searchForm.addEventListener("focusout", () => setTimeout(() => { if (!searchForm.contains(document.activeElement)) closeDrop(); }));
}
