// How runs are told apart: by eight colours and, from the ninth run on, by dashes too.

// Training is drawn thin in the strong colour, validation wide and each batch faintly in the soft one. On the cards'
// ground the contrast of the strong ones is 5 or more, that of the soft ones 3 or more.
const LIGHT = {
  strong: ["#1f4fd8", "#c2410c", "#087f5b", "#8b2fa8", "#7a5600", "#0b7285", "#b81f5a", "#40464d"],
  soft: ["#6c8ce5", "#d37751", "#469f84", "#b479c7", "#a58d53", "#519aa8", "#d27196", "#8c9094"],
};
const DARK = {
  strong: ["#86b0ff", "#ffa566", "#57dcae", "#dfa3f5", "#f0d050", "#66d4ea", "#ff9cbc", "#dde2e8"],
  soft: ["#5b76a8", "#9c6b4a", "#3a826d", "#8a6a9b", "#83763b", "#427e8d", "#9c667b", "#71767c"],
};
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [16, 4], [4, 7], [9, 3, 2, 3, 2, 3], [2, 7]];

export const WIDTHS = { training: 1.75, validation: 3.5, batches: 1 };

// The look of the run with an index: its colours, and its dashes in pixels.
export function look(index, dark) {
  const { strong, soft } = dark ? DARK : LIGHT;
  const at = index % strong.length;
  return { strong: strong[at], soft: soft[at], dash: DASHES[Math.floor(index / strong.length) % DASHES.length] };
}

export function colour(index, dark) {
  return look(index, dark).strong;
}

// The colour in which lines of a kind are drawn.
export function tint({ strong, soft }, kind) {
  return kind === "training" ? strong : soft;
}

// A sample of a run's line.
export function swatch(look, kind = "training") {
  const sample = drawn("svg", { viewBox: "0 0 24 12", class: "swatch-line", "aria-hidden": "true" });
  const stroke = { stroke: tint(look, kind), "stroke-width": WIDTHS[kind] + 0.75, "stroke-dasharray": look.dash.join(" ") };
  sample.append(drawn("line", { x1: 0, y1: 6, x2: 24, y2: 6, ...stroke }));
  return sample;
}

function drawn(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
