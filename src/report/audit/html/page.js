"use strict";
// Sorts the tables and filters the findings. All rows are in the page already: nothing is made of text here but text.
(() => {
  const OUTCOMES = ["denied", "warned", "swapped", "allowed", "dry"];
  const byId = (id) => document.getElementById(id);

  // Numbers are written for people: "1,234", "3 of 40".
  const number = (text) => parseInt(text.replace(/,/g, ""), 10) || 0;
  const outcome = (row) => OUTCOMES.findIndex((name) => row.classList.contains(name));
  const keys = {
    text: (cell) => cell.textContent,
    number: (cell) => number(cell.textContent),
    rank: (cell) => outcome(cell.parentNode) * 4 + ["unsafe", "told", "files"].findIndex((name) => cell.parentNode.classList.contains(name)),
  };

  // Makes a button of every heading that names its order. Rows go back into the groups they came from, as many as were there.
  function sortable(table, sorted) {
    const headings = [...table.tHead.rows[0].cells];
    for (const [column, heading] of headings.entries()) {
      if (!heading.dataset.sort) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        // Numbers begin with the greatest.
        const first = heading.dataset.sort === "number" ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = heading.getAttribute("aria-sort") === first ? other : first;
        headings.forEach((each) => each.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", order);
        sort(table, column, keys[heading.dataset.sort], order === "ascending" ? 1 : -1);
        sorted();
      });
    }
  }

  function sort(table, column, key, sign) {
    const groups = [...table.tBodies];
    const sizes = groups.map((group) => group.rows.length);
    const rows = groups.flatMap((group) => [...group.rows]).map((row, at) => ({ row, at, key: key(row.cells[column]) }));
    // What is equal stays in the order of the page.
    rows.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : a.at - b.at));
    let next = 0;
    groups.forEach((group, index) => {
      const part = rows.slice(next, next + sizes[index]);
      next += sizes[index];
      group.append(...part.map((each) => each.row));
    });
  }

  const findings = document.querySelector(".findings");
  document.querySelectorAll("table").forEach((table) => sortable(table, table === findings ? filter : () => {}));
  if (!findings) return;

  const [filters, namespace, kind, text] = ["filters", "namespace", "outcome", "text"].map(byId);
  const total = [...findings.tBodies].reduce((sum, group) => sum + group.rows.length, 0);
  const groups = [...findings.tBodies];
  // Roughly, in pixels: for groups that were never laid out.
  const HEIGHT = 88;

  // What is asked of a row: read once, since ten thousand of them are asked at each letter.
  const facts = new WeakMap();
  function about(row) {
    let known = facts.get(row);
    if (!known) {
      const name = row.firstChild.nextSibling.textContent;
      known = { namespace: name, words: row.textContent.toLowerCase(), kinds: row.className.split(" ") };
      facts.set(row, known);
    }
    return known;
  }

  function filter() {
    // A list of a thousand options is searched each time that it is asked.
    const [chosen, wantedKind] = [namespace.value, kind.value];
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (it) =>
      (!chosen || it.namespace === chosen) &&
      (!wantedKind || it.kinds.includes(wantedKind)) &&
      wanted.every((word) => it.words.includes(word));
    let all = 0;
    for (const group of groups) {
      let shown = 0;
      for (const row of [...group.rows]) {
        const hidden = !fits(about(row));
        if (row.hidden !== hidden) row.hidden = hidden;
        if (!hidden) shown += 1;
      }
      group.hidden = shown === 0;
      group.style.containIntrinsicBlockSize = `${shown * HEIGHT}px`;
      all += shown;
    }
    const of = all === total ? "" : ` of ${total.toLocaleString("en")}`;
    byId("shown").textContent = `${all.toLocaleString("en")}${of} finding${total === 1 ? "" : "s"}`;
  }

  for (const link of document.querySelectorAll(".namespaces a")) {
    namespace.add(new Option(link.textContent, link.textContent));
    link.addEventListener("click", (event) => {
      // Who wants it in another tab or window gets what the browser does.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      namespace.value = link.textContent;
      filter();
      byId("findings").focus();
      filters.scrollIntoView();
    });
  }
  const options = [...namespace.options];
  namespace.append(...options.slice(1).sort((a, b) => (a.value < b.value ? -1 : 1)));
  namespace.value = "";

  let waits = false;
  text.addEventListener("input", () => {
    if (!waits) requestAnimationFrame(() => { waits = false; filter(); });
    waits = true;
  });
  namespace.addEventListener("change", filter);
  kind.addEventListener("change", filter);
  byId("all").addEventListener("click", () => {
    namespace.value = kind.value = text.value = "";
    filter();
    text.focus();
  });
  filters.hidden = false;

  // The first search need not wait for all of this.
  function prepare(rows, deadline) {
    let each;
    do {
      each = rows.next();
      if (!each.done) about(each.value);
    } while (!each.done && deadline.timeRemaining() > 2);
    if (!each.done) requestIdleCallback((later) => prepare(rows, later));
  }
  if (window.requestIdleCallback) {
    const rows = findings.querySelectorAll("tbody tr").values();
    requestIdleCallback((deadline) => prepare(rows, deadline));
  }
})();
