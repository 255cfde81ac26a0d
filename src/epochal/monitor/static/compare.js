// The chosen runs side by side: the settings in which they differ, and what came of them.

import { setting } from "./configs.js";
import { asCSV, download } from "./csv.js";
import { $, element, label, write } from "./dom.js";
import { duration, quantity, title } from "./format.js";
import { compareKnown, compareText } from "./listing.js";
import { swatch } from "./palette.js";
import { share, short, stateOf, told } from "./status.js";

export class Compare {
  #sorted = { column: "", down: false };
  #columns = [];
  #runs = [];
  #shown = "";

  constructor({ configs, changed, open }) {
    this.configs = configs;
    this.changed = changed;
    $("all-settings").addEventListener("change", changed);
    $("compare-csv").addEventListener("click", () => this.#download());
    $("compare-head").addEventListener("click", ({ target }) => this.#sortBy(target.closest("button")?.dataset.column));
    $("compare-body").addEventListener("click", ({ target }) => target.closest("button") && open(target.closest("button").dataset.run));
  }

  // Runs as they were chosen, each {run, look}.
  draw(chosen, now) {
    this.configs.want(chosen.map(({ run }) => run));
    this.#columns = this.#choose(chosen.map(({ run }) => run), now);
    this.#runs = this.#order(chosen);
    const cells = this.#runs.map(({ run, look }) => [run.id, look, ...this.#columns.map(({ text }) => text(run))]);
    const content = JSON.stringify([this.#columns.map(({ key, name }) => [key, name]), cells, this.#sorted]);
    $("compare-scroll").hidden = $("compare-tools").hidden = chosen.length === 0;
    if (content === this.#shown) return;
    this.#shown = content;
    this.#head();
    this.#body();
  }

  // A column is {key, kind, name, value(run), text(run)}; values are what it is sorted by.
  #choose(runs, now) {
    const config = (run) => this.configs.get(run.id) ?? {};
    const keys = [...new Set(runs.flatMap((run) => Object.keys(config(run))))];
    const differ = keys.filter((key) => new Set(runs.map((run) => JSON.stringify(config(run)[key] ?? null))).size > 1);
    const shown = $("all-settings").checked ? keys : differ;
    const same = keys.length - differ.length;
    $("all-settings").disabled = same === 0;
    write($("same-settings"), keys.length ? `${same} of ${keys.length} settings are the same in all` : "");
    const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.best ?? {})))];
    return [
      { key: "run", name: "run", value: title, text: title },
      ...shown.map((key) => ({ key: `config ${key}`, kind: "setting", name: key, value: (run) => config(run)[key], text: (run) => setting(config(run)[key]) })),
      ...metrics.flatMap((metric) => bestOf(metric)),
      { key: "epochs", name: "epochs", value: (run) => run.epoch + 1, text: (run) => (share(run) === null ? `${run.epoch + 1}` : `${run.epoch + 1} of ${run.epochs}`) },
      { key: "duration", name: "duration", value: (run) => run.duration, text: (run) => (run.duration ? duration(run.duration) : "–") },
      { key: "state", name: "how it ended", value: (run) => short(stateOf(run, now)), text: (run) => told(run, now) },
    ];
  }

  #order(chosen) {
    const column = this.#columns.find(({ key }) => key === this.#sorted.column);
    if (!column) return chosen;
    const sign = this.#sorted.down ? -1 : 1;
    const compare = (a, b) => sign * (typeof a === "number" && typeof b === "number" ? a - b : compareText(String(a), String(b)));
    return [...chosen].sort((a, b) => compareKnown(column.value(a.run), column.value(b.run), compare));
  }

  #sortBy(key) {
    if (!key) return;
    this.#sorted = { column: key, down: this.#sorted.column === key && !this.#sorted.down };
    this.changed();
  }

  // Head cells stay in the document as long as their column does, so that a sorting button keeps the focus.
  #head() {
    const cells = new Map([...$("compare-head").children].map((cell) => [cell.dataset.column, cell]));
    const wanted = this.#columns.map((column) => cells.get(column.key) ?? headCell(column));
    wanted.forEach((cell, i) => {
      if ($("compare-head").children[i] !== cell) $("compare-head").insertBefore(cell, $("compare-head").children[i] ?? null);
      const sorted = cell.dataset.column === this.#sorted.column;
      cell.classList.toggle("words", this.#isText(this.#columns[i]));
      if (sorted) label(cell, "aria-sort", this.#sorted.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    while ($("compare-head").children.length > wanted.length) $("compare-head").lastChild.remove();
  }

  #body() {
    const focused = $("compare-body").contains(document.activeElement) && document.activeElement.dataset.run;
    $("compare-body").replaceChildren(...this.#runs.map(({ run, look }) => this.#row(run, look)));
    if (focused) $("compare-body").querySelector(`[data-run="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  #row(run, look) {
    const open = element("button", { type: "button", className: "plain", textContent: title(run), title: title(run) });
    open.dataset.run = run.id;
    const cells = this.#columns.slice(1).map((column) => {
      const cell = element("td", { textContent: column.text(run) });
      cell.classList.toggle("words", this.#isText(column));
      if (column.key === "state") cell.title = column.text(run);
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row" }, element("span", { className: "called" }, swatch(look), open)), ...cells);
  }

  #isText({ value }) {
    return this.#runs.some(({ run }) => typeof value(run) === "string");
  }

  #download() {
    const rows = this.#runs.map(({ run }) => this.#columns.map(({ key, value, text }) => (key === "state" ? text(run) : value(run))));
    download("comparison.csv", asCSV([this.#columns.map(({ name, title }) => title ?? name), ...rows]));
  }
}

function bestOf(metric) {
  const best = (run) => run.best?.[metric];
  return [
    { key: `best ${metric}`, name: `best ${metric}`, value: (run) => best(run)?.value, text: (run) => quantity(best(run)?.value, metric) },
    { key: `epoch ${metric}`, name: "at epoch", title: `at epoch of the best ${metric}`, value: (run) => (best(run) ? best(run).epoch + 1 : null), text: (run) => (best(run) ? String(best(run).epoch + 1) : "–") },
  ];
}

function headCell({ key, name, kind, title }) {
  const button = element("button", { type: "button", className: "plain", textContent: name });
  if (title) {
    button.title = title;
    button.setAttribute("aria-label", title);
  }
  button.dataset.column = key;
  const cell = element("th", { scope: "col" }, button);
  cell.dataset.column = key;
  if (kind) cell.dataset.kind = kind;
  return cell;
}
