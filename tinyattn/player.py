"""One HTML page to drag through a training run: maps of all heads and curves on one slider.

It needs no network.

    page = player.Page("Climbing the ladder", "Three heads learn three blocks of the past.")
    page.maps(steps, maps, first_query=5)
    page.curves(steps, {"block 1": kl[:, 0], "blocks 1, 2": kl[:, 1]}, label="distance, nats")
    page.stages([0, 480, 680, 1200], ["block 1", "blocks 1, 2", "all three"])
    page.tour([(24, "head 2", "Head 2 leaves for block 2.")])
    page.write("ladder.html")

Script and style are the files of the folder page; what is drawn goes in as JSON, maps as bytes: 255
is attention 1.
"""

import base64
import html
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from . import plot
from .backend import to_numpy
from .errors import (
    InputError,
    check_choice,
    check_count,
    check_dict,
    check_instance,
    host_floats,
    shown,
)
from .kept import write_whole

SHARED = ("common.js", "curves.js", "view.js")
LIVE = (
    "one_head_by_hand",
    "descent_is_a_flow",
    "plateau_then_snap",
    "who_leaves_and_when",
    "heads_cooperate",
)
FLOWS = {"who_leaves_and_when": ["factorization.js"], "heads_cooperate": ["factorization.js"]}
INKS = [*plot.COLOURS[:6], "currentColor"]  # yellow is not seen on white, black not on black


class Page:
    """A page with a title and a sentence or two.

    choice: what a second choice is called, "ε" say, for a page of several runs; each part then says
            by `of` which run it belongs to.
    unit:   what the slider runs over.
    """

    def __init__(self, title: str, text: str = "", *, choice: str = "", unit: str = "step"):
        self.title, self.text, self.choice, self.unit = _strings(
            title=title, text=text, choice=choice, unit=unit
        )
        self._runs: dict[str, dict[str, Any]] = {}

    def maps(
        self,
        steps: Any,
        s: Any,
        *,
        first_query: int = 0,
        tokens: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        visible: Any = None,
        of: str = "",
    ) -> "Page":
        """Attention maps s (n, H, T, S), in [0, 1], of all heads at n steps; rows are queries.

        first_query: position of the first row.
        tokens:      the S of the sequence, if it is one sequence.
        names:       of the heads.
        visible:     booleans (T, S), False at pairs that are drawn grey; without it those are keys
                     after their query, if no query of any head ever attends to them.

        Raises InputError for maps of another shape or outside [0, 1].
        """
        steps, s = _steps(steps), host_floats("s", s, finite=True)
        if s.ndim != 4 or not s.size or len(s) != len(steps):
            raise InputError(f"s: expected maps ({len(steps)}, H, T, S), got shape {s.shape}")
        if s.min() < 0 or s.max() > 1 + 1e-6:
            ends = [float(s.min()), float(s.max())]
            raise InputError(f"s: expected attention in [0, 1], got {shown(ends)}")
        _, H, T, S = s.shape
        check_count("first_query", first_query, 0)
        names = [f"head {h + 1}" for h in range(H)] if names is None else _names("names", names, H)
        visible = plot.seen(s, first_query, None if visible is None else to_numpy(visible))
        levels = np.rint(255 * np.minimum(s, 1)).astype(np.uint8)
        run = self._run(of)
        run["maps"] = {
            "steps": steps.tolist(),
            "H": H,
            "T": T,
            "S": S,
            "first_query": first_query,
            "packed": _packed(levels),
            "covered": None if visible is None else _packed(~visible),
            "names": names,
            "tokens": None if tokens is None else _names("tokens", tokens, S),
        }
        return self

    def curves(
        self,
        x: Any,
        curves: dict[str, Any],
        *,
        label: str = "",
        log: bool = False,
        log_y: bool = False,
        of: str = "",
    ) -> "Page":
        """A panel of curves {name: (n,)} over x (n,). NaN is a gap.

        Seven colours, then the same dashed, dotted, and both: 28 in all, which then come again.

        label: of the y axis.
        log, log_y: logarithmic axes.

        Raises InputError for no curves, or one without a finite number.
        """
        x = _steps(x, "x")
        if not isinstance(curves, dict) or not curves:
            raise InputError(f"curves: expected {{name: (n,)}}, got {shown(curves)}")
        drawn = []
        for name, y in curves.items():
            y = host_floats(f"curves[{name!r}]", y, x.shape)
            finite = np.isfinite(y)
            if not finite.any():
                raise InputError(f"curves[{name!r}]: expected some finite numbers, got none")
            check_instance("curves", name, str)
            values = [float(v) if ok else None for v, ok in zip(y, finite)]
            drawn.append({"name": name, "y": values})
        for name, flag in (("log", log), ("log_y", log_y)):
            check_instance(name, flag, bool)
        (label,) = _strings(label=label)
        panel = {"label": label, "x": x.tolist(), "curves": drawn, "log": log, "log_y": log_y}
        self._run(of)["panels"].append(panel)
        return self

    def stages(self, edges: Any, names: Sequence[str], *, of: str = "") -> "Page":
        """Bands behind the curves from each edge to the next, with their names."""
        edges = _steps(edges, "edges", strictly=False)
        names, ends = _names("names", names, len(edges) - 1), edges.tolist()
        bands = zip(ends, ends[1:], names)
        self._run(of)["stages"] = [{"from": a, "to": b, "name": name} for a, b, name in bands]
        return self

    def tour(self, stops: Sequence[tuple[int, str, str]], *, of: str = "") -> "Page":
        """Stops that a reader is led to, in their order: (frame, what to look at, a sentence).

        frame: the index of one of the run's steps: those of its maps, or else of its first panel.
        what:  the name of a head, of a curve or of a panel; what has this name is set off.

        Call it after maps and curves. Raises InputError for a frame or a name that is not there.
        """
        run = self._run(of)
        n, known = _seen_of(run)
        for stop in check_instance("stops", stops, list):
            if not isinstance(stop, (list, tuple)) or len(stop) != 3:
                raise InputError(f"stops: expected (frame, what, sentence), got {shown(stop)}")
            frame, what, sentence = stop
            check_count("stops: frame", frame, 0, n - 1)
            _strings(sentence=sentence)
            if what not in known:
                raise InputError(f"stops: expected one of {known}, got {shown(what)}")
        run["tour"] = [[int(frame), what, sentence] for frame, what, sentence in stops]
        return self

    def write(self, path: str | Path, *, source: dict[str, str] | None = None) -> Path:
        """Write the page, whole or not at all; returns its path.

        source: where it comes from, {"text": what the page says of it, "page": the page of a book
                without .html, to which it leads there}.

        Raises InputError for a page without maps and curves.
        """
        if not self._runs or not all(run["maps"] or run["panels"] for run in self._runs.values()):
            raise InputError("page: expected maps or curves of each run, got none")
        if len(self._runs) > 1 and not self.choice:
            raise InputError(f"choice: expected a name for {len(self._runs)} runs, got none")
        palette = matplotlib.colormaps["magma_r"](np.arange(256), bytes=True)[:, :3]
        data = {
            "title": self.title,
            "text": self.text,
            "choice": self.choice,
            "unit": self.unit,
            "palette": _packed(palette),
            "hidden": round(255 * plot.HIDDEN),
            "options": [{"name": name, **run} for name, run in self._runs.items()],
        }
        return _write(path, BODY, ["player.js"], data, source)

    def _run(self, of):
        (of,) = _strings(of=of)
        return self._runs.setdefault(of, {"maps": None, "panels": [], "stages": [], "tour": []})


class Live:
    """A page that computes in the page what a reader drags.

    name: one of LIVE, after the lesson that it belongs to.
    """

    def __init__(self, name: str, title: str):
        self.name = check_choice("name", name, LIVE)
        self.title = check_instance("title", title, str)

    def write(self, path: str | Path, *, source: dict[str, str] | None = None) -> Path:
        """Write the page, whole or not at all; returns its path. source: as in `Page.write`."""
        scripts = [*FLOWS.get(self.name, []), f"{self.name}.js"]
        return _write(path, "<h1></h1><main></main>", scripts, {"title": self.title}, source)


BODY = """<h1></h1><p id="text"></p>
<div class="controls">
<span id="choice-part"><label for="choice" id="choice-name"></label> \
<select id="choice"></select></span>
<button id="play" type="button">Play</button>
<input id="slider" type="range" min="0" value="0" step="1" aria-label="training">
<output id="now" for="slider" aria-live="off"></output> <output id="stage"></output>
<label>speed <select id="speed"><option value="1">1</option><option value="2" selected>2</option>
<option value="5">5</option><option value="20">20</option></select></label>
<div id="tour"></div></div>
<p class="keys">Space plays; arrow keys, Home and End move.
<span id="map-keys">In a map arrow keys move from pair to pair; \
Enter, or a click, follows a row.</span></p>
<section id="map-part" aria-label="attention maps">
<div class="heads" id="heads"></div>
<div class="scale">0 <canvas id="scale" aria-hidden="true"></canvas> 1, attention \
<span id="hidden-key"><i class="hidden-key"></i> hidden from the query</span></div>
<div class="pair" id="pair" role="status"></div>
<div class="maps" id="maps"></div>
<section id="row-part"><h2 id="row-title"></h2><div class="rows" id="rows"></div></section>
</section>
<section id="panels" aria-label="curves"></section>"""


def _write(path, body, scripts, data, source):
    """The page: style, body, data and scripts in one file.

    In JSON a < could end its element, so it is written as \\u003c.
    """
    if source is not None:
        check_dict("source", source, ("text", "page"))
        _strings(**source)
    data = {**data, "colours": INKS, "source": source}
    files = resources.files(__package__) / "page"
    read = lambda name: (files / name).read_text(encoding="utf-8")
    style, code = read("page.css"), "\n".join(map(read, (*SHARED, *scripts)))
    packed = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(data['title'])}</title>\n<style>\n{style}</style></head>\n<body>\n{body}\n"
        f'<script type="application/json" id="data">{packed}</script>\n'
        f"<script>\n{code}</script>\n</body></html>\n"
    )
    try:
        path = Path(path)
    except TypeError:
        raise InputError(f"path: expected that of a file, got {shown(path)}") from None
    write_whole(path, lambda file: file.write(text.encode("utf-8", "replace")))
    return path


def _seen_of(run):
    """How many frames a run has, and the names of what is seen there."""
    if not (run["maps"] or run["panels"]):
        raise InputError("tour: expected maps or curves before it, got none")
    steps = run["maps"]["steps"] if run["maps"] else run["panels"][0]["x"]
    names = list(run["maps"]["names"]) if run["maps"] else []
    for panel in run["panels"]:
        names += [panel["label"], *(curve["name"] for curve in panel["curves"])]
    return len(steps), list(dict.fromkeys(names))


def _packed(numbers):
    """Bytes as text."""
    return base64.b64encode(numbers.tobytes()).decode()


def _strings(**texts):
    return [check_instance(name, text, str) for name, text in texts.items()]


def _steps(steps, name="steps", strictly=True):
    steps = host_floats(name, steps, (None,), finite=True)
    rising = np.diff(steps) > 0 if strictly else np.diff(steps) >= 0
    if not len(steps) or not rising.all():
        raise InputError(f"{name}: expected rising numbers, got {shown(steps)}")
    return steps


def _names(name, texts, n):
    right = isinstance(texts, (list, tuple)) and len(texts) == n
    if not right or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{name}: expected {n} texts, got {shown(texts)}")
    return list(texts)
