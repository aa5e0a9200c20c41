// The flow of flows/factorization.py where feature k stands at position k, for the pages of lessons 10 and 11.
//   R = G − Σ_j V_j s_jᵀ,   dV/dt = R s,   g = Rᵀ V,   ds_k/dt (or da_k/dt, of scores) = s_k (g_k − s·g)
// A head is its values V (d), then its attention or its scores. Positions where nothing stands move alike: they are
// one number of the state, that counts so many times. Plain loops: it is asked some 100,000 times for one curve.
function factorization(m, length, scores) {
  const d = m.length, empty = length - d, n = d + Math.sign(empty), N = d + n;
  const times = Array.from({ length: n }, (_, k) => (k < d ? 1 : empty));

  function attention(y) { // of all heads, one after the other
    const s = [];
    for (let from = d; from < y.length; from += N) {
      let sum = 0, most = -Infinity;
      for (let k = 0; k < n && scores; k++) most = Math.max(most, y[from + k]);
      for (let k = 0; k < n; k++) {
        const e = scores ? Math.exp(y[from + k] - most) : y[from + k];
        s.push(e);
        sum += times[k] * e;
      }
      for (let k = s.length - n; k < s.length && scores; k++) s[k] /= sum;
    }
    return s;
  }

  function left(y, s) { // R, row after row
    const R = [];
    for (let i = 0; i < d; i++) {
      for (let k = 0; k < n; k++) {
        let written = 0;
        for (let j = 0; j * N < y.length; j++) written += y[j * N + i] * s[j * n + k];
        R.push((i === k ? m[i] : 0) - written);
      }
    }
    return R;
  }

  function speed(y) {
    const s = attention(y), R = left(y, s), slope = [];
    for (let j = 0; j * N < y.length; j++) {
      for (let i = 0; i < d; i++) {
        let dV = 0;
        for (let k = 0; k < n; k++) dV += times[k] * R[i * n + k] * s[j * n + k];
        slope.push(dV);
      }
      let mean = 0;
      for (let k = 0; k < n; k++) {
        let g = 0;
        for (let i = 0; i < d; i++) g += R[i * n + k] * y[j * N + i];
        mean += times[k] * s[j * n + k] * g;
        slope.push(g);
      }
      for (let k = 0; k < n; k++) slope[j * N + d + k] = s[j * n + k] * (slope[j * N + d + k] - mean);
    }
    return slope;
  }

  const leftOver = (y) => left(y, attention(y));
  const loss = (y) => leftOver(y).reduce((sum, r, i) => sum + (times[i % n] * r * r) / 2, 0);
  const missing = (y) => { const R = leftOver(y); return m.map((_, k) => R[k * n + k] ** 2 / 2); }; // of each feature
  return { d, n, N, attention, speed, loss, missing };
}
