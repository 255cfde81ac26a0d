// The box at the pointer: the values of the lines there. One for all charts.

import { AXES, nearest } from "./axes.js";
import { element } from "./dom.js";
import { quantity, title } from "./format.js";
import { swatch } from "./palette.js";

const MOST = 12; // lines in the box
const NEAR = 12; // pixels beyond a line's ends that it is still read at
const GAP = 16; // pixels between the pointer and the box

export class Pointer {
  #box = element("div", { id: "pointer", hidden: true });
  #dots = [];
  #plot = null; // that the box is of

  constructor() {
    document.body.append(this.#box);
    addEventListener("scroll", () => this.hide(), { capture: true, passive: true });
  }

  hide() {
    this.#plot = null;
    this.#box.hidden = true;
    this.#box.replaceChildren();
    for (const dot of this.#dots.splice(0)) dot.remove();
  }

  // Shows the box again if it is of this chart, whose lines have changed.
  renew(plot, lines, axis) {
    if (this.#plot === plot) this.show(plot, lines, axis, plot.cursor);
  }

  // Shows what lines have near a place of a chart, in pixels of it.
  show(plot, lines, axis, { left, top }) {
    const { x, rows } = read(plot, lines, left);
    this.hide();
    if (!rows.length) return;
    this.#plot = plot;
    const inSight = rows.sort((a, b) => Math.abs(a.v - top) - Math.abs(b.v - top)).slice(0, MOST);
    const more = rows.length - inSight.length;
    inSight.sort((a, b) => (b.value ?? -Infinity) - (a.value ?? -Infinity));
    this.#box.replaceChildren(...content(x, inSight, more, axis, lines));
    this.#box.hidden = false;
    const rect = plot.over.getBoundingClientRect();
    place(this.#box, rect.left + left, rect.top + top);
    for (const { value, h, v, line } of inSight) {
      if (value === null || v < 0 || v > rect.height) continue;
      const dot = element("span", { className: "dot" });
      Object.assign(dot.style, { left: `${h}px`, top: `${v}px`, background: line.look.strong });
      plot.over.append(dot);
      this.#dots.push(dot);
    }
  }
}

// The place of the point that is nearest to a pixel, across all lines; null where there is none.
export function snapped(plot, lines, left) {
  const wanted = plot.posToVal(left, "x");
  let found = null;
  for (const { x } of lines) {
    const there = x[nearest(x, wanted)];
    if (there < plot.scales.x.min || there > plot.scales.x.max) continue;
    if (found === null || Math.abs(there - wanted) < Math.abs(found - wanted)) found = there;
  }
  return found;
}

// What each line has at the place that is nearest to a pixel.
function read(plot, lines, left) {
  const x = snapped(plot, lines, left);
  if (x === null) return { x, rows: [] };
  const rows = [];
  for (const line of lines) {
    const i = nearest(line.x, x);
    const value = line.shown[line.shown.length - 1][i];
    const h = plot.valToPos(line.x[i], "x");
    const inside = x >= line.x[0] && x <= line.x[line.x.length - 1];
    if (!inside && Math.abs(h - plot.valToPos(x, "x")) > NEAR) continue;
    const [epoch, batch] = line.series.at[i];
    const placeless = value === null || (plot.scales.y.distr === 3 && value <= 0);
    const v = placeless ? Infinity : plot.valToPos(value, "y");
    rows.push({ line, value, h, v, x: line.x[i], epoch, batch: line.series.grain === "batch" ? batch : null });
  }
  return { x, rows };
}

function content(x, rows, more, axis, lines) {
  const several = new Set(lines.map(({ run }) => run.id)).size > 1;
  const there = rows.find((row) => row.x === x) ?? rows[0];
  const together = rows.every(({ epoch }) => epoch === there.epoch);
  const words = [AXES[axis].moment({ x, epoch: there.epoch, batch: there.batch })];
  if (axis !== "epoch" && together) words.push(AXES.epoch.moment(there));
  if (rows.some(({ line }) => line.smoothed)) words.push("smoothed");
  const made = rows.map(({ line, value, epoch }) => {
    const kind = line.kind === "training" && several ? "" : line.kind === "batches" ? "batch" : line.kind;
    const when = together || (epoch === there.epoch && axis === "epoch") ? "" : `epoch ${epoch + 1}`;
    const row = element("div", { className: "row" });
    row.append(
      swatch(line.look, line.kind),
      element("span", { className: "what", textContent: several ? title(line.run) : kind }),
      element("span", { className: "kind", textContent: [several ? kind : "", when].filter(Boolean).join(", ") }),
      element("b", { textContent: value === null ? "NaN" : quantity(value, line.series.metric) }),
    );
    return row;
  });
  const end = more ? [element("div", { className: "more", textContent: `and ${more} more` })] : [];
  return [element("div", { className: "moment", textContent: words.join(" · ") }), ...made, ...end];
}

// Beside the pointer, else above or below it: never over it, and whole in the window as far as that has room.
function place(box, x, y) {
  const { clientWidth: wide, clientHeight: high } = document.documentElement;
  const { width, height } = box.getBoundingClientRect();
  const kept = (at, size, room) => Math.max(4, Math.min(at, room - size - 4));
  let [left, top] = [x + GAP, kept(y - height / 2, height, high)];
  if (left + width > wide - 4) left = x - GAP - width;
  if (left < 4) {
    left = kept(x - width / 2, width, wide);
    top = y - GAP - height >= 4 || y > high / 2 ? y - GAP - height : y + GAP;
  }
  Object.assign(box.style, { left: `${left}px`, top: `${top}px` });
}
