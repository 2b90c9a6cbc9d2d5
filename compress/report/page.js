// Sortable tables: a header becomes a button. Without JavaScript the tables read as they are.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const raw = (cell.dataset.value ?? cell.textContent).trim().replace("\u2212", "-");
    return { raw, number: Number.parseFloat(raw.replaceAll(",", "")) };
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
      const numbers = rows.every(({ raw, number }) => !raw || !Number.isNaN(number));
      const way = up ? 1 : -1;
      // What was not measured comes last, whichever way.
      rows.sort((a, b) => !a.raw - !b.raw || way * (
        numbers ? a.number - b.number : a.raw.localeCompare(b.raw, "en", { numeric: true })));
      body.append(...rows.map(({ row }) => row));
    });
  });
}
