// Lesson 04, live: the hill (u v - 1)^2 / 2. Drag the start; descent takes steps of the learning rate η, the flow none.
const main = find("main");
find("h1").textContent = data.title;

const speed = ([u, v]) => [(1 - u * v) * v, (1 - u * v) * u];

function path(step, start, n) {
  const points = [start];
  for (let i = 0; i < n && Math.hypot(...points[i]) < 1e6; i++) points.push(step(points[i]));
  return points;
}

const pair = (y) => y.map((x) => (Math.abs(x) < 5e-4 ? "0.000" : x.toFixed(3))).join(", ");

const LOW = -2.2, HIGH = 2.6, SIDE = 520;
const X = (u) => ((u - LOW) / (HIGH - LOW)) * SIDE, Y = (v) => SIDE - X(v);
const controls = make("section", { "aria-label": "what can be dragged" });
const start = [slider(controls, "u", "start u", 0.1, LOW, HIGH, 3, show), slider(controls, "v", "start v", 0.1, LOW, HIGH, 3, show)];
const rate = slider(controls, "rate", "learning rate η", 0.5, 0.01, 1.5, 3, show);
const count = slider(controls, "steps", "steps of descent", 40, 1, 400, 0, show);
const svg = draw("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": "the plane of u and v, the valley u v = 1, the saddle, descent and flow" });
svg.style.maxWidth = "36rem";
svg.style.touchAction = "none";
const said = make("p", { id: "said", role: "status" });
const how = make("p", {}, "Drag the start (the ring) in the plane, or use the sliders. Thick: the flow. Dots: descent. Both seek the valley u v = 1.");
main.append(make("div", {}, how, controls, said), svg);

function drag(event) {
  if (event.buttons === 0) return;
  const box = svg.getBoundingClientRect(), unit = (HIGH - LOW) / box.width;
  const at = [LOW + (event.clientX - box.left) * unit, HIGH - (event.clientY - box.top) * unit];
  start.forEach((one, i) => one.set(Math.max(LOW, Math.min(HIGH, at[i]))));
  show();
}
svg.addEventListener("pointerdown", drag);
svg.addEventListener("pointermove", drag);

function show() {
  const from = start.map((one) => one.get()), eta = rate.get(), n = Math.max(1, Math.round(count.get()));
  const descent = path((y) => ahead(y, speed(y), eta), from, n);
  const flow = path((y) => rk4(speed, y, 0.02), from, 2000), end = flow[flow.length - 1];
  const bound = 2 / (end[0] ** 2 + end[1] ** 2);
  svg.replaceChildren();
  for (const [x1, y1, x2, y2] of [[0, Y(0), SIDE, Y(0)], [X(0), 0, X(0), SIDE]]) svg.append(draw("line", { class: "axis", x1, y1, x2, y2 }));
  svg.append(draw("text", { x: SIDE - 12, y: Y(0) + 16 }, "u"), draw("text", { x: X(0) - 16, y: 14 }, "v"));
  for (const at of [-2, -1, 1, 2]) {
    svg.append(draw("text", { x: X(at), y: Y(0) + 16, "text-anchor": "middle" }, at), draw("text", { x: X(0) - 6, y: Y(at) + 5, "text-anchor": "end" }, at));
  }
  for (const side of [1, -1]) {
    const valley = Array.from({ length: 120 }, (_, i) => { const u = side * (0.36 + (2.3 * i) / 119); return `${X(u)},${Y(1 / u)}`; });
    svg.append(draw("polyline", { points: valley.join(" "), fill: "none", stroke: "currentColor" }));
  }
  svg.append(draw("text", { x: X(1.25), y: Y(1.15) }, "valley u v = 1"), draw("text", { x: X(0) + 8, y: Y(0) + 16 }, "saddle"));
  svg.append(draw("circle", { cx: X(0), cy: Y(0), r: 5, fill: "currentColor" }));
  const line = (points) => points.filter((y) => Math.hypot(...y) < 20).map((y) => `${X(y[0])},${Y(y[1])}`).join(" ");
  svg.append(draw("polyline", { points: line(flow), fill: "none", stroke: data.colours[0], "stroke-width": 4, "stroke-opacity": 0.6 }));
  svg.append(draw("polyline", { points: line(descent), fill: "none", stroke: data.colours[3], "stroke-width": 1 }));
  descent.forEach((y) => svg.append(draw("circle", { cx: X(Math.max(-20, Math.min(20, y[0]))), cy: Y(Math.max(-20, Math.min(20, y[1]))), r: 2.5, fill: data.colours[3] })));
  svg.append(draw("circle", { cx: X(from[0]), cy: Y(from[1]), r: 7, fill: "none", stroke: data.colours[3], "stroke-width": 2 }));
  const last = descent[descent.length - 1], away = Math.hypot(...last) > 1e5;
  const past = eta > bound;
  const step = Number.isFinite(bound) && bound < 1e3 ? `across the valley λ = −(u² + v²) there, so the longest stable step is 2/|λ| = ${bound.toFixed(3)} (lesson 05)${past ? `; η = ${brief(eta)} is past it, and descent cannot rest there` : ""}. ` : "that is the saddle. ";
  said.textContent = `The flow ends at (${pair(end)}); ${step}` +
    (away ? "Descent has flown off." : `After ${n} steps descent is at (${pair(last)}).`);
  Object.assign(said.dataset, { u: last[0], v: last[1], flowU: end[0], flowV: end[1], bound });
}

const ends = () => pair([Number(said.dataset.flowU), Number(said.dataset.flowV)]);
firstMinute(show, [
  { look: "main svg", say: () => `From (0.1, 0.1), near the saddle, both go to the valley: the flow ends at (${ends()}).` },
  { set: { u: 1.4, v: -1.4 }, look: "main svg", say: () => `From (1.4, −1.4), on the line between the valleys, the flow ends at (${ends()}), and the valley is not found.` },
  { set: { u: 2, v: 0.3, rate: 0.6 }, look: "#rate-line, #said", say: () => `From (2, 0.3) the flow ends at (${ends()}). There a step may be no longer than ${Number(said.dataset.bound).toFixed(3)}; here it is ${rate.get()}, and descent ${rate.get() > said.dataset.bound ? "cannot rest there" : "may rest there"}.` },
]);
liveTools(show);
