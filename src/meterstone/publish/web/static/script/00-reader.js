// Moments in the reader's own time zone; ⌘K and Ctrl+K lead to the search; a menu closes when left.
function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime*=T]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const near = time.dataset.short !== undefined && moment.toDateString() === today;
    time.title = `${time.dateTime} · ${time.textContent}`;
    time.textContent = near
      ? moment.toLocaleTimeString(undefined, { timeStyle: "short" })
      : moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
}
localTimes(document);

document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
  if (event.key === "Escape") document.querySelector(".more[open]")?.removeAttribute("open");
});

document.addEventListener("click", (event) => {
  const menu = document.querySelector(".more[open]");
  if (menu && !menu.contains(event.target)) menu.removeAttribute("open");
});
