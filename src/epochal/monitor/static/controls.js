// The fields above the charts: what they say is the view, and what the view is they show.

import { AXES } from "./axes.js";
import { $, write } from "./dom.js";

export class Controls {
  // `changed()` is called after the view has changed; `end()` is the last place of the axis so far.
  constructor(view, { changed, end }) {
    Object.assign(this, { view, changed, end });
    for (const box of views()) box.addEventListener("change", () => this.#set({ view: box.value }));
    $("x").addEventListener("change", () => this.#set({ x: $("x").value, range: null }));
    $("log").addEventListener("change", () => this.#set({ log: $("log").checked }));
    $("all").addEventListener("change", () => this.#set({ all: $("all").checked }));
    $("smoothing").addEventListener("input", () => this.#set({ smoothing: Number($("smoothing").value) }));
    for (const id of ["first", "last"]) $(id).addEventListener("change", () => this.#typed());
    $("whole").addEventListener("click", () => this.zoom(null));
    this.show();
  }

  zoom(range) {
    this.#say("");
    this.#set({ range });
  }

  showAll() {
    this.#set({ all: true });
    $("all").focus();
  }

  // Writes the view into the fields.
  show() {
    const { view, x, log, all, smoothing, range } = this.view;
    for (const box of views()) box.checked = box.value === view;
    $("x").value = x;
    $("log").checked = log;
    $("all").checked = all;
    $("smoothing").value = smoothing;
    write($("smoothing-value"), String(smoothing));
    const axis = AXES[x];
    const written = (place) => (place === null || place === undefined ? "" : axis.write(place));
    $("first").value = written(range?.[0]);
    $("last").value = written(range?.[1]);
    for (const [id, words] of [["first", "from"], ["last", "up to"]]) $(id).setAttribute("aria-label", `Show ${words} ${NOUNS[x]}`);
    write($("unit"), UNITS[x]);
  }

  #set(settings) {
    Object.assign(this.view, settings);
    this.show();
    this.changed();
  }

  // Takes two ends as they are typed: in either order, and not beyond what there is.
  #typed() {
    const axis = AXES[this.view.x];
    const texts = [$("first").value.trim(), $("last").value.trim()];
    const ends = texts.map((text) => (text === "" ? null : axis.read(text)));
    const wrong = texts.find((text, i) => text !== "" && ends[i] === null);
    if (wrong !== undefined) {
      this.show();
      this.#say(`“${wrong}” isn’t understood: write ${EXAMPLES[this.view.x]}`);
      return;
    }
    const end = this.end();
    const [range, words] = meant(ends, end, this.view.x === "epoch" ? 1 : end / 100);
    this.#say(words && `${words} ${axis.write(end)} ${UNITS[this.view.x]}`.trim());
    this.#set({ range });
  }

  #say(words) {
    write($("range-said"), words);
  }
}

const NOUNS = { epoch: "epoch", step: "step", time: "time of training" };
const UNITS = { epoch: "epochs", step: "steps", time: "" };
const EXAMPLES = { epoch: "a number, such as 12", step: "a number, such as 5000", time: "a time, such as 90 s, 5 min or 1:30:00" };

function views() {
  return document.querySelectorAll("input[name=view]");
}

// The range that two typed ends mean (null: open) where the axis ends at `end`, and words if that isn't what was typed.
export function meant([first, last], end, least) {
  if (first !== null && last !== null && first > last) [first, last] = [last, first];
  let words = "";
  if (last !== null && last > end) [last, words] = [null, "so far there are"];
  if (first !== null && first >= end) [first, last, words] = [Math.max(0, end - least), null, "so far there are"];
  if (first !== null && first === last) first = Math.max(0, last - least);
  if (first === 0) first = null;
  return [first === null && last === null ? null : [first, last], words];
}
