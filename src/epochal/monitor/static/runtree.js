// The list of runs as a tree: one tab stop, arrow keys within. Only lines in sight are in the document, so that ten
// thousand runs cost what forty do; they are changed in place, so that whoever has the focus keeps it.

import { element, label, write } from "./dom.js";
import { age, compact, quantity, title } from "./format.js";
import { name, rename } from "./name.js";
import { brief, epochs, icon, percent, remaining, roughly, share, short, stateOf, turn } from "./status.js";

const AROUND = 6; // lines beyond those in sight

export class RunTree {
  #lines = [];
  #places = new Map(); // key → index
  #nodes = new Map(); // key → parts of a line that is in the document
  #active = null; // the key of the line with the tab stop
  #from = null; // the key where a range that is chosen by Shift begins
  #view = null;

  // `choose(ids, on)`, `open(id)`, `fold(group, open)`, `all()` and `find()` are called when somebody wishes so, `left()` when
  // they have gone elsewhere.
  constructor(tree, { choose, open, fold, all, find, left }) {
    this.tree = tree;
    this.scroller = tree.parentElement;
    this.head = this.scroller.firstElementChild; // stays in sight
    this.height = matchMedia("(pointer: coarse)").matches ? 40 : 30;
    this.wishes = { choose, open, fold, all, find };
    tree.style.setProperty("--row", `${this.height}px`);
    tree.addEventListener("click", (event) => this.#clicked(event));
    tree.addEventListener("keydown", (event) => this.#pressed(event));
    tree.addEventListener("focusin", ({ target }) => this.#activate(target.closest(".run, .group")?.dataset.key ?? null));
    tree.addEventListener("focusout", left);
    tree.addEventListener("pointerleave", left);
    this.scroller.addEventListener("scroll", () => this.#render(), { passive: true });
    new ResizeObserver(() => this.#render()).observe(this.scroller);
  }

  // Somebody is about to click or press a key here: nothing should move under their hands.
  get busy() {
    return this.tree.matches(":hover") || this.tree.contains(document.activeElement);
  }

  // `view` has `chosen`, a Set, `opened`, an id, `now`, `look(id)`, `metric` and `value(run)`.
  show(lines, view) {
    const before = this.#places.get(this.#active) ?? 0;
    this.#lines = lines;
    this.#view = view;
    this.#places = new Map(lines.map(({ key }, place) => [key, place]));
    if (!this.#places.has(this.#active)) this.#active = lines[Math.min(before, lines.length - 1)]?.key ?? null;
    this.tree.hidden = lines.length === 0;
    this.tree.style.height = `${lines.length * this.height}px`;
    this.#render();
  }

  // Moves the focus to a run's line, or to the first.
  focus(key) {
    if (this.#places.has(key)) this.#active = key;
    if (this.#active === null) return false;
    this.#reveal(this.#places.get(this.#active));
    this.#nodes.get(this.#active)?.line.focus({ preventScroll: true });
    return true;
  }

  #render() {
    if (!this.#view) return;
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / this.height) - AROUND);
    const last = Math.min(this.#lines.length, Math.ceil((top + this.#inSight()) / this.height) + AROUND);
    const places = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    const active = this.#places.get(this.#active);
    if (active < first) places.unshift(active);
    if (active >= last) places.push(active);
    this.#keep(new Set(places.map((place) => this.#lines[place].key)));
    const focused = document.activeElement;
    places.forEach((place, k) => {
      const line = this.#lines[place];
      const node = this.#nodes.get(line.key) ?? this.#add(line);
      if (this.tree.children[k] !== node.line) this.tree.insertBefore(node.line, this.tree.children[k] ?? null);
      node.line.style.transform = `translateY(${place * this.height}px)`;
      node.line.tabIndex = line.key === this.#active ? 0 : -1;
      label(node.line, "aria-posinset", place + 1);
      label(node.line, "aria-setsize", this.#lines.length);
      label(node.line, "aria-level", line.level);
      line.run ? this.#fillRun(node, line) : this.#fillGroup(node, line);
    });
    if (focused !== document.activeElement && this.tree.contains(focused)) focused.focus({ preventScroll: true });
  }

  #keep(keys) {
    for (const [key, { line }] of this.#nodes) {
      if (keys.has(key)) continue;
      line.remove();
      this.#nodes.delete(key);
    }
  }

  #add({ key, run }) {
    const part = (className) => element("span", { className });
    const node = { line: element("div", { className: run ? "run" : "group" }), mark: part("mark"), name: run ? name() : part("name") };
    node.line.setAttribute("role", "treeitem");
    node.line.dataset.key = key;
    if (run) {
      node.icon = icon("running");
      node.state = part("unseen");
      node.epochs = part("epochs");
      node.value = part("value");
      node.heard = part("heard");
      node.more = element("button", { type: "button", className: "more", tabIndex: -1 });
      node.more.setAttribute("aria-label", "Details");
      for (const figure of [node.epochs, node.value, node.heard]) figure.setAttribute("aria-hidden", "true"); // see `#describe`
      node.line.append(node.mark, node.icon, node.name, node.state, node.epochs, node.value, node.heard, node.more);
    } else {
      node.count = part("count");
      node.line.append(element("span", { className: "fold" }), node.mark, node.name, node.count);
    }
    this.#nodes.set(key, node);
    return node;
  }

  #fillRun(node, { run, level, cut, last }) {
    const { chosen, opened, now, look, metric, value } = this.#view;
    const state = stateOf(run, now);
    const on = chosen.has(run.id);
    node.line.dataset.state = state;
    node.line.dataset.level = level;
    node.line.classList.toggle("opened", run.id === opened);
    node.line.classList.toggle("last", Boolean(last));
    label(node.line, "aria-selected", on);
    const { strong, dash } = on ? look(run.id) : { strong: "transparent", dash: [] };
    node.mark.style.setProperty("--colour", strong);
    node.mark.classList.toggle("dashed", dash.length > 0);
    turn(node.icon, state);
    rename(node.name, title(run).slice(cut));
    const done = share(run);
    write(node.epochs, run.epochs ? `${run.epoch + 1}/${run.epochs}` : `${run.epoch + 1}`);
    node.epochs.style.setProperty("--done", `${100 * (done ?? 0)}%`);
    node.epochs.classList.toggle("unknown", done === null);
    write(node.value, compact(value(run), metric));
    write(node.heard, brief(now - run.seen));
    this.#describe(node, run, { state, metric, value: value(run), now });
  }

  // A screen reader reads the name and the state, and figures beside it: it would read anew what changes in a name.
  #describe(node, run, { state, metric, value, now }) {
    const left = remaining(run, now);
    const figures = [
      epochs(run),
      percent(run) && run.state === "running" ? `${percent(run)} done` : "",
      left === null ? "" : `about ${roughly(left)} left`,
      metric && value !== undefined ? `${metric} ${quantity(value, metric)}` : "",
      `heard ${age(now - run.seen)}`,
    ].filter(Boolean);
    write(node.state, short(state));
    label(node.line, "aria-description", figures.join(", "));
    label(node.line, "title", `${title(run)}\n${short(state)} · ${figures.join(" · ")}`);
  }

  #fillGroup(node, { group, runs, open }) {
    const { chosen } = this.#view;
    const on = runs.filter(({ id }) => chosen.has(id)).length;
    label(node.line, "aria-expanded", open);
    label(node.line, "aria-selected", on === runs.length);
    write(node.name, group || "other runs");
    write(node.count, `${runs.length} ${runs.length === 1 ? "run" : "runs"}`);
  }

  #activate(key) {
    if (key === null || key === this.#active) return;
    const before = this.#nodes.get(this.#active);
    if (before) before.line.tabIndex = -1;
    this.#active = key;
    this.#nodes.get(key).line.tabIndex = 0;
  }

  #clicked(event) {
    const key = event.target.closest(".run, .group")?.dataset.key;
    const line = this.#lines[this.#places.get(key)];
    if (!line) return;
    if (event.target.closest(".more")) this.wishes.open(key);
    else if (line.run) this.#toggle(line, event.shiftKey);
    else if (event.target.closest(".mark")) this.#toggle(line);
    else this.wishes.fold(line.group, !line.open);
  }

  #toggle(line, range = false) {
    const { chosen } = this.#view;
    const members = line.run ? [line.run] : line.runs;
    const on = !members.every(({ id }) => chosen.has(id));
    const from = range ? this.#places.get(this.#from) : undefined;
    const here = this.#places.get(line.key);
    if (line.run && from !== undefined) {
      const between = this.#lines.slice(Math.min(from, here), Math.max(from, here) + 1).filter(({ run }) => run);
      this.wishes.choose(between.map(({ run }) => run.id), chosen.has(this.#from));
    } else {
      this.wishes.choose(members.map(({ id }) => id), on);
      this.#from = line.key;
    }
  }

  #pressed(event) {
    const place = this.#places.get(this.#active);
    const line = this.#lines[place];
    if (!line || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.#inSight() / this.height) - 1);
    const moves = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: this.#lines.length - 1, PageDown: place + page, PageUp: place - page };
    if (event.key === "a" && event.ctrlKey) this.wishes.all();
    else if (event.ctrlKey) return;
    else if (event.key in moves) this.#goto(moves[event.key]);
    else if (event.key === " ") this.#toggle(line, event.shiftKey);
    else if (event.key === "Enter") line.run ? this.wishes.open(line.key) : this.wishes.fold(line.group, !line.open);
    else if (event.key === "/") this.wishes.find();
    else if (event.key === "ArrowRight") this.#into(line, place);
    else if (event.key === "ArrowLeft") this.#outOf(line, place);
    else return;
    event.preventDefault();
  }

  #into(line, place) {
    if (line.run) return;
    if (line.open) this.#goto(place + 1);
    else this.wishes.fold(line.group, true);
  }

  #outOf(line, place) {
    if (line.open) this.wishes.fold(line.group, false);
    else if (line.level > 1) this.#goto(this.#lines.findLastIndex((other, i) => i < place && !other.run));
  }

  #goto(place) {
    this.focus(this.#lines[Math.min(this.#lines.length - 1, Math.max(0, place))].key);
  }

  #inSight() {
    return this.scroller.clientHeight - this.head.offsetHeight;
  }

  #reveal(place) {
    const top = place * this.height;
    const lowest = top + this.height - this.#inSight();
    this.scroller.scrollTop = Math.max(lowest, Math.min(top, this.scroller.scrollTop));
    this.#render();
  }
}
