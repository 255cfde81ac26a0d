// What charts may be drawn over: epochs, steps or time.

import { after } from "./clock.js";
import { duration } from "./format.js";

const NICE_SECONDS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600,
  43200, 86400, 172800, 432000, 864000,
];

// Each has the words under the charts, the place on the axis of a number of epochs done (null: not known), the epochs done at
// a place, ticks about so many, how a place is written and read, and what a run lacks whose places aren't known.
export const AXES = {
  epoch: {
    words: "epochs done",
    place: ({ epochs }) => epochs,
    epochs: (x) => x,
    ticks: (from, to, most) => multiples(from, to, nice((to - from) / most, to - from < 3 ? 0.001 : 1)),
    write: plain,
    read: readNumber,
    moment: ({ epoch, batch }) => (batch === null ? `epoch ${epoch + 1}` : `epoch ${epoch + 1}, batch ${batch + 1}`),
    lacks: "",
  },
  step: {
    words: "steps",
    place: ({ epochs, run }) => (run.steps ? Math.round(epochs * run.steps * 1e6) / 1e6 : null),
    epochs: (x, run) => (run.steps ? x / run.steps : null),
    ticks: (from, to, most) => multiples(from, to, nice((to - from) / most, 1)),
    write: plain,
    read: readNumber,
    moment: ({ x }) => `step ${plain(x)}`,
    lacks: "doesn’t say how many steps an epoch has",
  },
  time: {
    words: "time of training",
    place: ({ epochs, clock }) => (clock.known ? clock.seconds(epochs) : null),
    epochs: (x, run, clock) => (clock.known ? clock.epochs(x) : null),
    ticks: (from, to, most) => {
      const least = (to - from) / most;
      return multiples(from, to, NICE_SECONDS.find((step) => step >= least) ?? nice(least / 86400, 1) * 86400);
    },
    write: duration,
    read: readDuration,
    moment: ({ x }) => duration(x),
    lacks: "has sent no times",
  },
};

// The least of 1, 2 and 5 times a power of ten that is not below `least` and `smallest`.
export function nice(least, smallest = 0) {
  const wanted = Math.max(least, smallest, 1e-300);
  const power = 10 ** Math.floor(Math.log10(wanted) + 1e-9);
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= wanted * (1 - 1e-9));
}

export function multiples(from, to, step) {
  const found = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9 && found.length < 100; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// The places of a series' points on an axis, in order; null where the run lacks what it takes.
export function places(axis, run, clock, { grain, at }) {
  const steps = run.steps || (grain === "batch" ? at.reduce((most, [, batch]) => Math.max(most, batch + 1), 1) : 1);
  const found = new Float64Array(at.length);
  for (let i = 0; i < at.length; i++) {
    const epochs = grain === "epoch" ? at[i][0] + 1 : at[i][0] + (at[i][1] + 1) / steps;
    const place = AXES[axis].place({ epochs, run, clock });
    if (place === null) return null;
    found[i] = place;
  }
  return found;
}

// The index of the number in sorted ones that is nearest to a value.
export function nearest(numbers, value) {
  const i = after(numbers, value);
  if (i === 0) return 0;
  return i === numbers.length || value - numbers[i - 1] <= numbers[i] - value ? i - 1 : i;
}

function plain(x) {
  return String(Number(x.toPrecision(6)));
}

function readNumber(text) {
  return /^\d*[.,]?\d+\.?$/.test(text) ? Number(text.replace(",", ".")) : null;
}

const UNITS = { d: 86400, h: 3600, min: 60, m: 60, s: 1 };

// Reads "90", "90 s", "1 h 30 min", "1.5h" and "1:30:00" as seconds; null is none of these.
function readDuration(text) {
  if (/^\d+(:\d+){1,2}$/.test(text)) return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  if (readNumber(text) !== null) return readNumber(text);
  const parts = [...text.matchAll(/(\d*[.,]?\d+)\s*(d|h|min|m|s)(?![a-z])\s*/gi)];
  if (!parts.length || parts.map(([whole]) => whole).join("") !== text) return null;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count.replace(",", ".")) * UNITS[unit.toLowerCase()], 0);
}
