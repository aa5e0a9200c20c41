// Lesson 11, live: three heads, features of importance 2.89, 1.7 and 1 among 40 positions, attention that moves by
// itself. At some time one head falls silent: its values are 0 and it stays as it is, and the others learn on.
const main = find("main");
find("h1").textContent = data.title;
const { d, n, N, attention, speed, loss, missing } = factorization([2.89, 1.7, 1], 40, false), STEP = 0.1, LAST = 1000, EPS = 1e-6;

// Values 0; head j's score of position j is EPS higher
function start() {
  const e = Math.exp(-EPS), sum = 1 + 39 * e;
  return [0, 1, 2].flatMap((j) => [0, 0, 0, ...Array.from({ length: n }, (_, k) => (k === j ? 1 : e) / sum)]);
}

function walk(f, y, end) {
  const points = [{ t: 0, y }];
  for (let i = 1; i <= Math.round(end / STEP); i++) points.push({ t: i * STEP, y: (y = rk4(f, y, STEP)) });
  return points;
}

const free = walk(speed, start(), LAST);
const controls = make("section", { "aria-label": "what can be set" });
const silent = picker(controls, "silent", "silent head", ["none", "head 1", "head 2", "head 3"], show);
const at = slider(controls, "at", "from t =", 824, 1, LAST, 0, show);
const later = slider(controls, "later", "watch for", 2500, 1, 2500, 0, show);
const said = make("p", { id: "said", role: "status" });
const table = make("table", {}, make("caption", {}, ""));
const how = make("p", {}, "Three heads divide three features, the strongest first. Silence one: what it wrote is missing at once. Who takes it over, and what stays lost?");
const boxes = ["before", "after", "who"].map((id) => make("div", { id }));
main.append(make("div", {}, how, controls, said, table), make("div", {}, ...boxes));

const wrote = (y, j, k) => y[j * N + k] * attention(y)[j * n + k]; // by head j of feature k at its position
const most = (y, k) => [0, 1, 2].reduce((best, j) => (wrote(y, j, k) > wrote(y, best, k) ? j : best), 0);

function tell(y, head) {
  table.caption.textContent = `at the end: where each head looks, what it writes${head < 0 ? "" : `; head ${head + 1} is silent`}`;
  const names = ["head", ...[1, 2, 3].map((k) => `looks at ${k}`), ...[1, 2, 3].map((k) => `writes ${k}`)], s = attention(y);
  table.replaceChildren(table.caption, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
  for (let j = 0; j < 3; j++) {
    const numbers = [...s.slice(j * n, j * n + d), ...y.slice(j * N, j * N + d)];
    table.append(make("tr", {}, make("th", { scope: "row" }, String(j + 1)), ...numbers.map((x) => make("td", {}, Math.abs(x) < 0.005 ? "0" : x.toFixed(2)))));
  }
}

function show() {
  const head = silent.get() - 1, begun = free[Math.round(at.get() / STEP)].y, of = (i) => Math.floor(i / N) === head;
  const y0 = begun.map((x, i) => (of(i) && i % N < d ? 0 : x)), held = (y) => speed(y).map((x, i) => (of(i) ? 0 : x));
  const points = walk(head < 0 ? speed : held, y0, later.get()), end = points.at(-1).y;
  const feature = head < 0 ? 0 : [0, 1, 2].reduce((best, k) => (wrote(begun, head, k) > wrote(begun, head, best) ? k : best), 0);
  const half = missing(y0)[feature] / 2, lacks = points.map(({ y }) => missing(y)[feature]), i = lacks.findIndex((x) => x < half);
  const back = i < 0 ? null : STEP * (i - 1 + (lacks[i - 1] - half) / (lacks[i - 1] - lacks[i]));
  const thin = (all) => { const last = Math.log(all.length); let next = 1; return all.filter((_, i) => i >= next && (next = Math.max(i + 1, i * Math.exp(last / 500)))); };
  const lines = (all, name, count, value, c) => { const some = thin(all); return Array.from({ length: count }, (_, k) => ({ name: `${name} ${k + 1}`, x: some.map(({ t }) => t), y: some.map(({ y }) => value(y, k)), colour: colour(c + k), dashes: "" })); };
  const wide = Math.max(280, Math.min(700, boxes[0].clientWidth)), whole = { name: "all of the loss", colour: "currentColor", dashes: "7 4" };
  const of_feature = (y, k) => missing(y)[k], some = thin(points);
  const charts = [
    chart({ label: "loss of a feature", curves: lines(free, "feature", 3, of_feature, 3), log: true, values: false }, wide, { unit: "time" }),
    chart({ label: "loss, after that", curves: [...lines(points, "feature", 3, of_feature, 3), { ...whole, x: some.map(({ t }) => t), y: some.map(({ y }) => loss(y)) }], log: true, values: false }, wide, { unit: "time since then" }),
    chart({ label: `feature ${feature + 1} at ${feature + 1}`, curves: lines(points, "written by head", 3, (y, j) => wrote(y, j, feature), 0), log: true, values: false }, wide, { unit: "time since then" }),
  ];
  boxes.forEach((box, i) => box.replaceChildren(charts[i].svg, charts[i].legend));
  charts[0].moved(at.get());
  tell(end, head);
  const taker = most(end, feature), takes = wrote(end, taker, feature).toFixed(2);
  said.textContent = head < 0 ? `Nobody is silent. ${later.get()} after t = ${at.get()} the loss is ${loss(end).toFixed(4)}.` :
    `Head ${head + 1} falls silent at t = ${at.get()}; most of what it wrote was feature ${feature + 1}. The loss is ${loss(y0).toFixed(2)} at once and ${loss(end).toFixed(4)} after ${later.get()}. ` +
    `Feature ${feature + 1} is ${back === null ? "not half back in this time" : `half back after ${back < 10 ? back.toFixed(2) : back.toFixed(0)}`}; at the end head ${taker + 1} writes most of it, ${takes}.`;
  Object.assign(said.dataset, { y: JSON.stringify(end), loss: loss(end), once: loss(y0), back: back ?? "", taker: taker + 1, takes });
}

firstMinute(show, [
  { look: "#before", say: () => "Nobody is silent: each feature's loss falls by itself, the strongest feature first." },
  { set: { silent: 1, later: 100 }, look: "#who", say: () => `Head 1 falls silent at t = ${at.get()}. ${said.dataset.taker === "1" ? "Nobody takes over" : `Head ${said.dataset.taker} takes over: it writes ${said.dataset.takes} of the feature`} after ${later.get()}.` },
  { set: { silent: 2 }, look: "#after", say: () => `Head 2 falls silent: its feature is ${said.dataset.back ? `half back after ${Number(said.dataset.back).toFixed(0)}` : "not half back"}, and the loss ends at ${Number(said.dataset.loss).toFixed(4)}.` },
]);
liveTools(show);
