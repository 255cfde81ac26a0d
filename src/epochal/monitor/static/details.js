// The opened run: how it goes, what it was, and what may be done with it.

import { setting } from "./configs.js";
import { $, element, label, write } from "./dom.js";
import { Editor } from "./editor.js";
import { duration, number, quantity, title } from "./format.js";
import { confirmed } from "./question.js";
import { edit, stop } from "./requests.js";
import { epochs, icon, isLive, percent, rate, remaining, roughly, share, stateOf, told, turn } from "./status.js";

export class Details {
  #run = null;
  #icon = icon("running");
  #shown = { values: "", facts: "", config: "" };

  // `closed(id, focused)` is called when the panel has been closed, with whether the focus was in it; `remove(run)`
  // deletes a run; `mayStop()` tells whether the server may ask fits to stop at all.
  constructor({ closed, configs, say, remove, mayStop }) {
    Object.assign(this, { closed, configs, say, mayStop });
    this.editor = new Editor(say);
    $("details-state").before(this.#icon);
    $("details-close").addEventListener("click", () => this.close());
    $("details").addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
    $("archive").addEventListener("click", () => this.#archive());
    $("stop").addEventListener("click", () => this.#stop());
    $("delete").addEventListener("click", () => remove(this.#run));
  }

  get id() {
    return this.#run?.id ?? null;
  }

  async open(run, now) {
    if (run.id !== this.id) {
      if (!(await this.#mayLeave())) return;
      this.#run = run;
      this.editor.fill(run);
    }
    document.body.dataset.opened = true;
    $("details").hidden = false;
    this.draw(run, now);
    $("details").scrollTop = 0;
    $("details-title").focus({ preventScroll: true });
  }

  async close() {
    if (await this.#mayLeave()) this.#leave();
  }

  // Shows the run as it is now; without one, because it is gone, the panel closes.
  draw(run, now) {
    if (this.id === null) return;
    if (!run) {
      if (this.editor.changed) this.say(`${title(this.#run)} is gone, and with it what you wrote of it`, true);
      this.#leave();
      return;
    }
    this.#run = run;
    write($("details-title"), title(run));
    turn(this.#icon, stateOf(run, now));
    $("details").dataset.state = stateOf(run, now);
    write($("details-state"), told(run, now));
    this.#progress(run, now);
    this.#actions(run, now);
    this.editor.follow(run);
    this.#tables(run);
  }

  #leave() {
    const { id } = this;
    const focused = $("details").contains(document.activeElement);
    this.#run = null;
    $("details").hidden = true;
    delete document.body.dataset.opened;
    this.closed(id, focused);
  }

  async #mayLeave() {
    if (this.id === null || !this.editor.changed) return true;
    return confirmed(`What you wrote of “${title(this.#run)}” isn’t saved.`, { yes: "Leave it", no: "Go back" });
  }

  #progress(run, now) {
    const done = share(run);
    const left = remaining(run, now);
    const parts = [epochs(run), percent(run), isLive(run, now) ? rate(run) : "", left === null ? "" : `${roughly(left)} left`];
    write($("details-progress"), parts.filter(Boolean).join(" · "));
    $("details-bar").hidden = done === null;
    label($("details-bar"), "value", done ?? 0);
    label($("details-bar"), "aria-label", `Progress of ${title(run)}`);
  }

  #actions(run, now) {
    const live = isLive(run, now);
    const token = this.mayStop();
    $("stop").hidden = !(live && run.allow_stop && token);
    $("stop").disabled = Boolean(run.stopping);
    write($("stop"), run.stopping ? "Stopping …" : "Stop …");
    write($("stop-words"), live ? whyNoStop(run, token) : "");
    $("stop-words").hidden = !$("stop-words").textContent;
    $("csv").href = `/api/runs/${encodeURIComponent(run.id)}/rows.csv`;
    write($("archive"), run.archived ? "Take out of the archive" : "Archive");
  }

  #tables(run) {
    const names = Object.keys(run.last).filter((name) => name !== "seconds");
    this.#rows("values", names.map((name) => {
      const best = run.best?.[name];
      return [name, quantity(run.last[name], name), best ? quantity(best.value, name) : "", best ? best.epoch + 1 : ""];
    }));
    const facts = [
      ["started", new Date(run.started * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })],
      ["trained for", run.duration ? duration(run.duration) : ""],
      ["steps an epoch", run.steps ? number(run.steps) : ""],
      ["sent from", run.client],
      ["id", run.id],
    ];
    this.#rows("facts", facts.filter(([, value]) => value));
    const config = this.configs.get(run.id);
    this.configs.want([run]);
    $("config-empty").hidden = !config || Object.keys(config).length > 0;
    this.#rows("config", Object.entries(config ?? {}).map(([name, value]) => [name, setting(value)]));
  }

  #rows(table, rows) {
    const content = JSON.stringify(rows);
    if (content === this.#shown[table]) return;
    this.#shown[table] = content;
    $(table).closest("table").hidden = rows.length === 0;
    $(table).replaceChildren(...rows.map(([name, ...values]) => element("tr", {},
      element("th", { scope: "row", textContent: name }), ...values.map((value) => element("td", { textContent: value })))));
  }

  async #archive() {
    const run = this.#run;
    const { failure } = await edit(run.id, { archived: !run.archived });
    const done = run.archived ? "is in the list again" : "is archived";
    this.say(failure ? `${title(run)} couldn’t be changed: ${failure}` : `${title(run)} ${done}`, Boolean(failure));
  }

  async #stop() {
    const run = this.#run;
    const question = `Stop “${title(run)}” at the end of the epoch that it is in? Its callbacks still finish their work.`;
    if (!(await confirmed(question, { yes: "Stop", no: "Go on" }))) return;
    const { failure } = await stop(run.id);
    const done = "is stopping at the end of this epoch";
    this.say(failure ? `${title(run)} can’t be stopped: ${failure}` : `${title(run)} ${done}`, Boolean(failure));
  }
}

function whyNoStop(run, token) {
  if (run.stopping || (run.allow_stop && token)) return "";
  if (run.allow_stop) return "To stop runs from here, start the monitor with a token: epochal monitor --token …";
  return "RemoteMonitor(…, allow_stop=True) would let you stop it from here.";
}
