// Sortable tables: a header becomes a button. Without JavaScript the tables read as they are.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const raw = (cell.dataset.value ?? cell.textContent).trim().replace("\u2212", "-");
    const number = Number.parseFloat(raw.replaceAll(",", ""));
    return { raw, number };
  };
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const up = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => ({ row, ...key(row, column) }));
      const numbers = rows.every(({ number }) => !Number.isNaN(number));
      rows.sort((a, b) =>
        numbers ? a.number - b.number : a.raw.localeCompare(b.raw, "en", { numeric: true }));
      if (!up) rows.reverse();
      body.append(...rows.map(({ row }) => row));
    });
  });
}
