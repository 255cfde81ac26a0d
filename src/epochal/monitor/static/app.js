// The page: what is chosen, and who draws it when.

import { AXES } from "./axes.js";
import { Charts } from "./charts.js";
import { Compare } from "./compare.js";
import { Configs } from "./configs.js";
import { Controls } from "./controls.js";
import { Data } from "./data.js";
import { Details } from "./details.js";
import { $, remember, write } from "./dom.js";
import { title } from "./format.js";
import { Notifier } from "./notify.js";
import { look } from "./palette.js";
import { confirmed } from "./question.js";
import { RunList } from "./runs.js";
import { tabTitle } from "./status.js";
import { Tables } from "./tables.js";
import { format, read } from "./view.js";

const data = new Data();
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

const view = read(location.hash);
let chosen = view.runs;
let followNewest = chosen.length === 0; // until somebody chooses
let opener = null; // what had the focus when the details were opened
let lostAt = null; // when the connection was lost
const colours = new Map(); // run id → index; kept as long as the run is chosen

const notifier = new Notifier();
const say = (text, bad) => notifier.say(text, bad);
const configs = new Configs(drawSoon);
const runList = new RunList({ choose, open, say, changed: drawSoon });
const details = new Details({ configs, remove, say, closed, mayStop: () => data.needsToken });
const compare = new Compare({ configs, open, changed: drawSoon });
const controls = new Controls(view, { changed: viewed, end });
const charts = new Charts($("charts"), { zoom: (range) => controls.zoom(range), all: () => controls.showAll(), changed: drawSoon });
const tables = new Tables($("tables"), (id, range) => data.rows(id, range));
data.show(view);

function choose(ids, on) {
  followNewest = false;
  chosen = on ? [...new Set([...chosen, ...ids])] : chosen.filter((other) => !ids.includes(other));
  viewed();
  update();
}

function open(id) {
  const run = data.runs.get(id);
  opener = document.activeElement;
  if (run) details.open(run, now()).then(drawSoon);
}

function closed(id, focused) {
  const back = opener?.isConnected && opener !== document.body && !$("runs").contains(opener);
  if (focused) back ? opener.focus() : runList.focus(id);
  drawSoon();
}

async function remove(run) {
  const question = `Delete “${title(run)}” and everything it posted?`;
  if (!(await confirmed(question, { yes: "Delete", no: "Keep" }))) return;
  const failure = await data.remove(run.id);
  say(failure ? `${title(run)} couldn’t be deleted: ${failure}` : `${title(run)} deleted`, Boolean(failure));
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
  data.choose(chosen);
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
  const time = now();
  const on = new Set(chosen);
  runList.draw(data.runs, { chosen: on, opened: details.id, now: time, look: (id) => look(colours.get(id) ?? 0, dark) });
  details.draw(data.runs.get(details.id), time);
  tellUnlisted();
  const shown = chosen
    .filter((id) => data.runs.has(id) && data.points.has(id))
    .map((id) => ({ run: data.runs.get(id), ...data.points.get(id), look: look(colours.get(id), dark) }));
  $("hint").hidden = shown.length > 0;
  $("charts").hidden = view.view !== "charts";
  $("tables").hidden = view.view !== "table";
  $("compare").hidden = view.view !== "compare";
  document.body.dataset.view = view.view;
  if (view.view === "charts") {
    charts.draw(shown, { ...view, dark });
  } else if (view.view === "table") {
    tables.draw(shown, data.range);
  } else {
    compare.draw(shown, time);
  }
}

// What somebody wants to know who doesn't look at the page: a hidden one draws nothing.
function tell() {
  if (!data.loaded) return;
  const runs = [...data.runs.values()];
  notifier.look(runs, now());
  const tab = tabTitle(runs, new Set(chosen), now());
  if (document.title !== tab) document.title = tab;
}

// Time has passed: ages are others, and a run may have gone quiet.
function passed() {
  if ($("connection").dataset.state === "live") lostAt = null;
  drawSoon();
  tell();
}

// The server's time. It stands still while the connection is lost: no run goes quiet because nobody hears it.
function now() {
  return lostAt ?? data.now();
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
  if (detail === "lost") lostAt ??= data.now();
});
data.addEventListener("refused", ({ detail }) => write($("connection"), detail));
data.addEventListener("runs", () => {
  data.loaded = true;
  lostAt = null;
  write($("lines"), lines());
  update();
  tell();
});
data.addEventListener("points", drawSoon);

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
$("list-all").addEventListener("click", () => data.listAll());
document.addEventListener("visibilitychange", passed);
setInterval(passed, 5000);
data.connect();
