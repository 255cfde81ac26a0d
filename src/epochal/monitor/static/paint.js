// Lines and marks on a chart's canvas. uPlot draws the frame around them.

import { after } from "./clock.js";
import { tint, WIDTHS } from "./palette.js";

const LENGTH = 60; // points that are stroked at once: a browser takes much longer for one long path than for its parts
const FEW = 60; // points in sight that are worth a dot each, where there are few lines
const FEW_LINES = 6;
const FEW_RUNS = 8; // whose best epochs are each marked; of more runs only the best one
const FAINT = 0.18; // lines of other runs while one is pinned
const RAW = 0.28; // what a smoothed line was made of
const BEHIND = 0.5; // batches, where the epochs' line tells their course
const APART = 7; // pixels between two marks at an edge

const BELOW = { batches: 0, validation: 1, training: 2 }; // what is drawn first

// Where places and values stand in pixels of the canvas.
function pixels({ bbox, scales }) {
  const { left, top, width, height } = bbox;
  const { x, y } = scales;
  const bend = y.distr === 3 ? Math.log10 : (value) => value;
  const [low, high] = [bend(y.min), bend(y.max)];
  return {
    across: (place) => left + ((place - x.min) / (x.max - x.min)) * width,
    up: (value) => Math.max(-1e5, Math.min(1e5, top + (1 - (bend(value) - low) / (high - low)) * height)),
    drawn: (value) => value !== null && !(y.distr === 3 && value <= 0),
  };
}

export function paint(chart, lines, { pinned, card, soft }) {
  const { ctx, bbox } = chart;
  const at = pixels(chart);
  const ratio = uPlot.pxRatio;
  const told = new Set(lines.filter(({ kind }) => kind === "training").map(({ run }) => run.id));
  const inOrder = [...lines].sort((a, b) => BELOW[a.kind] - BELOW[b.kind]);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineJoin = "round";
  for (const line of inOrder) {
    const dim = pinned && line.run.id !== pinned ? FAINT : 1;
    line.shown.forEach((values, i) => {
      const raw = i < line.shown.length - 1;
      ctx.globalAlpha = dim * (raw ? RAW : line.kind === "batches" && told.has(line.run.id) ? BEHIND : 1);
      const dotted = line.kind === "training" && lines.length <= FEW_LINES && !line.smoothed;
      stroke(chart, at, line, values, raw ? 1 : WIDTHS[line.kind], dotted, ratio);
    });
    ctx.globalAlpha = dim;
    edges(chart, at, line, ratio);
  }
  ctx.restore();
  ctx.save();
  for (const line of ringed(inOrder, pinned)) ring(chart, at, line, card, ratio);
  gaps(chart, at, inOrder, { soft, card }, ratio);
  ctx.restore();
}

// The indices of a line's points in sight, with a neighbour on each side.
function window({ scales }, { x }) {
  return [Math.max(0, after(x, scales.x.min) - 1), Math.min(x.length - 1, after(x, scales.x.max))];
}

function stroke(chart, at, line, values, width, dotted, ratio) {
  const { ctx } = chart;
  const { look, kind } = line;
  ctx.strokeStyle = ctx.fillStyle = tint(look, kind);
  ctx.lineWidth = width * ratio;
  const scale = ratio * Math.max(1, width / WIDTHS.training);
  ctx.setLineDash(look.dash.map((length) => length * scale));
  const dots = [];
  const [first, last] = window(chart, line);
  for (const piece of pieces(at, line, values, [first, last])) {
    for (let start = 0; start < piece.length; start += LENGTH) strokeFrom(ctx, piece, start);
    if (dotted && last - first < FEW) dots.push(...piece);
    else if (piece.length === 1) dots.push(piece[0]);
  }
  ctx.setLineDash([]);
  for (const [h, v] of dots) dot(ctx, h, v, Math.max(width * 0.7, 2) * ratio);
}

function strokeFrom(ctx, piece, start) {
  ctx.beginPath();
  ctx.moveTo(...piece[start]);
  for (let i = start + 1; i <= start + LENGTH && i < piece.length; i++) ctx.lineTo(...piece[i]);
  ctx.stroke();
}

// A line's pieces between gaps, as pixels. Of many points in a column only the lowest and the highest count, as nothing else shows.
function pieces({ across, up, drawn }, { x }, values, [first, last]) {
  const found = [];
  let piece = null;
  let column = null; // the places in `piece` of the column's first point and its lowest and highest
  for (let i = first; i <= last; i++) {
    if (!drawn(values[i])) {
      piece = null;
      continue;
    }
    if (!piece) found.push((piece = [])) && (column = null);
    const point = [across(x[i]), up(values[i])];
    const inColumn = column && Math.round(point[0]) === column.at;
    if (!inColumn) {
      column = { at: Math.round(point[0]), start: piece.length, low: point, high: point };
      piece.push(point);
      continue;
    }
    if (point[1] < column.low[1]) column.low = point;
    else if (point[1] > column.high[1]) column.high = point;
    else continue;
    const ends = [column.low, column.high].sort((a, b) => a[0] - b[0]);
    piece.splice(column.start, piece.length, ...(ends[0] === ends[1] ? [ends[0]] : ends));
  }
  return found;
}

function dot(ctx, h, v, size) {
  ctx.beginPath();
  ctx.arc(h, v, size, 0, 2 * Math.PI);
  ctx.fill();
}

// Marks at the upper and lower edge where a line's points lie outside.
function edges(chart, { across, drawn }, line, ratio) {
  const { ctx, bbox, scales } = chart;
  const { value: values } = line.series;
  const [first, last] = window(chart, line);
  ctx.fillStyle = line.look.strong;
  const seen = { up: -Infinity, down: -Infinity };
  for (let i = first; i <= last; i++) {
    const way = !drawn(values[i]) ? null : values[i] > scales.y.max ? "up" : values[i] < scales.y.min ? "down" : null;
    const h = way && across(line.x[i]);
    if (!way || h < seen[way] + APART * ratio) continue;
    seen[way] = h;
    const [tip, base] = way === "up" ? [bbox.top, bbox.top + 7 * ratio] : [bbox.top + bbox.height, bbox.top + bbox.height - 7 * ratio];
    ctx.beginPath();
    ctx.moveTo(h, tip);
    ctx.lineTo(h - 4.5 * ratio, base);
    ctx.lineTo(h + 4.5 * ratio, base);
    ctx.fill();
  }
}

// The lines whose best epochs are marked.
function ringed(lines, pinned) {
  const known = lines.filter(({ best, run }) => best && (!pinned || run.id === pinned));
  if (known.length <= FEW_RUNS) return known;
  const sign = known[0].best.higher ? -1 : 1;
  return [known.reduce((a, b) => (sign * b.best.value < sign * a.best.value ? b : a))];
}

// A ring around a run's best epoch.
function ring({ ctx, scales }, { across, up, drawn }, { best, look, place }, card, ratio) {
  if (place === null || !drawn(best.value)) return;
  if (place < scales.x.min || place > scales.x.max || best.value < scales.y.min || best.value > scales.y.max) return;
  ctx.beginPath();
  ctx.arc(across(place), up(best.value), 5 * ratio, 0, 2 * Math.PI);
  ctx.fillStyle = ctx.strokeStyle = card;
  ctx.fill();
  ctx.lineWidth = 4.5 * ratio;
  ctx.stroke();
  ctx.strokeStyle = look.strong;
  ctx.lineWidth = 2 * ratio;
  ctx.stroke();
}

// Crosses on the axis where values stop being finite, with a word.
function gaps({ ctx, bbox, scales }, { across }, lines, { soft, card }, ratio) {
  const bottom = bbox.top + bbox.height;
  const size = 4 * ratio;
  let worded = -Infinity;
  const found = lines.filter(({ gap, x }) => gap !== null && x[gap] >= scales.x.min && x[gap] <= scales.x.max);
  for (const { x, gap, look } of found.sort((a, b) => a.x[a.gap] - b.x[b.gap])) {
    const h = across(x[gap]);
    ctx.strokeStyle = look.strong;
    ctx.lineWidth = 2 * ratio;
    ctx.beginPath();
    for (const way of [-1, 1]) {
      ctx.moveTo(h - size, bottom - way * size);
      ctx.lineTo(h + size, bottom + way * size);
    }
    ctx.stroke();
    if (h < worded + 40 * ratio) continue;
    worded = h;
    const right = h > bbox.left + bbox.width - 40 * ratio;
    ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    ctx.fillStyle = soft;
    ctx.textAlign = right ? "right" : "left";
    ctx.textBaseline = "bottom";
    const word = ["NaN", h + (right ? -7 : 7) * ratio, bottom - 3 * ratio];
    ctx.strokeStyle = card; // around the word, for lines may run below it
    ctx.lineWidth = 5 * ratio;
    ctx.lineJoin = "round";
    ctx.strokeText(...word);
    ctx.fillText(...word);
  }
}
