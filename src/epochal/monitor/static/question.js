// A question before something is done that can't be undone.

import { $, write } from "./dom.js";

// Returns whether the answer is yes; `yes` and `no` are what the buttons say.
export function confirmed(text, { yes, no }) {
  const dialog = $("confirm");
  write($("confirm-text"), text);
  write($("confirm-yes"), yes);
  write($("confirm-no"), no);
  dialog.showModal();
  return new Promise((done) => {
    dialog.onclick = ({ target }) => target.value && dialog.close(target.value);
    dialog.onclose = () => done(dialog.returnValue === "yes");
    dialog.returnValue = "";
  });
}
