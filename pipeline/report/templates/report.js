"use strict";
(() => {
  function sort(button) {
    const head = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const numeric = head.classList.contains("number");
    const ascending = head.ariaSort === "none" ? !numeric : head.ariaSort === "descending";
    for (const other of head.parentNode.children) other.ariaSort = "none";
    head.ariaSort = ascending ? "ascending" : "descending";
    const value = (row) => {
      const cell = row.cells[column];
      if (!numeric) return cell.textContent.trim();
      return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
    };
    const compare = (a, b) => {
      if (!numeric) return a.localeCompare(b);
      if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);
      return a - b;
    };
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => {
      // What has no number stays below, whichever way the others go.
      if (numeric && (isNaN(a) || isNaN(b))) return compare(a, b);
      return ascending ? compare(a, b) : compare(b, a);
    });
    body.append(...rows.map(([, row]) => row));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (button) sort(button);
  });

  // 'corpus serve' shows this page too, at whatever port: links to it stay with the one that does.
  if (location.protocol === "http:" && location.pathname === "/report") {
    for (const link of document.querySelectorAll("a.served")) {
      link.href = link.pathname + link.search;
      link.hidden = false;
    }
  }
})();
