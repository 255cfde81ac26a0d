// One chart a metric: training solid, validation dashed, single batches faint; a colour for each run.

import { family, inert, number, title } from "./format.js";
import { element, write } from "./runs.js";

const LIGHT = ["#1f4fd8", "#d9480f", "#087f5b", "#9c36b5", "#8a6100", "#0b7285", "#c2255c", "#495057"];
const DARK = ["#7aa7ff", "#ff9d5c", "#4fd1a5", "#d796ef", "#e8c547", "#5cc8dc", "#ff8fb3", "#ced4da"];
const FEW = 60; // points that are worth a marker each

export function colour(index, dark) {
  const colours = dark ? DARK : LIGHT;
  return colours[index % colours.length];
}

export class Charts {
  #charts = new Map(); // metric family → {figure, plot, caption, visible}
  #inSight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = this.#charts.get(target.dataset.family);
      if (chart) chart.visible = isIntersecting;
    }
    this.changed();
  }, { rootMargin: "300px" });

  constructor(box, { zoom }) {
    this.box = box;
    this.zoom = zoom;
    this.changed = () => {};
  }

  // `chosen` is [{run, series, colour}], in the order they were chosen.
  draw(chosen, options) {
    const metrics = new Map();
    for (const item of chosen) {
      for (const series of item.series.values()) {
        if (!series.value.length || series.value.some((v) => typeof v === "string")) continue; // text isn't drawn
        const name = family(series.metric);
        if (!metrics.has(name)) metrics.set(name, []);
        metrics.get(name).push({ ...item, ...series });
      }
    }
    for (const [name, chart] of this.#charts) {
      if (!metrics.has(name)) {
        this.#inSight.unobserve(chart.figure);
        Plotly.purge(chart.plot);
        chart.figure.remove();
        this.#charts.delete(name);
      }
    }
    for (const [name, lines] of metrics) {
      const chart = this.#charts.get(name) || this.#add(name);
      chart.plot.setAttribute("aria-label", described(name, lines));
      if (chart.visible) this.#plot(chart, name, lines, options);
    }
  }

  #add(name) {
    const figure = element("figure");
    const caption = element("figcaption");
    const heading = element("h2", { textContent: name });
    const legend = element("span", { className: "legend" });
    const plot = element("div", { className: "plot" });
    plot.setAttribute("role", "img");
    caption.append(heading, legend);
    figure.append(caption, plot);
    figure.dataset.family = name;
    this.box.append(figure);
    const chart = { figure, plot, legend, visible: false, wired: false };
    this.#charts.set(name, chart);
    this.#inSight.observe(figure);
    return chart;
  }

  #plot(chart, name, lines, options) {
    const several = new Set(lines.map((line) => line.run.id)).size > 1;
    const traces = lines.flatMap((line) => tracesOf(line, options, several));
    write(chart.legend, legend(lines));
    Plotly.react(chart.plot, traces, layout(options, name, lines), CONFIG);
    if (!chart.wired) {
      chart.wired = true;
      chart.plot.on("plotly_relayout", (change) => {
        if ("xaxis.range[0]" in change) this.zoom([change["xaxis.range[0]"], change["xaxis.range[1]"]]);
        else if (change["xaxis.autorange"]) this.zoom(null);
      });
    }
  }
}

// No bar of buttons: the page has what they do, for keyboards too, and one of them sends the chart to plotly's site.
const CONFIG = { responsive: true, displayModeBar: false, showSendToCloud: false };

// A finger on a chart scrolls the page; it zooms by the fields above the charts.
const COARSE = matchMedia("(pointer: coarse)");

// The one value that all lines have, around which plotly would draw from -1 to 1; else null.
function constant(lines) {
  const first = lines[0].value[0];
  return first !== null && lines.every((line) => line.value.every((v) => v === first || v === null)) ? first : null;
}

const NOTHING = { text: "no finite value", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5 };

function layout({ dark, log, range }, name, lines) {
  const only = constant(lines);
  const grid = dark ? "#2c313a" : "#e6e8ec";
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickfont: { size: 11 }, automargin: true };
  return {
    height: 270,
    margin: { l: 48, r: 14, t: 6, b: 38 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: dark ? "#c9ced6" : "#3b4048" },
    hoverlabel: { bgcolor: dark ? "#22262e" : "#ffffff", bordercolor: grid, namelength: 40 },
    hovermode: "x unified",
    dragmode: COARSE.matches ? false : "zoom",
    showlegend: false,
    xaxis: { ...axis, title: { text: "epochs done", font: { size: 11 }, standoff: 6 }, ...(range ? { range } : { autorange: true }) },
    yaxis: { ...axis, ...around(only, log), type: log ? "log" : "linear", fixedrange: true, exponentformat: "e" },
    uirevision: JSON.stringify([range, log, name]),
    annotations: lines.some((line) => line.value.some((v) => v !== null)) ? [] : [NOTHING],
  };
}

function around(value, log) {
  if (!value || (log && value < 0)) return { autorange: true };
  return { range: log ? [Math.log10(value) - 1, Math.log10(value) + 1] : [value - Math.abs(value), value + Math.abs(value)] };
}

function tracesOf(line, { smoothing, dark }, several) {
  const { run, grain, metric, value } = line;
  const batches = grain === "batch";
  const x = places(run, line);
  const label = metric.startsWith("val_") ? "validation" : batches ? "batches" : "training";
  const base = {
    x,
    type: "scatter",
    mode: value.length <= FEW && !batches ? "lines+markers" : "lines",
    marker: { size: 4 },
    name: inert(several ? `${title(run)}, ${label}` : label),
    hovertemplate: "%{y:.5g}",
    line: { color: line.colour, width: batches ? 1 : 2, dash: metric.startsWith("val_") ? "dash" : "solid" },
    opacity: batches ? 0.45 : 1,
  };
  if (!smoothing || !line.smooth) return [{ ...base, y: value }];
  const raw = { ...base, y: value, mode: "lines", opacity: batches ? 0.12 : dark ? 0.25 : 0.2, hoverinfo: "skip", hovertemplate: undefined };
  return [raw, { ...base, mode: "lines", y: line.smooth }];
}

// Where points stand: an epoch's value where the epoch ends, a batch's within its epoch.
function places(run, { grain, at }) {
  if (grain === "epoch") return at.map(([epoch]) => epoch + 1);
  const steps = run.steps || at.reduce((most, [, batch]) => Math.max(most, batch + 1), 1);
  return at.map(([epoch, batch]) => epoch + (batch + 1) / steps);
}

function legend(lines) {
  const kinds = [];
  if (lines.some((line) => line.grain === "epoch" && !line.metric.startsWith("val_"))) kinds.push("— training");
  if (lines.some((line) => line.metric.startsWith("val_"))) kinds.push("- - validation");
  if (lines.some((line) => line.grain === "batch")) kinds.push("faint: each batch");
  return kinds.length > 1 ? kinds.join("   ") : "";
}

// What a chart says to those who don't see it.
function described(name, lines) {
  const parts = lines.map(({ run, metric, grain, at, value }) => {
    const numbers = value.filter((v) => v !== null);
    const what = `${title(run)}, ${metric}${grain === "batch" ? " of batches" : ""}`;
    if (!numbers.length) return `${what}: no finite value`;
    let least = Infinity;
    let most = -Infinity;
    for (const v of numbers) {
      least = Math.min(least, v);
      most = Math.max(most, v);
    }
    const [epoch] = at[at.length - 1];
    return `${what}: ${number(value[value.length - 1])} after epoch ${epoch + 1}, lowest ${number(least)}, highest ${number(most)}`;
  });
  return `Chart of ${name} over epochs. ${parts.join(". ")}.`;
}
