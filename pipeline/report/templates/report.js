"use strict";
(() => {
  const plots = [...document.querySelectorAll(".plot")];
  const config = { displayModeBar: false, responsive: true };

  // Plotly does not know the page's colours; they change with the scheme, and in print.
  function template() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line") };
    return {
      layout: {
        font: { color: colour("--text"), family: "system-ui, sans-serif", size: 12 },
        xaxis: axis,
        yaxis: axis,
        shapedefaults: { line: { color: colour("--text") } },
        hoverlabel: { bgcolor: colour("--raised"), bordercolor: colour("--line"), font: { color: colour("--text") } },
      },
    };
  }

  function draw(width) {
    const colours = template();
    for (const plot of plots) {
      const chart = JSON.parse(document.getElementById(plot.dataset.chart).textContent);
      const layout = { ...chart.layout, template: colours, autosize: width === undefined };
      if (width !== undefined) layout.width = width;
      Plotly.react(plot, chart.data, layout, config);
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  matchMedia("print").addEventListener("change", (event) => draw(event.matches ? 640 : undefined));

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
})();
