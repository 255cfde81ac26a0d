// What the page asks the server to do. Each returns {failure}: "" when it is done, or why it isn't, in words.

const at = (id) => `/api/runs/${encodeURIComponent(id)}`;

// Changes a run's name, tags, notes, or whether it is archived; the answer has the `run` as it is then.
export async function edit(id, changes) {
  const headers = { "Content-Type": "application/json" };
  const { failure, answer } = await asked(at(id), { method: "PATCH", headers, body: JSON.stringify(changes) });
  return { failure, run: failure ? null : await answer.json() };
}

// Asks a run to stop at the end of its epoch.
export function stop(id) {
  return asked(`${at(id)}/stop`, { method: "POST" });
}

async function asked(address, options) {
  try {
    const answer = await fetch(address, options);
    return { answer, failure: answer.ok ? "" : (await answer.text()) || `the monitor answers ${answer.status}` };
  } catch {
    return { failure: "the monitor can’t be reached" };
  }
}
