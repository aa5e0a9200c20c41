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

// The greater eigenvalue of the loss's Hessian: L_ww, and with s' = s (1-s) L_wD = L_ws s', L_DD = L_ss s'^2 + L_s s' (1-2s)
function steepest(y, T, d) {
  const { s, miss, noise } = parts(y, T, d), [w] = y, slope = s * (1 - s);
  const ww = (s * s + (1 - s) ** 2 / (T - 1)) / d, wD = ((miss - noise + w * (s - (1 - s) / (T - 1))) / d) * slope;
  const DD = ((w * w * (1 + 1 / (T - 1))) / d) * slope * slope + ((w * (miss - noise)) / d) * slope * (1 - 2 * s);
  return (ww + DD) / 2 + Math.hypot((ww - DD) / 2, wD);
}

// Steps of h until `end`, from y at time t; `crossing`: when the loss falls below 0.1
function walk(step, h, t, y, end, T, d) {
  const points = [{ t, y, loss: loss(y, T, d) }];
  let crossing = null;
  for (let i = 1; t + i * h <= end * (1 + 1e-12); i++) {
    y = step(y, h);
    const now = { t: t + i * h, y, loss: loss(y, T, d) }, before = points[points.length - 1];
    if (crossing === null && now.loss < 0.1) crossing = before.t + (h * (before.loss - 0.1)) / (before.loss - now.loss);
    points.push(now);
  }
  return { points, crossing };
}

const controls = make("section", { "aria-label": "what can be dragged" });
const tokens = slider(controls, "T", "tokens T", 512, 8, 2048, 0, show);
const size = slider(controls, "d", "size d", 64, 2, 512, 0, show);
const rate = slider(controls, "rate", "learning rate η, as a share of the plateau", 0.02, 0.002, 0.2, 4, show);
const hold = toggle(controls, "hold", "hold w (or drag the ring below)", show);
const heldAt = slider(controls, "w", "w is held at this share of √d", 0.5, 0, 1.5, 3, show);
const heldFrom = slider(controls, "from", "from this share of the plateau on", 0, 0, 1.5, 3, show);
const said = make("p", { id: "said", role: "status" });
const how = make("p", {}, "More tokens or larger ones, a longer plateau. Descent takes steps of the learning rate and is late by a few of them. w is what the head writes, √d is what is wanted of it; Δ, the lead of the right score, makes attention.");
const boxes = ["loss", "numbers"].map((id) => make("div", { id }));
main.append(make("div", {}, how, controls, said), make("div", {}, ...boxes));
let ring = null; // where w is held: the scales of the lower picture

function drag(event) {
  if (event.buttons === 0 || !event.target.closest(".chart")) return;
  const box = boxes[1].firstChild.getBoundingClientRect();
  const share = (event.clientX - box.left - ring.X(0)) / (ring.X(ring.snap) - ring.X(0)), y = (event.clientY - box.top - ring.Y(0)) / (ring.Y(1) - ring.Y(0));
  heldFrom.set(share);
  heldAt.set(y);
  hold.set(1);
  show();
}
boxes[1].style.touchAction = "none";
boxes[1].addEventListener("pointerdown", drag);
boxes[1].addEventListener("pointermove", drag);

const every = (points, most) => points.filter((_, i) => i % Math.ceil(points.length / most) === 0 || i === points.length - 1);

function show() {
  const T = tokens.get(), d = size.get(), root = Math.sqrt(d), f = (y) => speed(y, T, d);
  const kappa = 1 / (root * T), snap = Math.sqrt(Math.PI / 2) / kappa, end = 1.6 * snap, h = snap / 4000, eta = snap * rate.get();
  const flow = walk((y, h) => rk4(f, y, h), h, 0, [0, 0], end, T, d), descent = walk((y, h) => ahead(y, f(y), h), eta, 0, [0, 0], end, T, d);
  const last = flow.points[flow.points.length - 1], bound = 2 / steepest(last.y, T, d);
  const begin = Math.round(heldFrom.get() * 4000), w = heldAt.get() * root; // of the steps of the flow
  // only Δ moves, no faster than w max(w, √d) / 4d: a quarter of that time is a step that resolves it
  const small = h / Math.max(1, Math.ceil((h * w * Math.max(w, root)) / d));
  const held = hold.get() ? walk((y, h) => rk4((y) => [0, f(y)[1]], y, h), small, flow.points[begin].t, [w, flow.points[begin].y[1]], end, T, d) : null;
  const line = (found, of, most = 900) => { const some = every(found.points, most); return { x: some.map((p) => p.t), y: some.map(of) }; };
  const up = (p) => p.y[0] / root, looks = (p) => parts(p.y, T, d).s, least = (p) => (p.loss < 0.55 ? p.loss : null);
  const dark = "currentColor", losses = [{ name: "the flow (RK4)", ...line(flow, (p) => p.loss), colour: dark, dashes: "" }, { name: "descent", ...line(descent, least, 1e9), colour: colour(1), dashes: "" }];
  const numbers = [{ name: "w / √d", ...line(flow, up), colour: dark, dashes: "" }, { name: "attention on the right token", ...line(flow, looks), colour: colour(2), dashes: "" }];
  if (held) {
    losses.push({ name: "w held", ...line(held, (p) => p.loss), colour: colour(3), dashes: "7 4" });
    numbers.push({ name: "w held", ...line(held, up), colour: dark, dashes: "7 4" }, { name: "attention, w held", ...line(held, looks), colour: colour(2), dashes: "7 4" });
  }
  const wide = Math.max(280, Math.min(700, boxes[0].clientWidth));
  const closed = { name: "closed form √(π/2) √d T", x: [snap, snap], y: [0, 0.55], colour: colour(0), dashes: "3 3" };
  const above = chart({ label: "loss", curves: [...losses, closed], low: 0, high: 0.55, values: false }, wide, { unit: "time" });
  const below = chart({ label: "shares", curves: numbers, low: 0, high: 1.5, values: false }, wide, { unit: "time", named: 1 });
  const mark = draw("circle", { cx: below.X(begin * h), cy: below.Y(w / root), r: 8, fill: "transparent", stroke: "currentColor", "stroke-width": 2, "stroke-opacity": held ? 1 : 0.4 });
  below.svg.append(mark);
  below.svg.style.cursor = "move";
  ring = { ...below, snap };
  boxes.forEach((box, i) => box.replaceChildren([above, below][i].svg, [above, below][i].legend));
  const at = (found) => (found.crossing === null ? "not in this time" : found.crossing.toFixed(1));
  const half = held && held.points.find((p) => looks(p) >= 0.5);
  said.textContent = `κ = ${kappa.toExponential(3)}. Closed form of the snap ${snap.toFixed(1)}; the flow's loss falls below 0.1 at ${at(flow)}; descent's at ${at(descent)}. ` +
    `A step of descent is ${eta.toFixed(1)} long; where the flow ends the longest stable step is ${bound.toFixed(1)} (lesson 05)` + (eta > bound ? ": this one is past it, and descent cannot rest there." : ".") +
    (held ? ` With w held at ${w.toFixed(2)} from ${(begin * h).toFixed(0)} on, attention is 1/2 at ${half ? half.t.toFixed(0) : "no time shown"}, and the loss ${held.crossing === null ? "is not below 0.1 in this time" : `is below 0.1 at ${at(held)}`}.` : "");
  const stop = held && held.points[held.points.length - 1];
  Object.assign(said.dataset, { snap, flow: flow.crossing, descent: descent.crossing, w: last.y[0], delta: last.y[1], loss: last.loss, bound, ...(held ? { heldStep: small, heldBegin: begin * h, heldW: w, heldDelta: stop.y[1], heldLoss: stop.loss, heldCrossing: held.crossing } : {}) });
}

firstMinute(show, [
  { look: "#loss", say: () => `The loss waits near 1/2 and falls below 0.1 at ${Number(said.dataset.flow).toFixed(0)}; the closed form says ${Number(said.dataset.snap).toFixed(0)}.` },
  { set: { hold: 1, w: 1 }, look: "#numbers", say: () => `w is given at once, √d = ${Number(said.dataset.heldW).toFixed(1)}, and held: attention waits all the same, only less, and the loss is below 0.1 at ${Number(said.dataset.heldCrossing).toFixed(0)}. Drag the ring.` },
  { set: { rate: 0.04 }, look: "#rate-line, #said", say: () => `Longer steps of descent: the longest stable one is ${Number(said.dataset.bound).toFixed(0)}, and here a step is ${(said.dataset.snap * rate.get()).toFixed(0)}.` },
]);
liveTools(show);
