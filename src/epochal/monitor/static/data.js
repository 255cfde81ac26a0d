// What the server knows, kept up to date: the list of runs by its events, and the points of chosen runs.

import { AXES } from "./axes.js";
import { Clock } from "./clock.js";

const WIDTH = 900; // pixels of a chart that points are thinned for
const RETRY = 2000; // milliseconds after which what failed is tried again
const TOO_MANY = 4 * WIDTH; // points of a series after which it is asked for again, thinned
const AGAIN = 2000; // milliseconds between two askings for a smoothed curve that can't be continued here
const OVERLAP = 1000; // milliseconds after an answer in which messages may still tell of points that it had

export class Data extends EventTarget {
  runs = new Map();
  points = new Map(); // run id → {series: Map, clock, pending: [] while it is fetched, again: false, fetched: when, weight: of smoothing, timer}
  smoothing = 0; // what smoothed curves are asked for with
  x = "epoch"; // the axis that the range is of
  range = null; // [first, last] on the axis; an end that is null is open
  offset = 0; // server's clock minus ours, in seconds
  limit = 500; // runs that are listed
  total = 0; // runs that the server has
  #waiting = null; // changes that come while the list is read
  #asked = new Set(); // runs beyond the list that were asked for

  constructor() {
    super();
    addEventListener("pageshow", ({ persisted }) => persisted && this.connect());
  }

  now() {
    return Date.now() / 1000 + this.offset;
  }

  // Listens to the server. A page that the browser only keeps for the way back lets go of its connection, of which there are few.
  connect() {
    const source = new EventSource("/api/events");
    addEventListener("pagehide", () => source.close(), { once: true });
    source.onopen = () => this.#emit("connection", "live");
    source.onerror = async () => {
      this.#emit("connection", "lost");
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again
      const refused = await fetch("/api/runs").then((answer) => (answer.ok ? "" : answer.text()), () => "");
      if (refused) this.#emit("refused", refused);
      setTimeout(() => this.connect(), RETRY);
    };
    source.addEventListener("reset", () => this.reload());
    source.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      if (this.#waiting) this.#waiting.push(change);
      else this.#change(change);
    });
  }

  // Reads the list of runs, until that succeeds. What changes meanwhile comes on top.
  async reload() {
    const waiting = (this.#waiting = []);
    let found;
    try {
      found = await fetchJSON(`/api/runs?limit=${this.limit}`);
    } catch {
      setTimeout(() => this.#waiting === waiting && this.reload(), RETRY);
      return;
    }
    if (this.#waiting !== waiting) return; // another reset came
    this.#waiting = null;
    this.offset = found.now - Date.now() / 1000;
    this.needsToken = found.token;
    this.total = found.total;
    this.runs = new Map(found.runs.map((run) => [run.id, run]));
    this.#asked.clear();
    for (const id of [...this.points.keys()]) {
      if (this.runs.has(id)) this.fetch(id);
      else this.points.delete(id);
    }
    waiting.forEach((change) => this.#change(change));
    this.#emit("runs");
  }

  // Lists all runs, as far as the server lists any.
  listAll() {
    this.limit = 20_000;
    return this.reload();
  }

  choose(ids) {
    for (const id of [...this.points.keys()]) if (!ids.includes(id)) this.points.delete(id);
    for (const id of ids) {
      if (!this.runs.has(id)) this.#find(id);
      else if (!this.points.has(id)) this.fetch(id);
    }
  }

  // Asks once for a chosen run that isn't among the listed ones.
  async #find(id) {
    if (this.total <= this.runs.size || this.#asked.has(id)) return;
    this.#asked.add(id);
    const found = await fetchJSON(`/api/runs/${encodeURIComponent(id)}?width=1`).catch(() => null);
    if (!found || this.runs.has(id)) return;
    const { series, ...run } = found;
    this.runs.set(id, run);
    this.#emit("runs");
  }

  // Fetches what a view needs, if it needs other points than before.
  show({ x, range, smoothing }) {
    const [before, now] = [[this.range && this.x, this.range, this.smoothing], [range && x, range, smoothing]];
    Object.assign(this, { x, range, smoothing });
    if (JSON.stringify(before) !== JSON.stringify(now)) for (const id of this.points.keys()) this.fetch(id);
  }

  // Fetches a run's points. What arrives meanwhile is put on top, so nothing falls between.
  async fetch(id) {
    let entry = this.points.get(id);
    if (!entry) {
      entry = { series: new Map(), clock: new Clock(), pending: null, again: false, fetched: 0, weight: 0, timer: null };
      this.points.set(id, entry);
    }
    if (entry.pending) {
      entry.again = true;
      return;
    }
    entry.pending = [];
    const asked = this.#epochs(id, this.range);
    const query = `width=${WIDTH}&first=${epochAt(Math.floor(asked[0]) - 2)}&last=${epochAt(Math.ceil(asked[1]))}`;
    const weight = this.smoothing;
    try {
      const run = await fetchJSON(`/api/runs/${encodeURIComponent(id)}?${query}&smoothing=${weight}`);
      entry.series = new Map(run.series.map((series) => [`${series.grain} ${series.metric}`, kept(series)]));
      const timed = entry.clock.known;
      learn(entry.clock, run.series);
      if (this.x === "time" && this.range && !timed && entry.clock.known) entry.again = true; // now the range's epochs are known
      entry.fetched = performance.now();
      entry.weight = weight;
      for (const part of entry.pending) this.#add(id, entry, part);
    } catch {
      setTimeout(() => this.points.get(id) === entry && this.runs.has(id) && this.fetch(id), RETRY);
    }
    entry.pending = null;
    if (entry.again) {
      entry.again = false;
      this.fetch(id);
    }
    this.#emit("points", [id]);
  }

  // Returns the last rows of a run in a range of the axis.
  async rows(id, range) {
    const [first, last] = this.#epochs(id, range);
    const query = `limit=200&first=${epochAt(Math.ceil(first) - 1)}&last=${epochAt(Math.floor(last) - 1)}`;
    return fetchJSON(`/api/runs/${encodeURIComponent(id)}/rows?${query}`);
  }

  // Deletes a run; returns "", or why that failed.
  async remove(id) {
    try {
      const answer = await fetch(`/api/runs/${encodeURIComponent(id)}`, { method: "DELETE" });
      return answer.ok || answer.status === 404 ? "" : await answer.text();
    } catch {
      return "the monitor can't be reached";
    }
  }

  // The epochs done at both ends of a range; all of them where the run doesn't say what its places are.
  #epochs(id, range) {
    const [run, clock] = [this.runs.get(id), this.points.get(id)?.clock];
    const done = (x, open) => (x === null || !run || !clock ? open : (AXES[this.x].epochs(x, run, clock) ?? open));
    return range ? [done(range[0], 0), done(range[1], 2 ** 53)] : [0, 2 ** 53];
  }

  #change({ now, runs, points, removed }) {
    this.offset = now - Date.now() / 1000;
    for (const id of removed) {
      if (this.runs.delete(id)) this.total--;
      this.points.delete(id);
    }
    for (const run of runs) {
      if (!this.runs.has(run.id)) this.total++;
      this.runs.set(run.id, run);
    }
    const changed = [];
    for (const [id, series] of Object.entries(points)) {
      const entry = this.points.get(id);
      if (!entry) continue;
      entry.pending?.push(series);
      this.#add(id, entry, series);
      changed.push(id);
    }
    this.#emit("runs");
    if (changed.length || removed.length) this.#emit("points", changed);
  }

  // Puts new points into place. Smoothed curves are continued, or asked for again where that can't be done here.
  #add(id, entry, series) {
    const overlaps = performance.now() - entry.fetched < OVERLAP;
    learn(entry.clock, series);
    const { longest, broken } = add(entry.series, series, this.range && this.#epochs(id, this.range), entry.weight, overlaps);
    if (longest > TOO_MANY) this.fetch(id);
    else if (broken) {
      entry.timer ??= setTimeout(() => {
        entry.timer = null;
        if (this.points.get(id) === entry) this.fetch(id);
      }, Math.max(0, entry.fetched + AGAIN - performance.now()));
    }
  }

  #emit(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

async function fetchJSON(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status} ${address}`);
  return answer.json();
}

// A number that the server takes for an epoch.
function epochAt(number) {
  return Math.min(2 ** 53, Math.max(0, number));
}

// A series as it came from the server. `version` grows with each change, `text` says that not all values are numbers.
function kept({ metric, grain, epoch, batch, value, smooth, mean, share }) {
  const at = epoch.map((e, i) => [e, batch ? batch[i] : Infinity]);
  return { metric, grain, at, value, smooth, mean, share, version: 0, text: value.some((v) => typeof v === "string") };
}

function learn(clock, series) {
  for (const { metric, grain, epoch, value } of series) if (metric === "seconds" && grain === "epoch") clock.learn(epoch, value);
}

// Puts points into place. Returns the length of the longest series, and whether a smoothed curve lacks points that were
// thinned away, or has others now than it was computed of. Points that overlap an answer are in its curve already.
function add(into, series, range, weight, overlaps) {
  let longest = 0;
  let broken = false;
  for (const { metric, grain, epoch, batch, value, thinned } of series) {
    const key = `${grain} ${metric}`;
    if (!into.has(key)) {
      into.set(key, { metric, grain, at: [], value: [], version: 0, text: false, ...(weight ? { smooth: [], mean: 0, share: 0 } : {}) });
    }
    const line = into.get(key);
    line.version++;
    line.text ||= value.some((v) => typeof v === "string");
    value.forEach((v, i) => {
      if (range && !(epoch[i] >= range[0] - 2 && epoch[i] <= range[1])) return;
      const at = [epoch[i], batch ? batch[i] : Infinity];
      if (line.smooth && overlaps && line.at.length && before(at, line.at[line.at.length - 1])) return;
      if (!put(line, at, v, weight) && line.smooth) broken = true;
    });
    if (thinned && line.smooth) broken = true;
    longest = Math.max(longest, line.at.length);
  }
  return { longest, broken };
}

// Puts one point into place; returns whether it came at the end, or was there already.
function put(line, at, value, weight) {
  let place = line.at.length;
  while (place > 0 && before(at, line.at[place - 1])) place--;
  const there = place > 0 && !before(line.at[place - 1], at);
  if (there) {
    const same = line.value[place - 1] === value;
    line.value[place - 1] = value;
    return same;
  }
  const atEnd = place === line.at.length;
  line.at.splice(place, 0, at);
  line.value.splice(place, 0, value);
  line.smooth?.splice(place, 0, atEnd ? continued(line, value, weight) : (line.smooth[place] ?? null));
  return atEnd;
}

// The exponential mean after one more value, as the server computes it; gaps stay gaps.
function continued(line, value, weight) {
  if (value === null) return null;
  line.mean = weight * line.mean + (1 - weight) * value;
  line.share = weight * line.share + (1 - weight);
  return line.mean / line.share;
}

function before(a, b) {
  return a[0] !== b[0] ? a[0] < b[0] : a[1] < b[1];
}
