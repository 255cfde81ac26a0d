// What a worker does, which the page can end: tells which names match an expression.

onmessage = ({ data: { pattern, names } }) => postMessage(names.map((name) => pattern.test(name)));
