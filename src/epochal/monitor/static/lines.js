// The lines of each chart, made of the series of the runs that are shown.

import { places } from "./axes.js";
import { family } from "./format.js";

const HIDDEN = new Set(["seconds"]);
const LAST = ["learning_rate", "step_time", "system/"]; // how training goes comes after what it brings

const made = new WeakMap(); // series → what its line was last made with
let count = 0;

// The lines by metric family, in the order of the charts. `shown` is [{run, series, look, clock}], in the order of choice.
export function families(shown, { x, smoothing }) {
  const found = new Map();
  for (const item of shown) {
    for (const series of item.series.values()) {
      if (HIDDEN.has(series.metric) || !series.value.length || series.text) continue;
      const name = family(series.metric);
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(line(item, series, x, smoothing));
    }
  }
  return new Map([...found].sort(([a], [b]) => place(a) - place(b)));
}

function place(name) {
  return LAST.findIndex((start) => name.startsWith(start)) + 1;
}

// A line: the series, its run, its kind, the places of its points on the axis (null: not known), and the columns of values
// that are drawn, of which the last one is read.
function line({ run, look, clock }, series, axis, smoothing) {
  const key = `${series.version} ${axis} ${run.steps} ${axis === "time" ? clock.version : ""}`;
  let known = made.get(series);
  if (known?.key !== key) made.set(series, (known = { key, serial: ++count, x: places(axis, run, clock, series), ...facts(series) }));
  const kind = series.grain === "batch" ? "batches" : series.metric.startsWith("val_") ? "validation" : "training";
  const shown = smoothing && series.smooth ? [series.value, series.smooth] : [series.value];
  return { run, look, clock, kind, series, shown, smoothed: shown.length > 1, ...known };
}

// What a series comes to: where its least and greatest values are, where its first gap begins, and whether that lasts to the end.
function facts({ value }) {
  let [least, most, gap] = [null, null, null];
  for (let i = 0; i < value.length; i++) {
    const v = value[i];
    if (v === null) gap ??= i;
    else {
      if (least === null || v < value[least]) least = i;
      if (most === null || v > value[most]) most = i;
    }
  }
  const lasts = gap !== null && value.slice(gap).every((v) => v === null);
  return { least, most, gap, lasts };
}

// The last value of a line's run; null if it isn't finite. Where a part of the run is here, only the server knows it.
export function lastOf({ run, series }, part) {
  const known = part && series.grain === "epoch" ? run.last[series.metric] : undefined;
  return known === undefined ? series.value[series.value.length - 1] : known;
}

// The first and last place of lines on their axis; null where there is none.
export function extent(lines) {
  let [from, to] = [Infinity, -Infinity];
  for (const { x } of lines) {
    if (!x) continue;
    from = Math.min(from, x[0]);
    to = Math.max(to, x[x.length - 1]);
  }
  return from <= to ? [from, to] : null;
}
