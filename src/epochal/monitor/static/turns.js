// What is to be drawn, drawn in turn: a little in each frame, so that the page answers whoever uses it.

const BUDGET = 8; // milliseconds of a frame
const REST = 2; // how many times as long as the last drawing took the next one waits, so that it takes a third of the time

export class Turns {
  #waiting = new Map(); // what it is of → how it is drawn
  #running = false;

  // Has something drawn; of the same thing only what was asked for last.
  ask(key, draw) {
    this.#waiting.set(key, draw);
    if (!this.#running) this.#run();
  }

  forget(key) {
    this.#waiting.delete(key);
  }

  async #run() {
    this.#running = true;
    while (this.#waiting.size) {
      const started = await frame();
      do this.#next();
      while (this.#waiting.size && performance.now() - started < BUDGET);
      const cost = (await frame()) - started; // by now it is on the screen
      if (cost > 4 * BUDGET) await new Promise((done) => setTimeout(done, REST * cost));
    }
    this.#running = false;
  }

  #next() {
    const [key, draw] = this.#waiting.entries().next().value ?? [];
    this.#waiting.delete(key);
    try {
      draw?.();
    } catch (error) {
      reportError(error); // the others are drawn all the same
    }
  }
}

function frame() {
  return new Promise((done) => requestAnimationFrame(() => done(performance.now())));
}
