// Lesson 10, live: two heads, features of importance 3 and 1, attention through scores. They are equal until head 2's
// score of position 2 gets ε more; from then on the crowd, the mean of the two, goes on or is held.
const main = find("main");
find("h1").textContent = data.title;
const { N, attention, speed } = factorization([3, 1], 2, true), STEP = 0.1, MOST = 1500;

const lessMean = (y) => {
  const slope = speed(y), mean = Array.from({ length: N }, (_, i) => (slope[i] + slope[N + i]) / 2);
  return slope.map((x, i) => x - mean[i % N]);
};
const writes = (y) => Math.abs(y[1] - y[N + 1]); // by how much they differ in what they write of feature 2

function crowdAt(from) { // two equal heads, after so long
  let y = Array(2 * N).fill(0);
  for (let i = 1; i <= Math.round(from / STEP); i++) y = rk4(speed, y, STEP);
  return y;
}

// Until `after` later than they differ by 0.2; `parted`: when that is
function walk(f, y, after) {
  const points = [{ t: 0, y }];
  let parted = null;
  for (let i = 1; i * STEP <= Math.min(MOST, parted === null ? MOST : parted + after); i++) {
    const before = writes(y);
    y = rk4(f, y, STEP);
    if (parted === null && writes(y) > 0.2) parted = STEP * (i - 1 + (0.2 - before) / (writes(y) - before));
    points.push({ t: i * STEP, y });
  }
  return { points, parted };
}

const controls = make("section", { "aria-label": "what can be dragged" });
const power = slider(controls, "power", "ε = 10 to the power of minus", 4, 1, 8, 1, show);
const from = slider(controls, "from", "ε is added, and the crowd held, at t =", 20, 5, 200, 0, show);
const hold = toggle(controls, "hold", "hold the crowd", show);
const said = make("p", { id: "said", role: "status" });
const table = make("table", {}, make("caption", {}, "time until the heads differ by 0.2, for each ε that was tried"));
const how = make("p", {}, "Two heads sit on feature 1 until their first difference has grown. The crowd is their mean. While they wait it looks less and less at position 2, and so their difference grows more and more slowly. Hold the crowd: from then on its mean speed is taken from both.");
const boxes = ["attention", "difference"].map((id) => make("div", { id }));
main.append(make("div", {}, how, controls, said, table), make("div", {}, ...boxes));
const tried = new Map();

function show() {
  const eps = 10 ** -power.get(), crowd = crowdAt(from.get()), tilted = crowd.map((x, i) => (i === N + 3 ? x + eps : x));
  const runs = [{ name: "free", ...walk(speed, tilted, 150) }];
  if (hold.get()) runs.push({ name: "crowd held", ...walk(lessMean, tilted, 15) });
  const curve = (name, run, of, c, dashed) => {
    const some = run.points.filter((_, i) => i % Math.ceil(run.points.length / 900) === 0);
    return { name, x: some.map(({ t }) => t + from.get()), y: some.map(({ y }) => of(y)), colour: colour(c), dashes: dashed ? "7 4" : "" };
  };
  const looks = runs.flatMap((run, r) => [0, 1].map((j) => curve(`head ${j + 1}, ${run.name}`, run, (y) => attention(y)[2 * j], j, r)));
  const apart = runs.map((run, r) => curve(run.name, run, writes, 3, r));
  const wide = Math.max(280, Math.min(700, boxes[0].clientWidth)), how = { unit: "time" };
  const charts = [chart({ label: "attention on position 1", curves: looks, low: 0.45, high: 1.02, values: false }, wide, how), chart({ label: "difference, feature 2", curves: apart, log_y: true, values: false }, wide, how)];
  boxes.forEach((box, i) => box.replaceChildren(charts[i].svg, charts[i].legend));
  const waits = runs.map(({ parted }) => (parted === null ? `not within ${MOST}` : parted.toFixed(1)));
  if (tried.from !== from.get()) tried.clear();
  tried.from = from.get();
  tried.set(power.get(), waits.length > 1 ? waits : [waits[0], tried.get(power.get())?.[1] ?? "–"]);
  table.replaceChildren(table.caption, make("tr", {}, ...["ε", "free", "crowd held"].map((name) => make("th", { scope: "col" }, name))));
  for (const [one, row] of [...tried].sort(([a], [b]) => a - b)) table.append(make("tr", {}, make("th", { scope: "row" }, `1e-${one}`), ...row.map((text) => make("td", {}, text))));
  said.textContent = `ε = 1e-${power.get()}, added at t = ${from.get()}: free, they differ by 0.2 after ${waits[0]}` + (waits.length > 1 ? `; with the crowd held after ${waits[1]}.` : ".");
  const end = (run) => run && { parted: run.parted, t: run.points.at(-1).t, y: run.points.at(-1).y };
  Object.assign(said.dataset, { free: JSON.stringify(end(runs[0])), held: JSON.stringify(end(runs[1]) || null) });
}

const wait = (name) => JSON.parse(said.dataset[name]).parted.toFixed(0);
firstMinute(show, [
  { set: { power: 2 }, look: "#attention", say: () => `Equal to 1e-2, the heads wait ${wait("free")}; then one lets go of position 1.` },
  { set: { power: 6 }, look: "table", say: () => `Equal to 1e-6 they wait ${wait("free")}. Compare the waits of 1e-2, 1e-4 and 1e-6: each 100 times smaller ε costs more than the one before.` },
  { set: { power: 6, hold: 1 }, look: "#difference", say: () => `With the crowd held the difference grows at one rate, a straight line on this axis, and the wait is ${wait("held")}. Free it bends: the rate falls.` },
]);
liveTools(show);
