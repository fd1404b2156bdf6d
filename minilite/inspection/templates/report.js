"use strict";
(() => {
  const body = document.body;
  const table = document.querySelector("table");
  const rows = [...table.tBodies[0].rows];
  const articles = [...document.querySelectorAll("#details article")];
  const everywhere = (id) => document.querySelectorAll(`[data-row="${id}"]`);

  // The operator whose details are shown: the one in the address, else the worst, else the first.
  function choose(id) {
    const chosen = articles.find((a) => a.id === id);
    if (!chosen) return;
    for (const article of articles) article.hidden = article !== chosen;
    for (const other of document.querySelectorAll(".chosen")) other.classList.remove("chosen");
    for (const place of everywhere(id)) {
      place.classList.add("chosen");
      const scroll = place.closest(".scroll");
      const box = place.getBoundingClientRect();
      const frame = scroll.getBoundingClientRect();
      if (box.top < frame.top + 40 || box.bottom > frame.bottom) {
        scroll.scrollTop += box.top - frame.top - frame.height / 2;
      }
    }
    for (const row of rows) row.toggleAttribute("aria-current", row.dataset.row === id);
  }

  // Chosen by somebody: the address says so, and the page stays where it is unless the details are out of sight.
  function go(id) {
    try {
      history.pushState(null, "", `#${id}`);
    } catch {
      // in a frame without an address of its own
    }
    choose(id);
    const { top } = document.getElementById(id).getBoundingClientRect();
    if (top < 0 || top > innerHeight - 200) document.getElementById(id).scrollIntoView();
  }

  const first = document.querySelector("tr.worst") || rows[0];
  const asked = () => articles.some((a) => a.id === location.hash.slice(1));
  const settle = () => first && choose(asked() ? location.hash.slice(1) : first.dataset.row);
  settle();
  addEventListener("hashchange", settle);
  addEventListener("popstate", settle);
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#op-']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.getAttribute("href").slice(1));
  });

  table.tBodies[0].addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a")) go(row.dataset.row);
  });
  table.tBodies[0].addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    const shown = [...table.tBodies[0].rows].filter((r) => !r.hidden);
    const next = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      go(row.dataset.row);
    } else if (next) {
      const other = shown[shown.indexOf(row) + next];
      if (other) other.focus();
    } else return;
    event.preventDefault();
  });
  // One stop of the tab key for the table; arrows go on from there.
  function stop(row) {
    for (const other of rows) other.tabIndex = other === row ? 0 : -1;
  }
  table.tBodies[0].addEventListener("focusin", (event) => stop(event.target.closest("tr")));
  if (first) stop(first);

  function compare(a, b) {
    if (a === b) return 0;
    if (a === "") return 1;
    if (b === "") return -1;
    const x = Number(a);
    const y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  }
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.v;
      const sign = (a, b) => (down && a !== "" && b !== "" ? -1 : 1);
      rows.sort((a, b) => sign(value(a), value(b)) * compare(value(a), value(b)));
      table.tBodies[0].append(...rows);
    });
  });

  const text = document.getElementById("filter");
  const low = document.getElementById("low");
  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const named = words.every((w) => row.dataset.words.includes(w));
      row.hidden = !named || (low.checked && !row.dataset.low);
    }
    const shown = rows.filter((r) => !r.hidden);
    document.getElementById("count").textContent = `${shown.length} of ${rows.length}`;
    if (shown.length && !shown.some((r) => r.tabIndex === 0)) stop(shown[0]);
  }
  text.addEventListener("input", filter);
  low.addEventListener("change", filter);
  filter();

  for (const button of document.querySelectorAll(".switch button")) {
    button.addEventListener("click", () => {
      body.dataset.by = button.dataset.by;
      for (const other of document.querySelectorAll(".switch button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
    });
  }
  body.classList.add("scripted");
})();
