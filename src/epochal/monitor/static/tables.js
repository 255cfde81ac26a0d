// The chosen runs as tables of their last rows. A table is changed in place, so that whoever reads it keeps their place.

import { quantity, title } from "./format.js";
import { element, write } from "./dom.js";

const PERIOD = 1000; // milliseconds between two looks at the rows, at least

export class Tables {
  #tables = new Map(); // run id → {scroll, caption, head, body, shown}
  #wanted = null;
  #drawing = false;

  constructor(box, rows) {
    this.box = box;
    this.rows = rows;
  }

  // What is wanted last is drawn next; at most once a second.
  async draw(chosen, range) {
    this.#wanted = { chosen, range };
    if (this.#drawing) return;
    this.#drawing = true;
    while (this.#wanted) {
      const { chosen, range } = this.#wanted;
      this.#wanted = null;
      const found = await Promise.all(chosen.map(({ run }) => this.rows(run.id, range).catch(() => null)));
      this.#show(chosen.map(({ run }, i) => [run, found[i]]).filter(([, rows]) => rows));
      await new Promise((done) => setTimeout(done, PERIOD));
    }
    this.#drawing = false;
  }

  #show(tables) {
    const ids = new Set(tables.map(([run]) => run.id));
    for (const [id, table] of this.#tables) {
      if (ids.has(id)) continue;
      table.scroll.remove();
      this.#tables.delete(id);
    }
    tables.forEach(([run, rows], place) => {
      const table = this.#tables.get(run.id) || this.#add(run.id);
      if (this.box.children[place] !== table.scroll) this.box.insertBefore(table.scroll, this.box.children[place] || null);
      fill(table, run, rows);
    });
  }

  #add(id) {
    const grid = element("table");
    const caption = grid.createCaption();
    const head = grid.createTHead().insertRow();
    const body = grid.createTBody();
    const scroll = element("div", { className: "scroll", tabIndex: 0 });
    scroll.setAttribute("role", "region");
    scroll.append(grid);
    const table = { scroll, caption, head, body, shown: "" };
    this.#tables.set(id, table);
    return table;
  }
}

function fill(table, run, { columns, rows }) {
  write(table.caption, `${title(run)}: the last rows, latest first`);
  table.scroll.setAttribute("aria-label", `Table of ${title(run)}`);
  const content = JSON.stringify([columns, rows]);
  if (content === table.shown) return;
  table.shown = content;
  const batches = rows.some((row) => row[1] !== null);
  const places = columns.map((_, i) => i).filter((i) => i !== 1 || batches);
  table.head.replaceChildren(...places.map((i) => element("th", { scope: "col", textContent: columns[i] })));
  table.body.replaceChildren(...rows.map((row) => line(row, places, columns)));
}

// Epochs are counted as in the charts and in the list: the first one that is done is 1.
function line(row, places, columns) {
  const cells = [row[0] + 1, ...row.slice(1)];
  const made = element("tr");
  for (const i of places) {
    const cell = i === 0 ? element("th", { scope: "row" }) : element("td");
    cell.textContent = i < 2 ? (cells[i] ?? "") : cells[i] === null ? "" : quantity(cells[i], columns[i]);
    made.append(cell);
  }
  return made;
}
