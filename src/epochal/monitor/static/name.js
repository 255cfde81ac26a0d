// A name where there may be too little room for it: its beginning is cut, its end stays in sight, for that is where sweeps differ.

import { element, write } from "./dom.js";

const TAIL = 8; // letters at the end of a long name

// Words from right to left would change places if they were in two parts.
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\u200f\u202b\u202e\u2067]/u;

export function name(text = "") {
  const made = element("span", { className: "name", dir: "auto" }, element("span", { className: "head" }), element("span", { className: "tail" }));
  rename(made, text);
  return made;
}

export function rename(made, text) {
  const letters = Array.from(text);
  const split = letters.length > 2 * TAIL && !RIGHT_TO_LEFT.test(text) ? letters.length - TAIL : letters.length;
  write(made.firstChild, letters.slice(0, split).join(""));
  write(made.lastChild, letters.slice(split).join(""));
}
