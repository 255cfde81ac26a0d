// Which names match a regular expression. A worker finds out, for some expressions take longer than anybody waits.

const LIMIT = 1500; // milliseconds

export class Matcher {
  #asked = ""; // the expression
  #known = new Map(); // name → whether it matches
  #worker = null;
  #late = null; // the timer that ends the worker
  #failed = false;

  // `changed()` is called when more is known.
  constructor(changed) {
    this.changed = changed;
  }

  // Returns a test for names, whether it is still that of the expression before, and whether this one takes too long.
  match(pattern, names) {
    if (String(pattern) !== this.#asked) {
      this.#end();
      this.#asked = String(pattern);
      this.#failed = false;
      this.#ask(pattern, names, new Map());
    } else if (!this.#worker && !this.#failed) {
      const others = names.filter((name) => !this.#known.has(name));
      if (others.length) this.#ask(pattern, others, this.#known);
    }
    return { test: (name) => this.#failed || (this.#known.get(name) ?? true), waiting: Boolean(this.#worker), failed: this.#failed };
  }

  #ask(pattern, names, known) {
    this.#worker = new Worker(new URL("matching.js", import.meta.url));
    this.#worker.onmessage = ({ data }) => {
      names.forEach((name, i) => known.set(name, data[i]));
      this.#known = known;
      this.#end();
      this.changed();
    };
    this.#late = setTimeout(() => {
      this.#failed = true;
      this.#end();
      this.changed();
    }, LIMIT);
    this.#worker.postMessage({ pattern, names });
  }

  #end() {
    clearTimeout(this.#late);
    this.#worker?.terminate();
    this.#worker = null;
  }
}
