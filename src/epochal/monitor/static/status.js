// How a run goes, in words and figures.

import { duration, title } from "./format.js";

// A run that says nothing for so long may have died without a word.
const QUIET = 120; // seconds

const SHORT = {
  running: "running", stopping: "stopping", quiet: "quiet", finished: "finished", early: "stopped early", nan: "NaN",
  stopped: "stopped", failed: "failed",
};

// How each state looks besides its colour, on a grid of 16.
const SHAPES = {
  running: "M5 3l8 5-8 5z",
  stopping: "M5 3l8 5-8 5z",
  quiet: "M8 2a6 6 0 1 0 .01 0zM7.2 4.5h1.6v4l2.6 1.6-.8 1.3-3.4-2.1z",
  finished: "M6.4 12.6L2 8.2l1.6-1.6 2.8 2.8L12.6 3 14.2 4.6z",
  early: "M3 2h1.6v12H3zM5.5 2.5H14l-2.5 3L14 8.5H5.5z",
  nan: "M8 1l7.5 13H.5zM7.2 5.5v4.5h1.6V5.5zm0 5.7v1.6h1.6v-1.6z",
  stopped: "M3.5 3.5h9v9h-9z",
  failed: "M3.7 2.3L8 6.6l4.3-4.3 1.4 1.4L9.4 8l4.3 4.3-1.4 1.4L8 9.4l-4.3 4.3-1.4-1.4L6.6 8 2.3 3.7z",
};

export function stateOf(run, now) {
  if (run.state !== "running") return run.state;
  if (now - run.seen > QUIET) return "quiet";
  return run.stopping ? "stopping" : "running";
}

export function isLive(run, now) {
  return run.state === "running" && now - run.seen <= QUIET;
}

export function short(state) {
  return SHORT[state] ?? state;
}

// The state with its reason: "failed: ValueError: … (train.py:12)".
export function told(run, now) {
  const state = stateOf(run, now);
  if (state === "quiet") return `quiet since ${roughly(now - run.seen)}`;
  if (state === "stopping") return "stopping at the end of this epoch";
  if (state === "nan") return run.reason || "ended by a NaN loss";
  return run.reason ? `${short(state)}: ${run.reason}` : short(state);
}

export function icon(state) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawn.setAttribute("viewBox", "0 0 16 16");
  drawn.setAttribute("aria-hidden", "true");
  drawn.classList.add("icon");
  drawn.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  turn(drawn, state);
  return drawn;
}

// Lets an icon show another state.
export function turn(drawn, state) {
  if (drawn.dataset.state === state) return;
  drawn.dataset.state = state;
  drawn.firstChild.setAttribute("d", SHAPES[state] ?? SHAPES.stopped);
  drawn.firstChild.setAttribute("fill-rule", "evenodd");
}

// The part of the run that is done, from 0 to 1; null where nobody knows how long it is to be.
export function share(run) {
  if (!run.epochs) return null;
  const within = run.batch !== null && run.batch !== undefined && run.steps ? run.batch / run.steps : 1;
  return Math.min(1, Math.max(0, (run.epoch + within) / run.epochs));
}

export function percent(run) {
  const done = share(run);
  return done === null ? "" : `${Math.floor(100 * done + 1e-9)}%`;
}

export function epochs(run) {
  return run.epochs ? `epoch ${run.epoch + 1} of ${run.epochs}` : `epoch ${run.epoch + 1}`;
}

// Seconds to the end by now; null where nobody knows, as after the last epoch: what callbacks still do isn't foreseen.
export function remaining(run, now) {
  if (!isLive(run, now) || run.eta === null || run.eta === undefined || share(run) === 1) return null;
  return Math.max(0, run.eta - Math.max(0, now - run.seen));
}

// How long something takes that nobody knows so well: "3 min".
export function roughly(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds >= 48 * 3600) return `${Math.round(seconds / 86400)} d`;
  if (seconds >= 2 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 60)} min`;
}

// A time as a narrow column shows it: "12m".
export function brief(seconds) {
  if (seconds < 5) return "now";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${Math.floor(seconds)}s`;
}

export function rate(run) {
  if (run.rate === null || run.rate === undefined) return "";
  if (run.rate < 0.5) return `${duration(1 / run.rate)} a step`;
  return `${run.rate >= 100 ? Math.round(run.rate).toLocaleString("en") : Number(run.rate.toPrecision(3))} steps/s`;
}

// What the browser's tab says: how the run goes that somebody most likely waits for.
export function tabTitle(runs, chosen, now) {
  const live = runs.filter((run) => isLive(run, now));
  const run = live.find(({ id }) => chosen.has(id)) ?? live[0];
  if (run) {
    const left = remaining(run, now);
    const parts = [percent(run) || epochs(run), left === null ? "" : `${roughly(left)} left`, title(run)];
    return parts.filter(Boolean).join(" · ") + (live.length > 1 ? ` (and ${live.length - 1} more)` : "");
  }
  const ended = chosen.size === 1 && runs.find(({ id }) => chosen.has(id));
  return ended ? `${short(stateOf(ended, now))} · ${title(ended)}` : "epochal monitor";
}
