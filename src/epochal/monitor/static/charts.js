// One chart a metric family, all over the same part of the same axis, with one cursor.
//
// lines.js makes lines of series, axes.js and clock.js say where their points stand, scales.js which values are shown; paint.js
// draws them in the frame that uPlot makes. legend.js and pointer.js tell whose they are, palette.js how they look.

import { Chart } from "./chart.js";
import { Legend } from "./legend.js";
import { extent, families } from "./lines.js";
import { Pointer } from "./pointer.js";
import { Turns } from "./turns.js";

const ROOM = 0.012;

export class Charts {
  #charts = new Map(); // metric family → Chart
  #pinned = null;
  #turns = new Turns();
  #inSight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = this.#charts.get(target.dataset.family);
      if (chart) chart.visible = isIntersecting;
    }
    this.changed();
  }, { rootMargin: "300px" });

  // `zoom([from, to])` and `zoom(null)` are called when somebody wishes another part, `all()` for all values, and `changed()`
  // when the charts are to be drawn again.
  constructor(box, { zoom, all, changed }) {
    Object.assign(this, { box, changed });
    this.callbacks = { zoom, all, pointer: new Pointer() };
    this.legend = new Legend((id) => {
      this.#pinned = id;
      changed();
    });
    box.append(this.legend.root);
  }

  // `shown` is [{run, series, look, clock}], in the order they were chosen.
  draw(shown, view) {
    const found = families(shown, view);
    for (const [name, chart] of this.#charts) {
      if (found.has(name)) continue;
      this.#inSight.unobserve(chart.figure);
      this.#turns.forget(name);
      chart.close();
      this.#charts.delete(name);
    }
    if (!shown.some(({ run }) => run.id === this.#pinned)) this.#pinned = null;
    const lines = [...found.values()].flat();
    this.legend.root.hidden = !lines.length;
    if (lines.length) this.legend.draw(shown, lines, this.#pinned);
    const frame = this.#frame(shown, lines, view);
    let before = this.legend.root;
    for (const [name, lines] of found) {
      const chart = this.#charts.get(name) ?? this.#add(name);
      if (before.nextSibling !== chart.figure) before.after(chart.figure);
      before = chart.figure;
      if (chart.visible) this.#turns.ask(name, () => chart.draw(lines, frame));
    }
  }

  #add(name) {
    const chart = new Chart(name, this.callbacks);
    this.#charts.set(name, chart);
    this.box.append(chart.figure);
    this.#inSight.observe(chart.figure);
    return chart;
  }

  #frame(shown, lines, { x: axis, range, log, all, dark }) {
    const ends = widened(extent(lines) ?? [0, 1], range ?? [null, null]);
    this.box.dataset.x = ends.map((place) => Number(place.toPrecision(6))).join(":");
    const soleRun = shown.length === 1;
    return { x: ends, zoomed: Boolean(range), axis, log, all, dark, pinned: this.#pinned, soleRun, ...coloursOf(dark) };
  }
}

const known = new Map();

// The page's colours that the canvases need, in its dark and its light theme.
function coloursOf(dark) {
  if (!known.has(dark)) {
    const style = getComputedStyle(document.documentElement);
    const [soft, grid, card] = ["--soft", "--line", "--card"].map((name) => style.getPropertyValue(name).trim());
    known.set(dark, { soft, grid, card });
  }
  return known.get(dark);
}

// The ends of the axis: those of a range, with a little room beyond the first and the last place where it is open.
function widened([from, to], [first, last]) {
  const room = from < to ? (to - from) * ROOM : 1;
  const ends = [first ?? Math.max(0, from - room), last ?? to + room];
  return ends[0] < ends[1] ? ends : [ends[0], ends[0] + room];
}
