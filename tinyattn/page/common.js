// What every page begins with: its data, and elements made of text, never of markup.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector) => document.querySelector(selector);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function draw(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

// A slider and a number beside it that say the same: (section, name, label, value, least, most, digits, what to do then)
function slider(section, name, label, value, min, max, digits, then) {
  const step = digits === 0 ? 1 : "any";
  const range = make("input", { type: "range", id: name, min, max, step, value });
  const number = make("input", { type: "number", id: `${name}-number`, min, max, step, value, "aria-label": label });
  range.addEventListener("input", () => { number.value = (+range.value).toFixed(digits); then(); });
  number.addEventListener("input", () => { range.value = number.value; then(); });
  section.append(make("p", {}, make("label", { for: name }, `${label} `), range, " ", number));
  return { get: () => Number(number.value), set: (x) => { number.value = range.value = x.toFixed(digits); } };
}

// A point a step h along the slope k; and a step of the classical Runge-Kutta method for y' = f(y)
const ahead = (y, k, h) => y.map((x, i) => x + h * k[i]);

function rk4(f, y, h) {
  const a = f(y), b = f(ahead(y, a, h / 2)), c = f(ahead(y, b, h / 2)), d = f(ahead(y, c, h));
  return ahead(y, y.map((_, i) => (a[i] + 2 * b[i] + 2 * c[i] + d[i]) / 6), h);
}
