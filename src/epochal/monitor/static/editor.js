// What people say of a run: its name, tags and notes.

import { $, write } from "./dom.js";
import { title } from "./format.js";
import { edit } from "./requests.js";

export class Editor {
  #run = null;
  #known = typed(); // what the fields hold of what the server knows

  constructor(say) {
    this.say = say;
    $("edit").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    $("edit").addEventListener("input", () => this.#mark());
  }

  // Whether something has been typed that isn't saved.
  get changed() {
    return this.#changes().length > 0;
  }

  fill(run, words = "") {
    this.#run = run;
    $("run-name").value = run.name ?? "";
    $("run-name").placeholder = title({ ...run, name: run.called });
    $("run-tags").value = (run.tags ?? []).join(", ");
    $("run-notes").value = run.notes ?? "";
    this.#known = typed();
    this.#mark(words);
  }

  // Takes what somebody else, or the run's client, says of it; but not over what is being typed.
  follow(run) {
    const news = said(run) !== said(this.#run);
    this.#run = run;
    if (news && !this.changed) this.fill(run, $("saved").textContent === "saved" ? "saved" : "");
  }

  // The names of the fields in which something is new. Only these are sent: the others the client may still change.
  #changes() {
    const now = typed();
    return Object.keys(now).filter((name) => now[name] !== this.#known[name]);
  }

  #mark(words = "", wrong = false) {
    $("save").disabled = !this.changed;
    $("saved").classList.toggle("wrong", wrong);
    write($("saved"), words || (this.changed ? "not saved yet" : ""));
  }

  async #save() {
    const run = this.#run;
    const sent = typed();
    const changes = Object.fromEntries(this.#changes().map((name) => [name, MEANT[name](sent[name])]));
    this.#mark("saving …");
    const { failure, run: saved } = await edit(run.id, changes);
    if (this.#run.id !== run.id) {
      if (failure) this.say(`What you wrote of ${title(run)} wasn’t saved: ${failure}`, true);
    } else if (failure) {
      this.#mark(`not saved: ${failure}`, true);
    } else if (JSON.stringify(typed()) === JSON.stringify(sent)) {
      this.fill(saved, "saved");
    } else {
      this.#known = sent;
      this.#mark();
    }
  }
}

// What each field's text means to the server.
const MEANT = {
  name: (text) => text.trim() || null,
  tags: (text) => text.split(",").map((tag) => tag.trim()).filter(Boolean),
  notes: (text) => text,
};

function typed() {
  return { name: $("run-name").value, tags: $("run-tags").value, notes: $("run-notes").value };
}

// What is said of a run, to see whether that is new.
function said({ name, tags, notes }) {
  return JSON.stringify([name, tags, notes]);
}
