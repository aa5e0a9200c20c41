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

// A curve's colour and dashes: seven colours (the last is that of the text), and then the same dashed
const colour = (c) => data.colours[c % data.colours.length];
const dashes = (c) => ["", "7 4", "2 4", "9 3 2 3"][Math.floor(c / data.colours.length) % 4];

const brief = (x) => (Math.abs(x) >= 1e4 || (x !== 0 && Math.abs(x) < 1e-3) ? (+x.toPrecision(4)).toExponential() : String(+x.toPrecision(5)));

// What can be set on a live page, by name: {get, set, first}. The address of a view tells what differs from the first.
const settings = new Map();

// A slider and a number beside it that agree. What is typed outside of its range is taken as its end, and said.
// (section, name, label, value, least, most, digits, what to do then)
function slider(section, name, label, value, min, max, digits, then) {
  const step = digits === 0 ? 1 : "any";
  const range = make("input", { type: "range", id: name, min, max, step, value });
  const number = make("input", { type: "number", id: `${name}-number`, min, max, step, value: brief(value), "aria-label": label });
  const note = make("small", { id: `${name}-note`, role: "status" });
  let now = value;
  const take = (x) => { range.value = now = Math.max(min, Math.min(max, digits === 0 ? Math.round(x) : x)); };
  range.addEventListener("input", () => {
    take(+Number(range.value).toFixed(digits));
    number.value = now;
    note.textContent = "";
    then();
  });
  number.addEventListener("input", () => {
    const typed = number.valueAsNumber;
    if (Number.isFinite(typed)) take(typed);
    const why = typed < min ? `at least ${min}` : typed > max ? `at most ${max}` : Number.isFinite(typed) ? "a whole number" : "a number";
    note.textContent = now === typed ? "" : `${why}: ${brief(now)} is taken`;
    then();
  });
  number.addEventListener("change", () => { number.value = brief(now); });
  section.append(make("p", { id: `${name}-line` }, make("label", { for: name }, `${label} `), range, " ", number, note));
  const one = { get: () => now, set: (x) => { take(x); number.value = brief(now); note.textContent = ""; }, first: value };
  settings.set(name, one);
  return one;
}

// A switch, on or off
function toggle(section, name, label, then) {
  const box = make("input", { type: "checkbox", id: name });
  box.addEventListener("change", then);
  section.append(make("p", { id: `${name}-line`, class: "switch" }, make("label", { for: name }, box, ` ${label}`)));
  const one = { get: () => Number(box.checked), set: (x) => { box.checked = x > 0.5; }, first: 0 };
  settings.set(name, one);
  return one;
}

// A choice of one name: its number, from 0
function picker(section, name, label, names, then) {
  const select = make("select", { id: name }, ...names.map((text, i) => make("option", { value: i }, text)));
  select.addEventListener("change", then);
  section.append(make("p", { id: `${name}-line` }, make("label", { for: name }, label), select));
  const one = { get: () => Number(select.value), set: (x) => { select.value = Math.max(0, Math.min(names.length - 1, Math.round(x))); }, first: 0 };
  settings.set(name, one);
  return one;
}

// A point a step h along the slope k; and a step of the classical Runge-Kutta method for y' = f(y)
const ahead = (y, k, h) => y.map((x, i) => x + h * k[i]);

function rk4(f, y, h) {
  const a = f(y), b = f(ahead(y, a, h / 2)), c = f(ahead(y, b, h / 2)), d = f(ahead(y, c, h));
  return ahead(y, y.map((_, i) => (a[i] + 2 * b[i] + 2 * c[i] + d[i]) / 6), h);
}
