// The page: what is chosen, and who draws it when.

import { Charts, colour } from "./charts.js";
import { Data } from "./data.js";
import { title } from "./format.js";
import { RunList, write } from "./runs.js";
import { Tables } from "./tables.js";

const $ = (id) => document.getElementById(id);
const data = new Data();
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

let chosen = chosenIn(location.hash);
let followNewest = chosen.length === 0; // until somebody chooses
const colours = new Map(); // run id → index; kept as long as the run is chosen

const runList = new RunList($("runs"), { choose, remove });
const charts = new Charts($("charts"), { zoom });
const tables = new Tables($("tables"), (id, range) => data.rows(id, range));
charts.changed = drawSoon;

function chosenIn(hash) {
  if (!hash.startsWith("#runs=")) return [];
  try {
    return hash.slice(6).split(",").filter(Boolean).map(decodeURIComponent);
  } catch {
    return []; // somebody has mistyped the address
  }
}

function choose(id, on) {
  followNewest = false;
  chosen = on ? [...chosen, id] : chosen.filter((other) => other !== id);
  history.replaceState(null, "", chosen.length ? `#runs=${chosen.map(encodeURIComponent).join(",")}` : location.pathname);
  update();
}

async function remove(id) {
  const run = data.runs.get(id);
  if (!run || !(await confirmed(`Delete “${title(run)}” and everything it posted?`))) return;
  const failure = await data.remove(id);
  announce(failure ? `${title(run)} couldn’t be deleted: ${failure}` : `${title(run)} deleted`, Boolean(failure));
  if (!failure) $("runs-title").focus();
}

function zoom(range) {
  data.show(range);
  $("first").value = range ? Number(range[0].toPrecision(5)) : "";
  $("last").value = range ? Number(range[1].toPrecision(5)) : "";
  drawSoon();
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
    .map((id) => ({ run: data.runs.get(id), series: data.points.get(id).series, colour: colour(colours.get(id), dark) }));
  $("hint").hidden = shown.length > 0;
  const view = document.querySelector("input[name=view]:checked").value;
  $("charts").hidden = view !== "charts";
  $("tables").hidden = view !== "table";
  document.body.dataset.view = view;
  if (view === "charts") {
    charts.draw(shown, { dark, log: $("log").checked, smoothing: Number($("smoothing").value), range: data.range });
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

$("log").addEventListener("change", drawSoon);
$("smoothing").addEventListener("input", () => {
  write($("smoothing-value"), $("smoothing").value);
  data.smooth(Number($("smoothing").value));
  drawSoon();
});
for (const box of document.querySelectorAll("input[name=view]")) box.addEventListener("change", drawSoon);
for (const id of ["first", "last"]) {
  $(id).addEventListener("change", () => {
    const [first, last] = [$("first").value, $("last").value];
    const latest = Math.max(1, ...chosen.map((run) => (data.runs.get(run)?.epoch ?? 0) + 1));
    const range = [first === "" ? 0 : Number(first), last === "" ? latest : Number(last)];
    zoom((first === "" && last === "") || range[0] >= range[1] ? null : range);
  });
}
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps saying which runs are chosen
  $("content").focus();
});
$("whole").addEventListener("click", () => zoom(null));
$("theme").value = document.documentElement.dataset.theme;
$("theme").addEventListener("change", () => {
  document.documentElement.dataset.theme = $("theme").value;
  remember("theme", $("theme").value);
  drawSoon();
});
darkSystem.addEventListener("change", drawSoon);
setInterval(drawSoon, 5000); // ages

data.connect();
