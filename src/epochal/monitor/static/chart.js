// One chart: the lines of a metric family, what is to be said of them, and their values.

import { AXES } from "./axes.js";
import { element, label, write } from "./dom.js";
import { quantity, title } from "./format.js";
import { Values } from "./legend.js";
import { paint } from "./paint.js";
import { snapped } from "./pointer.js";
import { span, ticks } from "./scales.js";

const HEIGHT = 260; // pixels
const FONT = "11px system-ui, sans-serif";
const TOLD = 12; // lines that the chart's description tells of
const NOTED = 4; // runs that a note names

export class Chart {
  visible = false;
  #plot = null;
  #drawn = "";
  #lines = [];
  #frame = null;
  #scale = null;
  #ends = null;

  // `zoom([from, to])` is called when somebody drags over the chart, `zoom(null)` at a double click; `all()` shows all values.
  constructor(name, { zoom, all, pointer }) {
    Object.assign(this, { name, zoom, pointer });
    this.figure = element("figure");
    this.figure.dataset.family = name;
    this.box = element("div", { className: "plot" });
    this.box.setAttribute("role", "img");
    this.box.setAttribute("aria-label", `Chart of ${name}`);
    this.nothing = element("p", { className: "nothing", hidden: true });
    this.box.append(this.nothing);
    this.notes = element("p", { className: "notes" });
    this.all = element("button", { type: "button", textContent: "Show all values", hidden: true });
    this.all.addEventListener("click", all);
    this.values = new Values();
    const caption = element("figcaption");
    caption.append(element("h2", { textContent: name }));
    const below = element("div", { className: "below" });
    below.append(this.notes, this.all);
    this.figure.append(caption, this.box, below, this.values.root);
    this.resized = new ResizeObserver(() => this.#plot?.setSize({ width: this.box.clientWidth, height: HEIGHT }));
    this.resized.observe(this.box);
  }

  close() {
    this.resized.disconnect();
    this.#destroy();
    this.figure.remove();
  }

  #destroy() {
    this.pointer.hide();
    this.#plot?.destroy();
    this.#plot = null;
  }

  // Draws what has changed. `frame` has the ends of x and the view, which run is pinned, and the page's colours.
  draw(lines, frame) {
    const signs = ({ serial, run, look, smoothed, series }) => [serial, title(run), look, smoothed, run.best[series.metric], run.last[series.metric]];
    const content = JSON.stringify([frame, lines.map(signs)]);
    if (content === this.#drawn) return;
    this.#drawn = content;
    findBest(lines, frame.axis);
    this.#lines = lines.filter(({ x }) => x);
    if (this.#frame?.log !== frame.log || this.#frame?.axis !== frame.axis) this.#destroy(); // uPlot keeps a scale's kind and the ticks of the same ends
    this.#frame = frame;
    this.#scale = span(this.#lines, frame.x, frame);
    this.#describe(lines);
    this.#say(lines);
    this.values.draw(this.name, lines, frame.zoomed);
    const { low, high } = this.#scale;
    const ends = [frame.x, low === null ? [frame.log ? 0.1 : 0, 1] : [low, high]];
    this.#ends = ends;
    this.#mark(lines);
    if (this.#plot) this.#plot.setData(ends);
    else this.#plot = this.#made();
  }

  #made() {
    const plot = new uPlot({
      width: this.box.clientWidth,
      height: HEIGHT,
      padding: [10, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        sync: { key: "charts", scales: ["x", null], filters: { pub: (kind) => kind === "mousemove" || kind === "mouseleave" } },
        move: (plot, left, top) => [this.#nearest(plot, left), top],
        bind: { dblclick: () => () => this.zoom(null) },
      },
      scales: { x: { time: false, range: () => this.#ends[0] }, y: { distr: this.#frame.log ? 3 : 1, range: () => this.#ends[1] } },
      series: [{}, { scale: "y", paths: () => null, points: { show: false } }],
      axes: [this.#across(), this.#up()],
      hooks: {
        drawClear: [(plot) => this.#minor(plot)],
        draw: [(plot) => paint(plot, this.#lines, this.#frame), (plot) => this.pointer.renew(plot, this.#lines, this.#frame.axis)],
        setSelect: [(plot) => this.#select(plot)],
      },
    }, this.#ends, this.box);
    plot.over.addEventListener("mousemove", () => this.pointer.show(plot, this.#lines, this.#frame.axis, plot.cursor));
    plot.over.addEventListener("mouseleave", () => this.pointer.hide());
    return plot;
  }

  #across() {
    const axis = () => AXES[this.#frame.axis];
    const grid = { stroke: () => this.#frame.grid, width: 1 };
    return {
      stroke: () => this.#frame.soft,
      font: FONT,
      grid: { show: false },
      ticks: { ...grid, size: 5 },
      border: { ...grid, show: true },
      size: 26,
      gap: 3,
      label: () => axis().words,
      labelFont: FONT,
      labelSize: 16,
      labelGap: 0,
      splits: (plot, _, from, to) => axis().ticks(from, to, Math.max(2, plot.width / (this.#frame.axis === "time" ? 90 : 70))),
      values: (_, splits) => splits.map((place) => axis().write(place)),
    };
  }

  #up() {
    const found = (low, high) => ticks(low, high, 5, this.name, this.#frame.log);
    return {
      stroke: () => this.#frame.soft,
      font: FONT,
      grid: { stroke: () => this.#frame.grid, width: 1 },
      ticks: { show: false },
      gap: 7,
      size: (_, words) => 18 + 6.4 * Math.max(3, ...(words ?? []).map((word) => word.length)),
      splits: (_, __, low, high) => found(low, high).at,
      values: (plot) => found(plot.scales.y.min, plot.scales.y.max).words,
    };
  }

  // The lines between the powers of ten, lightly.
  #minor({ ctx, bbox, scales: { y }, valToPos }) {
    if (!this.#frame.log || y.min === null) return;
    ctx.save();
    ctx.strokeStyle = this.#frame.grid;
    ctx.globalAlpha = 0.45;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (const value of ticks(y.min, y.max, 5, this.name, true).minor) {
      const v = Math.round(valToPos(value, "y", true)) + 0.5;
      ctx.moveTo(bbox.left, v);
      ctx.lineTo(bbox.left + bbox.width, v);
    }
    ctx.stroke();
    ctx.restore();
  }

  // The pixel of the point that is nearest to one, which the cursor goes to.
  #nearest(plot, left) {
    if (left < 0) return left;
    const place = snapped(plot, this.#lines, left);
    return place === null ? left : plot.valToPos(place, "x");
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width <= 0) return;
    const range = [left, left + width].map((pixel) => Number(Math.max(0, plot.posToVal(pixel, "x")).toPrecision(6)));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom(range);
  }

  // What a chart says to those who don't see it.
  #describe(lines) {
    const parts = lines.slice(0, TOLD).map(({ run, series, least, most, best }) => {
      const { metric, at, value } = series;
      const what = `${title(run)}, ${metric}${series.grain === "batch" ? " of batches" : ""}`;
      if (least === null) return `${what}: no finite value`;
      const [epoch] = at[at.length - 1];
      const last = value[value.length - 1] === null ? "NaN" : quantity(value[value.length - 1], metric);
      const range = `lowest ${quantity(value[least], metric)}, highest ${quantity(value[most], metric)}`;
      return `${what}: ${last} after epoch ${epoch + 1}, ${range}${best ? `, best at epoch ${best.epoch + 1}` : ""}`;
    });
    if (lines.length > TOLD) parts.push(`And ${lines.length - TOLD} more lines`);
    label(this.box, "aria-label", `Chart of ${this.name} over ${AXES[this.#frame.axis].words.replace(" done", "")}. ${parts.join(". ")}.`);
  }

  // Notes on what isn't to be seen, and the reason where nothing is.
  #say(lines) {
    const { log, axis, soleRun, zoomed } = this.#frame;
    const { low, outside, lost } = this.#scale;
    const name = ({ run }) => (soleRun ? "" : `${title(run)}: `);
    const notes = [];
    const gaps = firstOfRuns(lines.filter(({ gap }) => gap !== null));
    notes.push(...some(gaps.map((line) => `${name(line)}NaN ${whenNaN(line, zoomed)}`)));
    const placeless = firstOfRuns(lines.filter(({ x }) => !x));
    notes.push(...some(placeless.map((line) => `${title(line.run)} ${AXES[axis].lacks}, so it isn’t drawn over ${AXES[axis].words}`)));
    if (lost && low !== null) notes.push(`${count(lost, "value")} of 0 or less ${lost === 1 ? "has" : "have"} no place on a log scale`);
    if (outside) notes.push(`${count(outside, "value")} far out, marked at the edge.`);
    write(this.notes, notes.join(" · "));
    this.all.hidden = !outside;
    const empty = lost ? "no value above 0: others have no place on a log scale" : this.#lines.length ? "no finite value here" : "nothing to draw over this axis";
    write(this.nothing, low === null ? empty : "");
    this.nothing.hidden = low !== null;
  }

  // What is drawn, for whoever tests the page: the lines themselves, and figures about them.
  #mark(lines) {
    const name = ({ run, kind }) => (this.#frame.soleRun ? kind : `${title(run)}, ${kind}`);
    const y = this.#ends[1].map((value) => Number(value.toPrecision(4))).join(":");
    const points = JSON.stringify(Object.fromEntries(lines.map((line) => [name(line), line.series.value.length])));
    this.figure.lines = this.#lines;
    Object.assign(this.figure.dataset, { points, y, outside: this.#scale.outside, log: this.#frame.log });
  }
}

// Gives lines the best epoch of their runs, where one is known: {value, epoch, higher}, and its place. It is that of the validation
// where a run has one.
function findBest(lines, axis) {
  const validated = new Set(lines.filter(({ kind }) => kind === "validation").map(({ run }) => run.id));
  for (const line of lines) {
    const { run, clock, kind, series } = line;
    line.best = kind === (validated.has(run.id) ? "validation" : "training") ? run.best[series.metric] : undefined;
    line.place = line.best && AXES[axis].place({ epochs: line.best.epoch + 1, run, clock });
  }
}

function whenNaN({ series, gap, lasts }, zoomed) {
  if (gap === 0 && zoomed) return "before this part already";
  const [epoch, batch] = series.at[gap];
  const moment = `epoch ${epoch + 1}${series.grain === "batch" ? `, batch ${batch + 1}` : ""}`;
  return lasts ? `from ${moment} on` : `at ${moment}`;
}

function firstOfRuns(lines) {
  return [...new Map([...lines].reverse().map((line) => [line.run.id, line])).values()].reverse();
}

function some(notes) {
  return notes.length > NOTED ? [...notes.slice(0, NOTED), `and ${notes.length - NOTED} more`] : notes;
}

function count(n, what) {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
