// What runs were set to.

const MOST = 200; // runs in one question
const AGAIN = 2; // seconds between two questions for a run

export class Configs {
  #known = new Map(); // run id → {flat key: value}
  #asked = new Map(); // run id → {at, seen, state} when it was asked for last

  constructor(changed) {
    this.changed = changed;
  }

  // Returns a run's settings by their flat keys, or undefined as long as they haven't come.
  get(id) {
    return this.#known.get(id);
  }

  // Asks for what isn't known yet. A run's client sends its settings after the first values, and again when it is resumed.
  async want(runs) {
    const now = performance.now() / 1000;
    const missing = runs.filter((run) => this.#isDue(run, now)).slice(0, MOST);
    if (!missing.length) return;
    for (const { id, seen, state } of missing) this.#asked.set(id, { at: now, seen, state });
    try {
      const answer = await fetch(`/api/configs?runs=${missing.map(({ id }) => encodeURIComponent(id)).join(",")}`);
      if (!answer.ok) return;
      const { configs } = await answer.json();
      for (const { id } of missing) this.#known.set(id, configs[id] ?? {});
      this.changed();
    } catch {
      // the next drawing asks again
    }
  }

  #isDue({ id, seen, state }, now) {
    const asked = this.#asked.get(id);
    if (!asked) return true;
    if (now - asked.at < AGAIN) return false;
    const known = this.#known.get(id);
    if (!known || asked.state !== state) return true;
    return Object.keys(known).length === 0 && asked.seen !== seen;
  }
}

export function setting(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? precise(value) : String(value);
}

// A setting is written whole: parameters are counted, learning rates compared.
function precise(value) {
  return Number.isSafeInteger(value) && Math.abs(value) >= 10_000 ? value.toLocaleString("en").replaceAll(",", " ") : String(value);
}
