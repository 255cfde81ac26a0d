// Which values a chart shows, and where its ticks stand.

import { multiples, nice } from "./axes.js";
import { after } from "./clock.js";
import { unit } from "./format.js";

const FEW = 8; // of fewer values none is far out
const FENCE = 2; // how many widths of the middle 90 % a value lies outside of it that is far out
const SAMPLE = 4000; // values from which the middle is told

// The range of values that lines show between two places of x, and how many lie outside of it or, on a log scale, have no place.
// `low` is null where there is no value.
export function span(lines, [from, to], { log, all }) {
  const posted = []; // values in sight
  const curved = []; // what smoothed curves have there, and lines where they leave
  let lost = 0;
  const bend = log ? Math.log10 : (value) => value;
  const drawn = (value) => value !== null && !(log && value <= 0);
  for (const { x, shown } of lines) {
    const [first, end] = [before(x, from), after(x, to)];
    shown.forEach((column, which) => {
      for (let i = first; i < end; i++) {
        if (drawn(column[i])) (which ? curved : posted).push(bend(column[i]));
        else if (column[i] !== null && !which) lost++;
      }
      for (const [place, i] of [[from, first], [to, end]]) {
        const value = i > 0 && i < x.length ? crossing(x, column, i, place) : null;
        if (drawn(value)) curved.push(bend(value));
      }
    });
  }
  const values = posted.concat(curved);
  if (!values.length) return { low: null, high: null, outside: 0, lost };
  const [least, most] = all || values.length < FEW ? [-Infinity, Infinity] : fences(values);
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least || value > most) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const outside = posted.filter((value) => value < least || value > most).length;
  return { ...(log ? powers(low, high) : padded(low, high)), outside, lost };
}

// The index of the first of sorted places that is not below one.
function before(x, place) {
  const i = after(x, place);
  return i > 0 && x[i - 1] === place ? i - 1 : i;
}

// The height at which a line crosses a place between its points i - 1 and i; null beside a gap.
function crossing(x, column, i, place) {
  const [a, b] = [column[i - 1], column[i]];
  return a === null || b === null ? null : a + ((place - x[i - 1]) / (x[i] - x[i - 1])) * (b - a);
}

// The values between which a few that are far out don't count.
function fences(values) {
  const stride = Math.ceil(values.length / SAMPLE);
  const sample = Float64Array.from({ length: Math.ceil(values.length / stride) }, (_, i) => values[i * stride]).sort();
  const margin = Math.ceil(sample.length * 0.05);
  const [low, high] = [sample[margin], sample[sample.length - 1 - margin]];
  const width = high - low;
  return width > 0 ? [low - FENCE * width, high + FENCE * width] : [-Infinity, Infinity];
}

function padded(low, high) {
  if (low === high) return low ? { low: low - Math.abs(low) / 2, high: high + Math.abs(high) / 2 } : { low: -1, high: 1 };
  const margin = (high - low) * 0.06;
  return { low: low >= 0 && low < margin ? 0 : low - margin, high: high + margin };
}

function powers(low, high) {
  const margin = low === high ? 0.5 : Math.max((high - low) * 0.06, 0.02);
  return { low: 10 ** (low - margin), high: 10 ** (high + margin) };
}

// Ticks of a scale with values of a metric, about so many: {at, words}, and `minor` places on a log scale.
export function ticks(low, high, most, metric, log) {
  const { factor, suffix } = unit(metric, Math.max(Math.abs(low), Math.abs(high)));
  const [from, to] = [low / factor, high / factor];
  const decades = log ? Math.floor(Math.log10(to) + 1e-9) - Math.ceil(Math.log10(from) - 1e-9) + 1 : 0;
  const found = decades >= 2 ? decadeTicks(from, to, most) : fineTicks(from, to, most, log);
  const words = log ? found.map(power) : written(found);
  return {
    at: found.map((value) => value * factor),
    words: words.map((word) => (suffix ? `${word} ${suffix}` : word)),
    minor: decades >= 2 && decades <= 10 ? minorTicks(from, to).map((value) => value * factor) : [],
  };
}

function decadeTicks(from, to, most) {
  const [first, last] = [Math.ceil(Math.log10(from) - 1e-9), Math.floor(Math.log10(to) + 1e-9)];
  const stride = Math.ceil((last - first + 1) / most);
  const found = [];
  for (let power = Math.ceil(first / stride) * stride; power <= last; power += stride) found.push(Number(`1e${power}`));
  return found;
}

function fineTicks(from, to, most, log) {
  if (log && to / from > 4) {
    const power = 10 ** Math.floor(Math.log10(from));
    const found = [1, 2, 5, 10, 20, 50, 100].map((digit) => Number((digit * power).toPrecision(6))).filter((value) => value >= from && value <= to);
    if (found.length > 2) return found;
  }
  return multiples(from, to, nice((to - from) / most));
}

function minorTicks(from, to) {
  const found = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.log10(to); power++) {
    for (let digit = 2; digit < 10; digit++) {
      const value = digit * 10 ** power;
      if (value > from && value < to) found.push(value);
    }
  }
  return found;
}

function power(value) {
  return value >= 0.01 && value < 1e5 ? String(value) : value.toExponential().replace("e+", "e");
}

// Ticks with as many digits as tell them apart.
function written(values) {
  const size = Math.max(...values.map(Math.abs), 0);
  const step = values.length > 1 ? Math.min(...values.slice(1).map((value, i) => value - values[i])) : size;
  if (size >= 1e6 || (size > 0 && size < 1e-3)) {
    const digits = Math.max(0, Math.floor(Math.log10(size) + 1e-9) - Math.floor(Math.log10(step) + 1e-9));
    return values.map((value) => (value === 0 ? "0" : value.toExponential(Math.min(digits, 10)).replace("e+", "e")));
  }
  const digits = Math.min(Math.max(0, -Math.floor(Math.log10(step || 1) + 1e-9)), 12);
  return values.map((value) => (values.length > 1 ? value.toFixed(digits) : String(Number(value.toPrecision(4)))));
}
