// Lesson 06, live: two numbers, w and Delta, integrated in the page by RK4, and the closed form of the snap beside them.
const main = find("main");
find("h1").textContent = data.title;

// attention on the right token s_r = 1 / ((T-1) e^-Delta + 1), miss = s_r w - sqrt d, noise = (1-s_r) w / (T-1)
function parts([w, delta], T, d) {
  const s = 1 / ((T - 1) * Math.exp(-delta) + 1);
  return { s, miss: s * w - Math.sqrt(d), noise: ((1 - s) * w) / (T - 1) };
}

function speed(y, T, d) {
  const { s, miss, noise } = parts(y, T, d);
  return [-(s * miss + (1 - s) * noise) / d, (s * (1 - s) * -y[0] * (miss - noise)) / d];
}

function loss(y, T, d) {
  const { s, miss, noise } = parts(y, T, d);
  return (miss * miss + (1 - s) * y[0] * noise) / (2 * d);
}

function walk(method, h, end, T, d) {
  const f = (y) => speed(y, T, d), points = [{ t: 0, y: [0, 0], loss: loss([0, 0], T, d) }];
  let y = [0, 0], crossing = null;
  for (let i = 1; i * h <= end * (1 + 1e-12); i++) {
    y = method === "euler" ? ahead(y, f(y), h) : rk4(f, y, h);
    const now = { t: i * h, y, loss: loss(y, T, d) }, before = points[points.length - 1];
    if (crossing === null && now.loss < 0.1) crossing = before.t + (h * (before.loss - 0.1)) / (before.loss - now.loss);
    points.push(now);
  }
  return { points, crossing };
}

const controls = make("section", { "aria-label": "what can be dragged" });
const tokens = slider(controls, "T", "tokens T", 512, 8, 2048, 0, show);
const size = slider(controls, "d", "size d", 64, 2, 512, 0, show);
const rate = slider(controls, "rate", "learning rate η, as a share of the plateau", 0.02, 0.002, 0.2, 4, show);
const svg = draw("svg", { viewBox: "0 0 700 300", role: "img", "aria-label": "loss over time: the flow, descent, and the closed form of the snap" });
const legend = make("div", { class: "legend" });
const said = make("p", { id: "said", role: "status" });
const how = make("p", {}, "More tokens or larger ones, a longer plateau. Descent takes steps of the learning rate and is late by a few of them.");
main.append(make("div", {}, how, controls, said), make("div", {}, svg, legend));

function show() {
  const T = Math.max(2, Math.round(tokens.get())), d = Math.max(1, Math.round(size.get()));
  const kappa = 1 / (Math.sqrt(d) * T), snap = Math.sqrt(Math.PI / 2) / kappa, end = 1.6 * snap;
  const flow = walk("rk4", snap / 4000, end, T, d), descent = walk("euler", snap * rate.get(), end, T, d);
  const X = (t) => 45 + (t / end) * 640, Y = (l) => 265 - (l / 0.55) * 240;
  svg.replaceChildren(draw("path", { class: "axis", d: "M45 20 V265 H690" }));
  for (const l of [0, 0.1, 0.2, 0.3, 0.4, 0.5]) svg.append(draw("text", { x: 40, y: Y(l) + 4, "text-anchor": "end" }, l));
  for (const k of [0, 0.5, 1, 1.5]) svg.append(draw("text", { x: X(k * snap), y: 282, "text-anchor": "middle" }, (k * snap).toFixed(0)));
  svg.append(draw("text", { x: 690, y: 297, "text-anchor": "end" }, "time"));
  const line = (points, every) => points.filter((_, i) => i % every === 0).map((p) => `${X(p.t)},${Y(p.loss)}`).join(" ");
  svg.append(draw("line", { x1: X(snap), x2: X(snap), y1: 20, y2: 265, stroke: data.colours[3], "stroke-dasharray": "3 3" }));
  svg.append(draw("polyline", { points: line(flow.points, 8), fill: "none", stroke: "currentColor", "stroke-width": 2 }));
  svg.append(draw("polyline", { points: line(descent.points, 1), fill: "none", stroke: data.colours[1], "stroke-width": 2 }));
  legend.replaceChildren();
  for (const [name, colour] of [["the flow (RK4)", "currentColor"], ["descent", data.colours[1]], ["closed form √(π/2) √d T", data.colours[3]]]) {
    const swatch = make("i");
    swatch.style.background = colour;
    legend.append(make("span", {}, swatch, name));
  }
  const at = (found) => (found.crossing === null ? "not yet" : found.crossing.toFixed(1));
  said.textContent = `κ = ${kappa.toExponential(3)}. Closed form of the snap ${snap.toFixed(1)}; the flow's loss falls below 0.1 at ${at(flow)}; descent's at ${at(descent)}.`;
  const last = flow.points[flow.points.length - 1];
  Object.assign(said.dataset, { snap, flow: flow.crossing, descent: descent.crossing, w: last.y[0], delta: last.y[1], loss: last.loss });
}

show();
