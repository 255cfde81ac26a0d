// Nodes of the page: found, made, and changed only where something is new.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function label(node, name, text) {
  if (node.getAttribute(name) !== String(text)) node.setAttribute(name, text);
}

// What a browser that keeps nothing forgets, without harm.
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // the page works all the same
  }
}
