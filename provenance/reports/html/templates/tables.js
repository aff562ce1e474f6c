"use strict";
// Sorting and filtering for tables of class "rows". Without this script they are plain tables, and complete.
for (const table of document.querySelectorAll("table.rows")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  if (body.rows.length > 1) {
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sortRows(body, column, head.classList.contains("n"), down);
      });
    });
  }
  if (body.rows.length > 20) {
    const label = document.createElement("label");
    label.className = "filter";
    const field = document.createElement("input");
    field.type = "search";
    label.append(table.dataset.filter + " ", field);
    table.parentElement.before(label);
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      for (const row of body.rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
      }
    });
  }
}

function sortRows(body, column, numeric, down) {
  const keyed = Array.from(body.rows, (row) => {
    const text = row.cells[column].textContent.trim();
    return [numeric ? parseFloat(text.replaceAll(",", "")) : text, row];
  });
  const missing = down ? -Infinity : Infinity;
  keyed.sort(([first], [second]) =>
    numeric
      ? (Number.isNaN(first) ? missing : first) - (Number.isNaN(second) ? missing : second) || 0
      : first.localeCompare(second, undefined, { numeric: true })
  );
  if (down) {
    keyed.reverse();
  }
  body.append(...keyed.map(([, row]) => row));
}
