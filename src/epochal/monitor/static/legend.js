// Who is who: the runs above the charts, and their values under each.

import { element, label } from "./dom.js";
import { quantity, title } from "./format.js";
import { lastOf } from "./lines.js";
import { name } from "./name.js";
import { swatch } from "./palette.js";

const MOST = 6; // runs whose values are in sight under a chart

const KINDS = { training: "training", validation: "validation", batches: "each batch" };

export class Legend {
  #content = "";

  // `pin(id)` is called when somebody picks out a run, or lets go of it.
  constructor(pin) {
    this.pin = pin;
    this.runs = element("ul", { className: "who" });
    this.kinds = element("p", { className: "kinds" });
    this.root = element("div", { className: "legend" });
    this.root.setAttribute("role", "toolbar");
    this.root.setAttribute("aria-label", "Runs in the charts");
    this.root.append(this.runs, this.kinds);
    this.root.addEventListener("keydown", (event) => this.#move(event));
  }

  draw(shown, lines, pinned) {
    const kinds = Object.keys(KINDS).filter((kind) => lines.some((line) => line.kind === kind));
    const content = JSON.stringify([shown.map(({ run, look }) => [run.id, title(run), look]), kinds]);
    if (content !== this.#content) this.#fill(shown, kinds);
    this.#content = content;
    for (const button of this.#buttons) label(button, "aria-pressed", button.dataset.run === pinned);
  }

  get #buttons() {
    return [...this.runs.querySelectorAll("button")];
  }

  // One tab stop for all runs: arrows go from one to the next.
  #move(event) {
    const buttons = this.#buttons;
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  }

  #fill(shown, kinds) {
    const focused = document.activeElement?.dataset.run;
    this.runs.replaceChildren(...shown.map(({ run, look }) => {
      const button = element("button", { type: "button", title: "Pick out this run’s lines" });
      button.dataset.run = run.id;
      button.append(swatch(look), element("span", { textContent: title(run), dir: "auto" }));
      button.addEventListener("click", () => this.pin(button.getAttribute("aria-pressed") === "true" ? null : run.id));
      const item = element("li");
      item.append(button);
      return item;
    }));
    const buttons = this.#buttons;
    const kept = buttons.find((button) => button.dataset.run === focused);
    for (const button of buttons) button.tabIndex = button === (kept ?? buttons[0]) ? 0 : -1;
    kept?.focus();
    this.kinds.replaceChildren(...(kinds.length > 1 ? kinds : []).map((kind) => {
      const part = element("span");
      part.append(swatch(shown[0].look, kind), element("span", { textContent: KINDS[kind] }));
      return part;
    }));
    this.kinds.hidden = kinds.length < 2;
  }
}

// A chart's runs with their last values, and the best ones where it is known which way is better.
export class Values {
  #content = "";

  constructor() {
    this.root = element("div", { className: "readings" });
    this.first = element("table");
    this.more = element("details", { hidden: true });
    this.summary = element("summary");
    this.rest = element("table");
    this.more.append(this.summary, this.rest);
    this.root.append(this.first, this.more);
  }

  // `part` says that a part of the runs is shown.
  draw(name, lines, part) {
    const rows = rowsOf(lines, part);
    if (rows.length > MOST) rows.sort((a, b) => compared(a.best, b.best));
    const epochs = lines.some(({ kind }) => kind !== "batches"); // which say more than the last batch
    const kinds = Object.keys(KINDS).filter((kind) => lines.some((line) => line.kind === kind) && !(epochs && kind === "batches"));
    const known = rows.some(({ best }) => best);
    const cells = rows.map((row) => ({ ...row, texts: texts(row, kinds, known) }));
    const content = JSON.stringify(cells.map(({ run, look, texts }) => [run.id, title(run), look, texts]));
    if (content === this.#content) return;
    this.#content = content;
    const head = [...kinds.map((kind) => (kinds.length > 1 || kind === "validation" ? KINDS[kind] : "last")), ...(known ? [bestOf(rows)] : [])];
    fill(this.first, `Last values of ${name}`, head, cells.slice(0, MOST));
    fill(this.rest, `Last values of ${name}, the other runs`, head, cells.slice(MOST));
    this.more.hidden = cells.length <= MOST;
    this.summary.textContent = `and ${cells.length - MOST} more`;
  }
}

function rowsOf(lines, part) {
  const rows = new Map();
  for (const line of lines) {
    const row = rows.get(line.run.id) ?? { run: line.run, look: line.look, last: {}, metric: line.series.metric, best: null };
    row.last[line.kind] = lastOf(line, part);
    if (line.best) Object.assign(row, { best: line.best, of: line.kind });
    rows.set(line.run.id, row);
  }
  return [...rows.values()];
}

// Better ones first, those of which nobody knows it last.
function compared(a, b) {
  if (!a || !b) return !a - !b;
  return a.higher ? b.value - a.value : a.value - b.value;
}

function texts({ last, metric, best }, kinds, known) {
  const value = (kind) => (last[kind] === undefined ? "" : last[kind] === null ? "NaN" : quantity(last[kind], metric));
  return [...kinds.map(value), ...(known ? [best ? `${quantity(best.value, metric)} at ${best.epoch + 1}` : ""] : [])];
}

function bestOf(rows) {
  return rows.every(({ best, of }) => !best || of === "validation") ? "best validation" : "best";
}

function fill(table, words, head, cells) {
  const caption = element("caption", { className: "unseen", textContent: words });
  const top = element("tr");
  top.append(element("td"), ...head.map((text) => element("th", { scope: "col", textContent: text })));
  const first = element("thead");
  first.append(top);
  const body = element("tbody");
  body.append(...cells.map(({ run, look, texts }) => {
    const row = element("tr");
    const who = element("span", { className: "called" }, swatch(look), name(title(run)));
    row.append(element("th", { scope: "row", title: title(run) }, who), ...texts.map((text) => element("td", { textContent: text })));
    return row;
  }));
  table.replaceChildren(caption, first, body);
}
