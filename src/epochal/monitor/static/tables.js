// The chosen runs as tables of their last rows.

import { number, title } from "./format.js";
import { element } from "./runs.js";

export class Tables {
  #drawing = false;
  #again = false;

  constructor(box, rows) {
    this.box = box;
    this.rows = rows;
  }

  async draw(chosen, range) {
    if (this.#drawing) {
      this.#again = true;
      return;
    }
    this.#drawing = true;
    do {
      this.#again = false;
      const tables = await Promise.all(chosen.map(({ run }) => this.rows(run.id).then((found) => table(run, found, range), () => null)));
      const scrolled = [...this.box.querySelectorAll(".scroll")].map((node) => [node.scrollLeft, node.scrollTop]);
      this.box.replaceChildren(...tables.filter(Boolean));
      this.box.querySelectorAll(".scroll").forEach((node, i) => scrolled[i] && node.scrollTo(...scrolled[i]));
      await new Promise((done) => setTimeout(done, 1000)); // at most one a second
    } while (this.#again);
    this.#drawing = false;
  }
}

function table(run, { columns, rows }, range) {
  const grid = element("table");
  grid.append(element("caption", { textContent: `${title(run)}: the last rows, latest first` }));
  const batches = rows.some((row) => row[1] !== null);
  const shown = columns.map((_, i) => i).filter((i) => i !== 1 || batches);
  const head = element("tr");
  for (const i of shown) head.append(element("th", { scope: "col", textContent: columns[i] }));
  grid.append(element("thead"));
  grid.tHead.append(head);
  const body = grid.createTBody();
  for (const row of rows) {
    if (range && (row[0] + 1 < range[0] || row[0] > range[1])) continue;
    const line = body.insertRow();
    for (const i of shown) {
      const cell = i === 0 ? element("th", { scope: "row" }) : element("td");
      cell.textContent = i < 2 ? (row[i] ?? "") : row[i] === null ? "" : number(row[i]);
      line.append(cell);
    }
  }
  const scroll = element("div", { className: "scroll", tabIndex: 0 });
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", `Table of ${title(run)}`);
  scroll.append(grid);
  return scroll;
}
