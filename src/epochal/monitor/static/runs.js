// The list of runs with what finds, sorts and groups them.

import { $, element, label, recall, remember, write } from "./dom.js";
import { title } from "./format.js";
import { bestMetrics, filter, lines, mainMetric, mainValue, ordered } from "./listing.js";
import { Matcher } from "./matcher.js";
import { RunTree } from "./runtree.js";

const MOST = 100; // runs that are chosen at once: each is a line in each chart

export class RunList {
  #runs = [];
  #found = [];
  #pinned = new Set();
  #closed = new Set();
  #view = null;

  // `choose(ids, on)` and `open(id)` are called when somebody wishes so, `changed()` when the list is to be drawn again.
  constructor({ choose, open, changed, say }) {
    this.choose = choose;
    this.changed = changed;
    this.say = say;
    this.matcher = new Matcher(changed);
    const find = () => $("filter").focus();
    this.tree = new RunTree($("runs"), { choose, open, find, left: changed, all: () => this.#all(), fold: (group, on) => this.#fold(group, on) });
    $("group").checked = recall("group") === "true";
    for (const id of ["filter", "sort", "group", "archived"]) $(id).addEventListener("input", () => this.#asked());
    $("filter").addEventListener("keydown", ({ key }) => key === "ArrowDown" && this.tree.focus());
    $("choose-all").addEventListener("click", () => this.#all());
    $("choose-none").addEventListener("click", () => this.#none());
  }

  // `view` has `chosen`, a Set, `opened`, an id or null, `now`, and `look(id)`.
  draw(runs, view) {
    this.#runs = [...runs.values()];
    this.#view = view;
    this.#offerSorts();
    const sort = $("sort").value;
    const { matches, means, wrong } = filter($("filter").value, view.now, (pattern) => this.matcher.match(pattern, this.#runs.map(title)));
    const kept = this.#runs.filter((run) => $("archived").checked || !run.archived || view.chosen.has(run.id));
    this.#found = ordered(kept.filter(matches), sort);
    if (!this.tree.busy) this.#pinned = new Set(view.chosen);
    const shown = lines(this.#found, { pinned: this.#pinned, grouped: $("group").checked, closed: this.#closed });
    const metric = mainMetric(this.#found, sort);
    this.tree.show(shown, { ...view, metric, value: (run) => mainValue(run, metric, sort) });
    this.#tell(means, wrong, kept.length, metric);
  }

  focus(id) {
    if (!this.tree.focus(id)) $("filter").focus();
  }

  #tell(means, wrong, listed, metric) {
    const found = this.#found.length;
    label($("filter"), "aria-invalid", Boolean(wrong));
    write($("found"), wrong || (means ? `${found || "None"} of ${listed} ${means}` : ""));
    $("found").classList.toggle("wrong", Boolean(wrong));
    write($("count"), this.#runs.length ? String(found) : "none yet");
    $("runs").closest("nav").dataset.empty = this.#runs.length === 0;
    write($("column-value"), metric);
    label($("column-value"), "title", metric);
    const hidden = this.#runs.filter((run) => run.archived).length;
    $("archived").closest("label").hidden = hidden === 0;
    write($("archived-count"), hidden ? `(${hidden})` : "");
    $("choose-all").disabled = found === 0;
    $("choose-none").disabled = this.#view.chosen.size === 0;
    $("none-found").hidden = found > 0 || this.#runs.length === 0;
    write($("none-found"), means || wrong ? "No run is called so." : "All runs are archived.");
  }

  // Metrics to sort by come and go with the runs.
  #offerSorts() {
    const names = bestMetrics(this.#runs);
    const box = $("best");
    if (box.children.length !== names.length || names.some((name, i) => box.children[i].value !== `best ${name}`)) {
      const wanted = $("sort").value;
      box.replaceChildren(...names.map((name) => element("option", { value: `best ${name}`, textContent: `best ${name}` })));
      $("sort").value = wanted;
      if (!$("sort").value) $("sort").value = "newest";
    }
    box.hidden = names.length === 0;
  }

  #asked() {
    remember("group", $("group").checked);
    this.#pinned = new Set(this.#view?.chosen);
    this.tree.scroller.scrollTop = 0;
    this.changed();
  }

  #fold(group, open) {
    if (open) this.#closed.delete(group);
    else this.#closed.add(group);
    this.changed();
  }

  #none() {
    const found = new Set(this.#found.map(({ id }) => id));
    const all = [...this.#view.chosen];
    this.choose($("filter").value.trim() ? all.filter((id) => found.has(id)) : all, false);
  }

  #all() {
    const ids = this.#found.map(({ id }) => id);
    this.choose(ids.slice(0, MOST), true);
    if (ids.length > MOST) this.say(`The first ${MOST} of ${ids.length} runs are chosen: more can't be told apart in a chart.`);
  }
}
