// The page: what is chosen, and who draws it when.

import { Charts, colour } from "./charts.js";
import { Compare } from "./compare.js";
import { Configs } from "./configs.js";
import { Data } from "./data.js";
import { Details } from "./details.js";
import { $, remember, write } from "./dom.js";
import { title } from "./format.js";
import { Notifier } from "./notify.js";
import { confirmed } from "./question.js";
import { RunList } from "./runs.js";
import { tabTitle } from "./status.js";
import { Tables } from "./tables.js";

const data = new Data();
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

let chosen = chosenIn(location.hash);
let followNewest = chosen.length === 0; // until somebody chooses
const colours = new Map(); // run id → index; kept as long as the run is chosen

const notifier = new Notifier();
const say = (text, bad) => notifier.say(text, bad);
const configs = new Configs(drawSoon);
const runList = new RunList({ choose, open, say, changed: drawSoon });
const details = new Details({ configs, remove, say, closed, mayStop: () => data.needsToken });
const compare = new Compare({ configs, open, changed: drawSoon });
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

function choose(ids, on) {
  followNewest = false;
  chosen = on ? [...new Set([...chosen, ...ids])] : chosen.filter((other) => !ids.includes(other));
  history.replaceState(null, "", chosen.length ? `#runs=${chosen.map(encodeURIComponent).join(",")}` : location.pathname);
  update();
}

function open(id) {
  const run = data.runs.get(id);
  if (run) details.open(run, data.now()).then(drawSoon);
}

function closed(id, focused) {
  if (focused) runList.focus(id);
  drawSoon();
}

async function remove(run) {
  const question = `Delete “${title(run)}” and everything it posted?`;
  if (!(await confirmed(question, { yes: "Delete", no: "Keep" }))) return;
  const failure = await data.remove(run.id);
  say(failure ? `${title(run)} couldn’t be deleted: ${failure}` : `${title(run)} deleted`, Boolean(failure));
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
  const now = data.now();
  const runs = [...data.runs.values()];
  const on = new Set(chosen);
  runList.draw(data.runs, { chosen: on, opened: details.id, now, colour: (id) => colour(colours.get(id) ?? 0, dark) });
  details.draw(data.runs.get(details.id), now);
  if (data.loaded) notifier.look(runs, now);
  const tab = tabTitle(runs, on, now);
  if (document.title !== tab) document.title = tab;
  tellUnlisted();
  const shown = chosen
    .filter((id) => data.runs.has(id) && data.points.has(id))
    .map((id) => ({ run: data.runs.get(id), series: data.points.get(id).series, colour: colour(colours.get(id), dark) }));
  $("hint").hidden = shown.length > 0;
  const view = document.querySelector("input[name=view]:checked").value;
  $("charts").hidden = view !== "charts";
  $("tables").hidden = view !== "table";
  $("compare").hidden = view !== "compare";
  document.body.dataset.view = view;
  if (view === "charts") {
    charts.draw(shown, { dark, log: $("log").checked, smoothing: Number($("smoothing").value), range: data.range });
  } else if (view === "table") {
    tables.draw(shown, data.range);
  } else {
    compare.draw(shown, now);
  }
}

function tellUnlisted() {
  const all = data.total > data.runs.size;
  $("unlisted").hidden = !all;
  if (all) write($("unlisted-words"), `${data.runs.size} of ${data.total.toLocaleString("en")} runs are listed.`);
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme === "dark" || (theme === "auto" && darkSystem.matches);
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
$("list-all").addEventListener("click", () => data.listAll());
setInterval(drawSoon, 5000); // ages
addEventListener("pagehide", () => data.disconnect());
addEventListener("pageshow", ({ persisted }) => persisted && data.connect());

data.connect();
