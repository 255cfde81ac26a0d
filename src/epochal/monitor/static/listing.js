// Which runs the list shows, and in which order.

import { title } from "./format.js";
import { short, stateOf } from "./status.js";

const MAIN = ["val_loss", "loss"];

// What somebody has typed to find runs by: words that a run must all have, or /an expression/, which `match(pattern)`
// tries, see matcher.js. Returns `matches(run)`, and what was meant in words, or why it means nothing.
export function filter(typed, now, match) {
  const text = typed.trim();
  if (!text) return { matches: () => true, means: "", wrong: "" };
  const expression = text.match(/^\/(.+)\/(i?)$/s);
  if (expression) {
    let pattern;
    try {
      pattern = new RegExp(expression[1], `${expression[2]}u`);
    } catch (error) {
      return { matches: () => true, means: "", wrong: `Not a regular expression: ${error.message.split(": ").pop()}` };
    }
    const { test, waiting, failed } = match(pattern);
    const wrong = failed ? "This expression takes too long: a repetition within a repetition, such as (a+)+, can take for ever" : "";
    return { matches: (run) => test(title(run)), means: waiting || failed ? "" : `match ${text}`, wrong };
  }
  const words = text.toLowerCase().split(/\s+/);
  const matches = (run) => {
    const found = `${title(run)}\n${(run.tags ?? []).join("\n")}\n${short(stateOf(run, now))}\n${run.id}`.toLowerCase();
    return words.every((word) => found.includes(word));
  };
  return { matches, means: `contain “${text}”`, wrong: "" };
}

// The metrics of which runs know their best, by name.
export function bestMetrics(runs) {
  const names = new Set();
  for (const run of runs) for (const name in run.best) names.add(name);
  return [...names].sort();
}

// The metric that the list shows of each run: what it is sorted by, or what most runs have.
export function mainMetric(runs, sort) {
  if (sort.startsWith("best ")) return sort.slice(5);
  const counts = new Map();
  for (const run of runs) for (const name in run.last) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const name of MAIN) if (counts.has(name)) counts.set(name, counts.get(name) + 0.5);
  return [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ["", 0])[0];
}

export function mainValue(run, metric, sort) {
  return sort.startsWith("best ") ? run.best?.[metric]?.value : run.last[metric];
}

export function ordered(runs, sort) {
  const newest = (a, b) => b.started - a.started;
  if (sort === "name") return [...runs].sort((a, b) => compareText(title(a), title(b)) || newest(a, b));
  if (sort === "heard") return [...runs].sort((a, b) => minute(b.seen) - minute(a.seen) || newest(a, b));
  if (!sort.startsWith("best ")) return [...runs].sort(newest);
  const metric = sort.slice(5);
  const sign = runs.some((run) => run.best?.[metric]?.higher) ? -1 : 1;
  const value = (run) => run.best?.[metric]?.value ?? null;
  return [...runs].sort((a, b) => compareKnown(value(a), value(b), (x, y) => sign * (x - y)) || newest(a, b));
}

// Runs that all go on would change places four times a second.
function minute(time) {
  return Math.floor(time / 60);
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
export const compareText = collator.compare;

// Orders two values of which nobody may know one: that comes last.
export function compareKnown(a, b, compare) {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  return b === null || b === undefined ? -1 : compare(a, b);
}

// The lines of the list: pinned runs, then the others, by the prefix of their names if they are grouped. A line is
// {key, run, level} or {key, group, runs, open}; `cut` says how much of a run's name its group has said already.
export function lines(runs, { pinned, grouped, closed }) {
  const on = runs.filter((run) => pinned.has(run.id)).map((run) => ({ key: run.id, run, level: 1, cut: 0 }));
  const others = runs.filter((run) => !pinned.has(run.id));
  if (on.length) on.at(-1).last = true;
  if (!grouped) return [...on, ...others.map((run) => ({ key: run.id, run, level: 1, cut: 0 }))];
  const made = [...on];
  const groups = new Map();
  for (const run of others) {
    const prefix = prefixOf(run);
    if (!groups.has(prefix)) groups.set(prefix, []);
    groups.get(prefix).push(run);
  }
  for (const [prefix, members] of groups) {
    const open = !closed.has(prefix);
    made.push({ key: `/${prefix}`, group: prefix, runs: members, open, level: 1 });
    if (open) made.push(...members.map((run) => ({ key: run.id, run, level: 2, cut: prefix ? prefix.length + 1 : 0 })));
  }
  return made;
}

function prefixOf(run) {
  const name = title(run);
  const at = name.indexOf("/");
  return at > 0 && at < name.length - 1 ? name.slice(0, at) : "";
}
