// What the server knows, kept up to date: the list of runs by its events, and the points of chosen runs.

const WIDTH = 900; // pixels of a chart that points are thinned for
const RETRY = 2000; // milliseconds after which what failed is tried again
const TOO_MANY = 4 * WIDTH; // points of a series after which it is asked for again, thinned

export class Data extends EventTarget {
  runs = new Map();
  points = new Map(); // run id → {series: Map, pending: [] while it is fetched, again: false}
  range = null; // [first, last] in epochs done
  offset = 0; // server's clock minus ours, in seconds
  #waiting = null; // changes that come while the list is read

  now() {
    return Date.now() / 1000 + this.offset;
  }

  connect() {
    const source = new EventSource("/api/events");
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
      found = await fetchJSON("/api/runs");
    } catch {
      setTimeout(() => this.#waiting === waiting && this.reload(), RETRY);
      return;
    }
    if (this.#waiting !== waiting) return; // another reset came
    this.#waiting = null;
    this.offset = found.now - Date.now() / 1000;
    this.needsToken = found.token;
    this.runs = new Map(found.runs.map((run) => [run.id, run]));
    for (const id of [...this.points.keys()]) {
      if (this.runs.has(id)) this.fetch(id);
      else this.points.delete(id);
    }
    waiting.forEach((change) => this.#change(change));
    this.#emit("runs");
  }

  choose(ids) {
    for (const id of [...this.points.keys()]) if (!ids.includes(id)) this.points.delete(id);
    for (const id of ids) if (!this.points.has(id)) this.fetch(id);
  }

  show(range) {
    this.range = range;
    for (const id of this.points.keys()) this.fetch(id);
  }

  // Fetches a run's points. What arrives meanwhile is put on top, so nothing falls between.
  async fetch(id) {
    let entry = this.points.get(id);
    if (!entry) this.points.set(id, (entry = { series: new Map(), pending: null, again: false }));
    if (entry.pending) {
      entry.again = true;
      return;
    }
    entry.pending = [];
    const [first, last] = this.range || [0, 2 ** 53];
    const query = `width=${WIDTH}&first=${Math.max(0, Math.floor(first) - 2)}&last=${Math.min(2 ** 53, Math.ceil(last))}`;
    try {
      const run = await fetchJSON(`/api/runs/${encodeURIComponent(id)}?${query}`);
      entry.series = new Map();
      for (const part of [run.series, ...entry.pending]) add(entry.series, part);
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

  // Returns the last rows of a run between two numbers of epochs done.
  async rows(id, range) {
    const [first, last] = range || [0, 2 ** 53];
    const query = `limit=200&first=${Math.max(0, Math.ceil(first) - 1)}&last=${Math.max(0, Math.floor(last) - 1)}`;
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

  #change({ now, runs, points, removed }) {
    this.offset = now - Date.now() / 1000;
    for (const id of removed) {
      this.runs.delete(id);
      this.points.delete(id);
    }
    for (const run of runs) {
      const known = this.runs.get(run.id);
      this.runs.set(run.id, run);
      if (known?.state !== run.state) this.#emit("state", run);
    }
    const changed = [];
    for (const [id, series] of Object.entries(points)) {
      const entry = this.points.get(id);
      if (!entry) continue;
      entry.pending?.push(series);
      if (add(entry.series, series, this.range) > TOO_MANY) this.fetch(id);
      changed.push(id);
    }
    this.#emit("runs");
    if (changed.length || removed.length) this.#emit("points", changed);
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

// Puts points into place and returns the length of the longest series.
function add(into, series, range) {
  let longest = 0;
  for (const { metric, grain, epoch, batch, value } of series) {
    const key = `${grain} ${metric}`;
    let kept = into.get(key);
    if (!kept) into.set(key, (kept = { metric, grain, at: [], value: [] }));
    value.forEach((v, i) => {
      if (!range || (epoch[i] >= range[0] - 2 && epoch[i] <= range[1])) put(kept, [epoch[i], batch ? batch[i] : Infinity], v);
    });
    longest = Math.max(longest, kept.at.length);
  }
  return longest;
}

function put(kept, at, value) {
  let place = kept.at.length;
  while (place > 0 && before(at, kept.at[place - 1])) place--;
  if (place > 0 && !before(kept.at[place - 1], at)) kept.value[place - 1] = value;
  else {
    kept.at.splice(place, 0, at);
    kept.value.splice(place, 0, value);
  }
}

function before(a, b) {
  return a[0] !== b[0] ? a[0] < b[0] : a[1] < b[1];
}
