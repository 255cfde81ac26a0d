// The page: what is chosen, and who draws it when.

import { AXES } from "./axes.js";
import { Charts } from "./charts.js";
import { Controls } from "./controls.js";
import { Data } from "./data.js";
import { title } from "./format.js";
import { colour, look } from "./palette.js";
import { RunList, write } from "./runs.js";
import { Tables } from "./tables.js";
import { format, read } from "./view.js";

const $ = (id) => document.getElementById(id);
const data = new Data();
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

const view = read(location.hash);
let chosen = view.runs;
let followNewest = chosen.length === 0; // until somebody chooses
const colours = new Map(); // run id → index; kept as long as the run is chosen

const runList = new RunList($("runs"), { choose, remove });
const controls = new Controls(view, { changed: viewed, end });
const charts = new Charts($("charts"), { zoom: (range) => controls.zoom(range), all: () => controls.showAll(), changed: drawSoon });
const tables = new Tables($("tables"), (id, range) => data.rows(id, range));
data.show(view);

function choose(id, on) {
  followNewest = false;
  chosen = on ? [...chosen, id] : chosen.filter((other) => other !== id);
  viewed();
  update();
}

async function remove(id) {
  const run = data.runs.get(id);
  if (!run || !(await confirmed(`Delete “${title(run)}” and everything it posted?`))) return;
  const failure = await data.remove(id);
  announce(failure ? `${title(run)} couldn’t be deleted: ${failure}` : `${title(run)} deleted`, Boolean(failure));
  if (!failure) $("runs-title").focus();
}

// After another choice, or another look at it.
function viewed() {
  view.runs = followNewest ? [] : chosen;
  history.replaceState(null, "", format(view) || location.pathname);
  data.show(view);
  drawSoon();
}

// The last place on the axis that a chosen run has come to.
function end() {
  const places = chosen.filter((id) => data.points.has(id)).map((id) => {
    const [run, { clock }] = [data.runs.get(id), data.points.get(id)];
    return AXES[view.x].place({ epochs: run.epoch + 1, run, clock }) ?? 0;
  });
  return Math.max(1, ...places);
}

function update() {
  if (followNewest) {
    const newest = [...data.runs.values()].reduce((a, b) => (a && a.started >= b.started ? a : b), null);
    chosen = newest ? [newest.id] : [];
  }
  for (const id of [...colours.keys()]) if (!chosen.includes(id)) colours.delete(id);
  for (const id of chosen) {
    if (colours.has(id)) continue;
    const taken = new Set(colours.values());
    let free = 0;
    while (taken.has(free)) free++;
    colours.set(id, free);
  }
  data.choose(chosen.filter((id) => data.runs.has(id)));
  drawSoon();
}

let waiting = false;
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function draw() {
  const dark = isDark();
  $("empty").hidden = data.runs.size > 0 || !data.loaded;
  $("work").hidden = data.runs.size === 0;
  runList.draw(data.runs, chosen, data.now(), (id) => colour(colours.get(id) ?? 0, dark));
  const shown = chosen
    .filter((id) => data.runs.has(id) && data.points.has(id))
    .map((id) => ({ run: data.runs.get(id), ...data.points.get(id), look: look(colours.get(id), dark) }));
  $("hint").hidden = shown.length > 0;
  $("charts").hidden = view.view !== "charts";
  $("tables").hidden = view.view !== "table";
  document.body.dataset.view = view.view;
  if (view.view === "charts") {
    charts.draw(shown, { ...view, dark });
  } else {
    tables.draw(shown, data.range);
  }
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme === "dark" || (theme === "auto" && darkSystem.matches);
}

// Says something to screen readers; to everybody if it is bad news.
function announce(text, bad = false) {
  $("announce").classList.toggle("unseen", !bad);
  write($("announce"), text);
}

function confirmed(text) {
  const dialog = $("confirm");
  write($("confirm-text"), text);
  dialog.showModal();
  return new Promise((done) => {
    dialog.onclick = ({ target }) => target.value && dialog.close(target.value);
    dialog.onclose = () => done(dialog.returnValue === "yes");
    dialog.returnValue = "";
  });
}

function remember(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch {
    // a browser that keeps nothing shows the page all the same
  }
  return null;
}

function lines() {
  const headers = data.needsToken ? `, headers={"Authorization": "Bearer <token>"}` : "";
  return [
    `pip install "epochal[jax,remote]"`,
    `from epochal.callbacks import RemoteMonitor`,
    `model.fit(x, y, epochs=50, callbacks=[RemoteMonitor("${location.origin}"${headers})])`,
  ].join("\n");
}

data.addEventListener("connection", ({ detail }) => {
  const words = detail === "live" ? "live" : "connection lost, trying again …";
  if ($("connection").dataset.state !== detail) write($("connection"), words);
  $("connection").dataset.state = detail;
});
data.addEventListener("refused", ({ detail }) => write($("connection"), detail));
data.addEventListener("runs", () => {
  data.loaded = true;
  write($("lines"), lines());
  update();
});
data.addEventListener("points", drawSoon);
data.addEventListener("state", ({ detail }) => announce(`${title(detail)}: ${detail.state}`));

addEventListener("hashchange", () => {
  Object.assign(view, read(location.hash));
  chosen = view.runs;
  followNewest = chosen.length === 0;
  controls.show();
  data.show(view);
  update();
});
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps saying which runs are chosen
  $("content").focus();
});
$("theme").value = document.documentElement.dataset.theme;
$("theme").addEventListener("change", () => {
  document.documentElement.dataset.theme = $("theme").value;
  remember("theme", $("theme").value);
  drawSoon();
});
darkSystem.addEventListener("change", drawSoon);
setInterval(drawSoon, 5000); // ages

data.connect();
