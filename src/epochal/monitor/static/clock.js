// When a run did which epoch, as its series `seconds` tells: seconds of training at the end of each epoch.

export class Clock {
  #epochs = [0]; // epochs done, and the seconds that they took; between these training goes evenly
  #seconds = [0];
  version = 0;

  get known() {
    return this.#epochs.length > 1;
  }

  // Takes points of `seconds`, of any part of the run.
  learn(epochs, seconds) {
    this.version++;
    epochs.forEach((epoch, i) => {
      if (typeof seconds[i] !== "number") return;
      const done = epoch + 1;
      const place = after(this.#epochs, done);
      const there = this.#epochs[place - 1] === done;
      this.#epochs.splice(there ? place - 1 : place, there ? 1 : 0, done);
      this.#seconds.splice(there ? place - 1 : place, there ? 1 : 0, seconds[i]);
    });
  }

  // The seconds after so many epochs, which may be a fraction.
  seconds(epochs) {
    return between(this.#epochs, this.#seconds, epochs);
  }

  // The epochs done after so many seconds.
  epochs(seconds) {
    return between(this.#seconds, this.#epochs, seconds);
  }
}

// The place of the first of sorted numbers that is above `value`.
export function after(numbers, value) {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// On the straight lines through the points (from, to); beyond the last two goes on as between them.
function between(from, to, value) {
  const i = Math.min(Math.max(after(from, value), 1), from.length - 1);
  const width = from[i] - from[i - 1];
  return width > 0 ? to[i - 1] + ((value - from[i - 1]) / width) * (to[i] - to[i - 1]) : to[i];
}
