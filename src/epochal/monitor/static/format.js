// How things are called and written.

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

export function age(seconds) {
  if (seconds < 5) return "now";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

// A run that says nothing for so long may have died without a word.
const QUIET = 120;

export function state(run, now) {
  return run.state === "running" && now - run.seen > QUIET ? "quiet" : run.state;
}

export function progress(run) {
  const done = run.epoch + 1;
  return run.epochs ? `epoch ${done} of ${run.epochs}` : `epoch ${done}`;
}

// Plotly reads markup in names; ours are text.
export function inert(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

export function family(metric) {
  return metric.startsWith("val_") ? metric.slice(4) : metric;
}
