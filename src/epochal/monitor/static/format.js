// How things are called and written.

const NARROW = 7; // letters of a figure in the list

export function title(run) {
  if (run.name) return run.name;
  return run.id.startsWith("~") ? run.client : `run ${run.id.slice(0, 6)}`;
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

// A value in the few letters that a narrow column has: "12.3", "1.23e8", "-3e-300".
export function compact(value, metric) {
  const text = quantity(value, metric);
  if (typeof value !== "number" || text.length <= NARROW) return text;
  const shorter = [3, 2, 1].map((digits) => quantity(Number(value.toPrecision(digits)), metric));
  const powers = [2, 1, 0].map((digits) => value.toExponential(digits).replace("e+", "e"));
  return [...shorter, ...powers].find((text) => text.length <= NARROW) ?? powers[2];
}

// A value of a metric, in the unit that reads well: "3.2 GB", "74 %", "12.5 ms".
export function quantity(value, metric) {
  if (typeof value !== "number") return number(value);
  const { factor, suffix } = unit(metric, Math.abs(value));
  return suffix ? `${Number((value / factor).toPrecision(3))} ${suffix}` : number(value);
}

const BYTES = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];

// The unit for values of a metric up to `largest`: what they are divided by, and what stands behind them.
export function unit(metric, largest) {
  const name = family(metric);
  const units = /^system\/.*memory$/.test(name) ? BYTES : name === "step_time" ? SECONDS : name === "system/cpu" ? [[1, "%"]] : [[1, ""]];
  const [factor, suffix] = units.find(([size]) => largest >= size) ?? units[units.length - 1];
  return { factor, suffix };
}

export function duration(seconds) {
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
  const whole = Math.round(seconds);
  const counts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  const first = counts.findIndex(([count]) => count > 0);
  return counts.slice(first, first + 2).filter(([count]) => count > 0).map((part) => part.join(" ")).join(" ");
}

export function age(seconds) {
  if (seconds < 5) return "now";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

export function family(metric) {
  return metric.startsWith("val_") ? metric.slice(4) : metric;
}
