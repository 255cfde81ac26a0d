// What the page shows, as its address says it: a link leads others to the same picture.

// A setting: its value where the address has none, how it is read from the address (undefined: no such value) and written into it.
const SETTINGS = {
  runs: { usual: [], read: (text) => decoded(text.split(",").filter(Boolean)), write: (ids) => ids.map(encodeURIComponent).join(",") },
  view: oneOf("charts", "table", "compare"),
  x: oneOf("epoch", "step", "time"),
  log: flag(),
  all: flag(), // values that lie far out, too
  smoothing: { usual: 0, read: (text) => within(number(text), 0, 0.98), write: String },
  range: { usual: null, read: readRange, write: (range) => range.map((end) => end ?? "").join(":") }, // [first, last] of x; null: open
};

// Reads `#runs=a,b&log=1`; what an address has mistyped is as it usually is.
export function read(hash) {
  const said = new Map(hash.replace(/^#/, "").split("&").map((part) => [part.split("=", 1)[0], part.slice(part.indexOf("=") + 1)]));
  const entries = Object.entries(SETTINGS);
  return Object.fromEntries(entries.map(([name, { usual, read }]) => [name, (said.has(name) ? read(said.get(name)) : undefined) ?? usual]));
}

// The address's part for a view: "" where all is as usual.
export function format(view) {
  const unusual = Object.entries(SETTINGS).filter(([name, { usual }]) => JSON.stringify(view[name]) !== JSON.stringify(usual));
  const parts = unusual.map(([name, { write }]) => `${name}=${write(view[name])}`);
  return parts.length ? `#${parts.join("&")}` : "";
}

function oneOf(...values) {
  return { usual: values[0], read: (text) => values.find((value) => value === text), write: String };
}

function flag() {
  return { usual: false, read: (text) => (text === "1" ? true : undefined), write: () => "1" };
}

function number(text) {
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function within(value, least, most) {
  return value >= least && value <= most ? value : undefined;
}

function decoded(parts) {
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function readRange(text) {
  const ends = text.split(":").map((end) => number(end) ?? null);
  if (ends.length !== 2 || ends.some((end) => end !== null && end < 0)) return undefined;
  const [first, last] = ends;
  if (first === null && last === null) return undefined;
  return first !== null && last !== null && first >= last ? undefined : ends;
}
