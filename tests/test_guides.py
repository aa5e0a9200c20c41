"""Every guide runs as it stands: its blocks one after the other, in an empty folder. Those of engines.md: test_cluster."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDES = sorted((ROOT / "lessons" / "guides").glob("[a-z]*.md"))
FILE = re.compile(r"# (\w+\.py)\n")


def run(code, folder):
    """What it prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "TQDM_DISABLE": "1"}
    command = [sys.executable, "-B", "-c", code] if "\n" in code else [sys.executable, "-B", code]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", GUIDES, ids=[path.stem for path in GUIDES])
def test_a_guide_is_a_page_and_its_code_runs(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    listed = f"]({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")
    assert listed, f"guides/README.md: add {path.name}"
    assert path.stem in ("speed", "contributing") or len(text.splitlines()) <= 70, "at most a page"
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / link).exists(), f"{path.name} leads to {link}"
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    for block in blocks:
        name = FILE.match(block)
        if name:
            (tmp_path / name[1]).write_text(block, encoding="utf-8")
    code = "".join(
        block for block in blocks if not FILE.match(block) and "RecallTrial" not in block
    )
    said = run(code, tmp_path) if code else ""
    if (tmp_path / "run.py").exists():
        said += run("run.py", tmp_path)
        assert said.count("None") == 6 and len(list((tmp_path / "kept").glob("*.json"))) == 6
    if path.stem == "own_loop":
        assert len(blocks[0].strip().splitlines()) <= 12 and len(list(tmp_path.glob("*.html"))) == 2
    if "largest difference" in said:
        assert max(map(float, said.split()[2:])) < 1e-12, said


def test_weights_as_pytorch_keeps_them_give_what_its_formula_says(rng):
    """MultiheadAttention's own formula, with columns and a loop over heads, in place of PyTorch."""
    import numpy as np

    text = (ROOT / "lessons" / "guides" / "from_pytorch.md").read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"```python\n(.*?)```", text, re.S)[1], names)
    S, D, heads = 5, 8, 2
    shapes = {"in_proj_weight": (3 * D, D), "in_proj_bias": 3 * D}
    shapes |= {"out_proj.weight": (D, D), "out_proj.bias": D}
    state = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    x = rng.normal(size=(3, S, D))
    visible = np.tril(np.ones((S, S), bool))
    y, _ = names["self_attention"](x, names["from_torch"](state, heads), visible)
    for sample, ours in zip(x, y):
        q, k, v = (state["in_proj_weight"] @ sample.T + state["in_proj_bias"][:, None]).reshape(
            3, heads, D // heads, S
        )
        said = []
        for h in range(heads):
            a = np.where(visible, q[h].T @ k[h] / np.sqrt(D // heads), -np.inf)
            s = np.exp(a - a.max(axis=1, keepdims=True))
            said.append(v[h] @ (s / s.sum(axis=1, keepdims=True)).T)
        wanted = state["out_proj.weight"] @ np.concatenate(said) + state["out_proj.bias"][:, None]
        assert abs(ours - wanted.T).max() < 1e-12
