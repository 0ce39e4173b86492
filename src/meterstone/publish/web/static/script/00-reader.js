// Moments in the reader's own time zone; ⌘K and Ctrl+K lead to the search; a menu closes when left.
for (const time of document.querySelectorAll("time[datetime*=T]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  time.title = `${time.dateTime} · ${time.textContent}`;
  time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

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
