// Tells how runs go on: whoever looks at the page, whoever hears it, and, if they wish, whoever works elsewhere.

import { $, element, recall, remember, write } from "./dom.js";
import { title } from "./format.js";
import { short, stateOf, told } from "./status.js";

const BAD = new Set(["failed", "nan", "quiet"]);
const MOST = 4; // notices at once
const RECENT = 10; // seconds: a run that isn't known yet is news if it was heard of since
const ASLEEP = 90; // seconds between two looks after which the machine has slept, and what it missed is yet to come

export class Notifier {
  #states = new Map(); // run id → state when it was looked at last
  #looked = 0; // when

  constructor() {
    $("notify").addEventListener("change", () => this.#switch());
    if (recall("notify") === "true" && mayNotify() && Notification.permission === "granted") $("notify").checked = true;
  }

  // Says something to screen readers; to everybody, until they have read it, if it is bad news.
  say(text, bad = false) {
    write($("announce"), text);
    if (bad) this.#notice(text);
  }

  // Looks at how runs are now, and tells what is new. Several runs that go the same way at once are told together.
  look(runs, now) {
    const slept = this.#looked && now - this.#looked > ASLEEP;
    const first = !this.#looked;
    this.#looked = now;
    if (slept) return;
    const news = new Map();
    for (const run of runs) {
      const state = stateOf(run, now);
      const before = this.#states.get(run.id);
      this.#states.set(run.id, state);
      const known = before === undefined ? first || now - run.seen > RECENT : before === state;
      if (known) continue;
      if (!news.has(state)) news.set(state, []);
      news.get(state).push(run);
    }
    for (const [state, changed] of news) this.#tell(state, changed, now);
  }

  #tell(state, runs, now) {
    const text = runs.length === 1 ? `${title(runs[0])}: ${told(runs[0], now)}` : `${runs.length} runs: ${short(state)} (${named(runs)})`;
    this.say(text, BAD.has(state));
    if (BAD.has(state) && $("notify").checked) {
      notify(`epochal monitor: ${short(state)}`, { body: text, tag: `${state} ${runs[0].id}` });
    }
  }

  #notice(text) {
    const gone = element("button", { type: "button", textContent: "×" });
    gone.setAttribute("aria-label", `Dismiss: ${text}`);
    const notice = element("p", {}, element("span", { textContent: text }), gone);
    gone.addEventListener("click", () => notice.remove());
    $("notices").append(notice);
    while ($("notices").children.length > MOST) $("notices").firstChild.remove();
  }

  // The browser is asked once somebody wishes to be told; without its permission the page says all the same.
  async #switch() {
    if ($("notify").checked) {
      const refusal = await refused();
      $("notify").checked = !refusal;
      this.say(refusal || "Notifications are on: for runs that fail, become NaN, or go quiet.", Boolean(refusal));
    }
    remember("notify", $("notify").checked);
  }
}

function named(runs) {
  const names = runs.slice(0, 3).map(title).join(", ");
  return runs.length > 3 ? `${names} and ${runs.length - 3} more` : names;
}

function mayNotify() {
  return window.isSecureContext && "Notification" in window;
}

function notify(heading, options) {
  try {
    new Notification(heading, options);
  } catch {
    // browsers of telephones leave that to service workers; the notice in the page is there
  }
}

// Why this browser doesn't notify, or "".
async function refused() {
  if (!mayNotify()) return "This browser shows notifications only of pages at localhost or over HTTPS. News is shown here.";
  if ((await Notification.requestPermission()) === "granted") return "";
  return "The browser doesn’t allow notifications of this page. News is shown here.";
}
