// The list of runs. Rows are changed in place, so that whoever has the focus keeps it.

import { age, number, progress, state, title } from "./format.js";

const SHOWN_VALUES = 4;

export class RunList {
  #rows = new Map();

  constructor(list, { choose, remove }) {
    this.list = list;
    this.choose = choose;
    this.remove = remove;
  }

  draw(runs, chosen, now, colour) {
    for (const [id, row] of this.#rows) {
      if (!runs.has(id)) {
        row.item.remove();
        this.#rows.delete(id);
      }
    }
    const latestFirst = [...runs.values()].sort((a, b) => b.started - a.started);
    latestFirst.forEach((run, place) => {
      const row = this.#rows.get(run.id) || this.#add(run.id);
      if (this.list.children[place] !== row.item) this.list.insertBefore(row.item, this.list.children[place] || null);
      this.#fill(row, run, chosen.includes(run.id), now, colour(run.id));
    });
  }

  #add(id) {
    const row = {
      item: element("li"),
      box: element("input", { type: "checkbox" }),
      swatch: element("span", { className: "swatch" }),
      name: element("span", { className: "name" }),
      state: element("span", { className: "state" }),
      facts: element("span", { className: "facts" }),
      values: element("span", { className: "values" }),
      csv: element("a", { textContent: "CSV", href: `/api/runs/${encodeURIComponent(id)}/rows.csv`, download: "" }),
      gone: element("button", { type: "button", textContent: "Delete" }),
    };
    const label = element("label");
    label.append(row.box, row.swatch, row.name, row.state, row.facts, row.values);
    const actions = element("div", { className: "actions" });
    actions.append(row.csv, row.gone);
    row.item.append(label, actions);
    row.box.addEventListener("change", () => this.choose(id, row.box.checked));
    row.gone.addEventListener("click", () => this.remove(id));
    this.#rows.set(id, row);
    return row;
  }

  #fill(row, run, chosen, now, colour) {
    const shown = state(run, now);
    row.box.checked = chosen;
    row.item.dataset.chosen = chosen;
    row.swatch.style.setProperty("--colour", chosen ? colour : "transparent");
    write(row.name, title(run));
    write(row.state, shown);
    row.state.dataset.state = shown;
    write(row.facts, `${progress(run)} · ${age(now - run.seen)}`);
    row.values.title = Object.entries(run.last).map(([name, value]) => `${name} ${number(value)}`).join("\n");
    row.values.replaceChildren(...values(run.last));
    row.csv.setAttribute("aria-label", `Download ${title(run)} as CSV`);
    row.gone.setAttribute("aria-label", `Delete ${title(run)}`);
  }
}

function values(last) {
  const names = Object.keys(last);
  const parts = names.slice(0, SHOWN_VALUES).map((name) => element("span", { textContent: `${name} ${number(last[name])}` }));
  if (names.length > SHOWN_VALUES) parts.push(element("span", { textContent: `and ${names.length - SHOWN_VALUES} more` }));
  return parts;
}

export function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
