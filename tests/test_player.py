"""Pages: what they hold, what they refuse, and, in a real browser where there is one, what a reader can do with them.

With TINYATTN_REQUIRE_BROWSER=1 a missing browser is a failure."""

import base64
import html
import json
import math
import os
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from tinyattn import attention, ode, player, plot
from tinyattn.errors import InputError
from tinyattn.flows.emergence import TwoNumbers
from tinyattn.flows.factorization import target
from tinyattn.hold import hold

HOSTILE = [
    "</script><script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "\u202eابجد",
    "🙂",
    "&lt;",
]


def page(frames=60, heads=3, size=25, rng=None):
    s = (rng or np.random.default_rng(0)).random((frames, heads, size, size))
    s /= s.sum(axis=-1, keepdims=True)
    steps = 20.0 * np.arange(frames)
    curves = {f"block {k}": np.exp(-steps / (300 * (k + 1))) for k in range(5)}
    made = (
        player.Page("A run", "Three heads.")
        .maps(steps, s, first_query=2)
        .curves(steps, curves, label="distance")
    )
    return made.stages([0, steps[-1] / 2, steps[-1]], ["one", "two"]), steps, s, curves


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    )


def test_a_page_is_one_small_file_that_asks_for_no_other(tmp_path):
    made, steps, _, curves = page()
    path = made.write(tmp_path / "deep" / "page.html")
    assert path.stat().st_size < 400_000
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", text)
    data = data_of(path)
    assert [c["y"] for c in data["options"][0]["panels"][0]["curves"]] == [
        y.tolist() for y in curves.values()
    ]
    assert data["options"][0]["maps"]["steps"] == steps.tolist()
    assert [path.name for path in path.parent.iterdir()] == ["page.html"]


def test_names_are_text_whatever_they_say(tmp_path):
    made = player.Page(HOSTILE[0], HOSTILE[1], choice=HOSTILE[2])
    for of in HOSTILE[3:]:
        made.maps([0, 1], np.full((2, 1, 1, 5), 0.2), tokens=HOSTILE, names=[HOSTILE[0]], of=of)
        made.curves([0, 1], {HOSTILE[1]: [1.0, math.nan]}, label=HOSTILE[0], of=of).stages(
            [0, 1], [HOSTILE[1]], of=of
        )
    path = made.write(tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert (
        text.count("<script") == 2
        and "<img" not in text.split('id="data">')[1].split("</script>")[0]
    )
    data = data_of(path)
    assert data["options"][0]["maps"]["tokens"] == HOSTILE and data["title"] == HOSTILE[0]
    assert data["options"][0]["panels"][0]["curves"][0]["y"] == [1.0, None]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p: p.maps([0, 1], np.full((3, 1, 2, 2), 0.5)), r"s: expected maps \(2, H, T, S\), got shape \(3, 1, 2, 2\)"),
        (lambda p: p.maps([0], np.full((1, 1, 2, 2), 1.5)), r"s: expected attention in \[0, 1\]"),
        (lambda p: p.maps([1, 0], np.full((2, 1, 2, 2), 0.5)), "steps: expected rising numbers"),
        (lambda p: p.maps([0], np.full((1, 1, 2, 2), 0.5), tokens=["a"]), "tokens: expected 2 texts"),
        (lambda p: p.maps([0], np.full((1, 1, 2, 2), np.nan)), "s: expected finite numbers"),
        (lambda p: p.curves([0, 1], {}), r"curves: expected {name: \(n,\)}, got {}"),
        (lambda p: p.curves([0, 1], {"a": [1.0]}), r"curves\['a'\]: expected shape \(2,\)"),
        (lambda p: p.curves([0, 1], {"a": [math.nan] * 2}), r"curves\['a'\]: expected some finite numbers, got none"),
        (lambda p: p.stages([0, 1], ["a", "b"]), "names: expected 1 texts"),
        (lambda p: p.write("page.html"), "page: expected maps or curves of each run, got none"),
        (lambda p: [p.curves([0], {"a": [1]}, of=of) for of in "xy"][1].write("p.html"), "choice: expected a name for 2 runs"),
        (lambda p: player.Live("chess", "Chess"), "name: expected"),
        (lambda p: player.Page(3), "title: expected"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^{message}"):
        call(player.Page("A page"))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def start_browser():
    """A function that opens a page in headless Chromium: (path, width, dark) -> driver."""
    found, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (found and driver):
        if os.environ.get("TINYATTN_REQUIRE_BROWSER") == "1":
            pytest.fail("TINYATTN_REQUIRE_BROWSER=1: expected chromium and chromedriver, got none")
        pytest.skip("needs chromium and chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    opened = []

    quiet = "disable-background-networking disable-component-update disable-sync disable-dev-shm-usage disable-gpu no-sandbox"

    def start(path, width=1200, dark=False):
        options = Options()
        options.binary_location = found
        for flag in (
            *quiet.split(),
            "headless=new",
            *(["blink-settings=preferredColorScheme=0"] if dark else []),
        ):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        opened.append(webdriver.Chrome(options=options, service=Service(driver)))
        screen = {
            "width": width,
            "height": 1000,
            "deviceScaleFactor": 1,
            "mobile": False,
        }  # a window is 500 wide at least
        opened[-1].execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        opened[-1].get(path.resolve().as_uri())
        return opened[-1]

    yield start
    for one in opened:
        one.quit()


def asked_for(browser):
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }


def test_a_reader_drags_through_a_run(tmp_path, start_browser):
    from selenium.webdriver.common.keys import Keys

    made, steps, s, curves = page()
    path = made.write(tmp_path / "page.html")
    browser = start_browser(path)
    find = lambda selector: browser.find_element("css selector", selector)
    now = lambda: find("#now").text
    assert (
        asked_for(browser) == {path.resolve().as_uri()}
        and browser.title == "A run"
        and now() == "step 0"
    )
    body = find("body")
    for key, there in (
        (Keys.ARROW_RIGHT, 1),
        (Keys.END, 59),
        (Keys.ARROW_LEFT, 58),
        (Keys.HOME, 0),
    ):
        body.send_keys(key)
        assert now() == f"step {20 * there}" and find("#slider").get_attribute("value") == str(
            there
        )
        for c, y in enumerate(curves.values()):
            assert (
                float(find(f'[data-curve="0-{c}"] output').get_attribute("data-value")) == y[there]
            )
    browser.execute_script(
        "let s = document.getElementById('slider'); s.value = 30; s.dispatchEvent(new Event('input'))"
    )
    assert now() == "step 600"
    canvas = find("#map-1")
    canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    said = find("#pair").text
    assert said.startswith("Query 4, key 1.") and f"head 2: {s[30, 1, 2, 1]:.2f}"[:-1] in said
    shown = float(re.search(r"head 2: ([\d.]+)", said)[1])
    assert abs(shown - s[30, 1, 2, 1]) < 0.6 / 255
    assert not find("#row-part").is_displayed()
    canvas.send_keys(Keys.ENTER)
    assert (
        find("#row-part").is_displayed() and find("#row-title").text == "Query 4 through training"
    )
    ends = lambda there: [
        one.text for one in browser.find_elements("css selector", f"{there} small")
    ]
    assert ends('#maps [data-head="1"]') == ["2", "26", "0", "24"]
    assert ends("#rows figure:first-child") == ["0", "24", "0", "1180"]
    from selenium.webdriver import ActionChains

    box = find("#map-2").rect
    there = lambda y, x: (
        round(((x + 0.5) / 25 - 0.5) * box["width"]),
        round(((y + 0.5) / 25 - 0.5) * box["height"]),
    )
    ActionChains(browser).move_to_element_with_offset(
        find("#map-2"), *there(5, 3)
    ).perform()  # hover
    assert find("#pair").text.startswith("Query 7, key 3.") and find("#row-title").text.startswith(
        "Query 4"
    )
    ActionChains(browser).move_to_element_with_offset(
        find("#map-2"), *there(9, 8)
    ).click().perform()
    assert find("#pair").text.startswith("Query 11, key 8.") and find("#row-title").text.startswith(
        "Query 11"
    )
    find("#head-1").click()
    assert (
        not find('#maps figure[data-head="1"]').is_displayed()
        and "head 2" not in find("#pair").text
    )
    find("#play").click()
    assert find("#play").text == "Pause"
    find("#play").click()
    assert find("#play").text == "Play" and not browser.get_log("browser")


def test_a_second_choice_and_hostile_names(tmp_path, start_browser):
    made = player.Page(HOSTILE[0], HOSTILE[1], choice="ε")
    for k, of in enumerate(HOSTILE[1:4]):
        made.maps([0, 1], np.full((2, 1, 2, 5), 0.2), tokens=HOSTILE, of=of)
        made.curves([0, 1, 2], {HOSTILE[0]: [k + 0.5, 1, 2]}, label=HOSTILE[1], of=of)
    browser = start_browser(made.write(tmp_path / "page.html"))
    find = lambda selector: browser.find_element("css selector", selector)
    assert (
        browser.title == HOSTILE[0]
        and find("h1").text == HOSTILE[0]
        and find("#text").text == HOSTILE[1]
    )
    assert not browser.find_elements("css selector", "img") and HOSTILE[0] in find("#pair").text
    value = lambda: float(find('[data-curve="0-0"] output').get_attribute("data-value"))
    assert value() == 0.5
    browser.execute_script(
        "let c = document.getElementById('choice'); c.value = 2; c.dispatchEvent(new Event('change'))"
    )
    assert value() == 2.5 and not browser.get_log("browser")


@pytest.mark.parametrize("width, dark", [(360, False), (1600, True)])
def test_it_fits_the_window_and_the_readers_setting(tmp_path, start_browser, width, dark):
    made, _, _, _ = page(frames=4)
    browser = start_browser(made.write(tmp_path / "page.html"), width, dark)
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert wide[0] <= wide[1]
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") != dark


def set_number(browser, name, value):
    browser.execute_script(
        "let n = document.getElementById(arguments[0]); n.value = arguments[1]; n.dispatchEvent(new Event('input'))",
        f"{name}-number", value,
    )  # fmt: skip


def test_live_pages_compute_what_python_does(tmp_path, start_browser):
    number = lambda element, name: float(element.get_attribute(f"data-{name}"))
    browser = start_browser(
        player.Live("one_head_by_hand", "One head").write(tmp_path / "one.html")
    )
    find = lambda selector: browser.find_element("css selector", selector)
    for name, value in {"a0": 0.3, "a2": -1.25, "v1": -1.5, "wanted": 2.75, "rate": 0.7}.items():
        set_number(browser, name, value)
    a, v = np.array([[0.3, 0.0, -1.25]]), np.array([[2.0], [-1.5], [8.0]])
    y, cache = attention.attend_forward(a, v)
    da, _ = attention.attend_backward(y - 2.75, cache)
    after = attention.attend_forward(a - 0.7 * da, v)[0]
    assert number(find("#said"), "y") == pytest.approx(y.item(), abs=1e-9)
    assert number(find("#said"), "next") == pytest.approx((after.item() - 2.75) ** 2 / 2, abs=1e-9)
    assert [number(find(f'[data-name="da{j}"]'), "value") for j in range(3)] == pytest.approx(
        da[0].tolist(), abs=1e-9
    )

    browser = start_browser(player.Live("descent_is_a_flow", "Flow").write(tmp_path / "flow.html"))
    downhill = lambda t, y: (1 - y[0] * y[1]) * y[::-1]
    for name, value in {"u": 2.0, "v": 0.3, "rate": 0.4, "steps": 25}.items():
        set_number(browser, name, value)
    walk = ode.integrate(downhill, (0, 10), [2.0, 0.3], method="euler", step=0.4).y[-1]
    flow = ode.integrate(downhill, (0, 40), [2.0, 0.3], method="rk4", step=0.02).y[-1]
    assert [number(find("#said"), name) for name in ("u", "v")] == pytest.approx(
        walk.tolist(), abs=1e-9
    )
    assert [number(find("#said"), name) for name in ("flow-u", "flow-v")] == pytest.approx(
        flow.tolist(), abs=1e-9
    )
    assert number(find("#said"), "bound") == pytest.approx(2 / float(flow @ flow), abs=1e-9)

    browser = start_browser(player.Live("plateau_then_snap", "Snap").write(tmp_path / "snap.html"))
    for name, value in {"T": 100, "d": 20, "rate": 0.05}.items():
        set_number(browser, name, value)
    two = TwoNumbers(100, 20)
    end = 1.6 * two.snap_time
    path = ode.integrate(two, (0, end), two.start(), method="rk4", n_steps=6400)
    assert number(find("#said"), "snap") == pytest.approx(two.snap_time, rel=1e-12)
    assert [number(find("#said"), name) for name in ("w", "delta")] == pytest.approx(
        path.y[-1].tolist(), abs=1e-9
    )
    low = ode.event(lambda t, y: two.loss(y) - 0.1, terminal=True)
    exact = ode.integrate(two, (0, end), two.start(), rtol=1e-10, events=low).first_times[0]
    assert number(find("#said"), "flow") == pytest.approx(exact, rel=1e-5) and not browser.get_log(
        "browser"
    )


def drawn(start_browser, page, folder):
    """The points of every curve as they are drawn, and the labels of the axes."""
    browser = start_browser(page.write(folder / "page.html"))
    paths = [one.get_attribute("d") for one in browser.find_elements("css selector", "path.curve")]
    labels = [one.text for one in browser.find_elements("css selector", "#panels text")]
    return (
        [
            [tuple(map(float, xy)) for xy in re.findall(r"([-\d.]+) ([-\d.]+)", path)]
            for path in paths
        ],
        labels,
        browser,
    )


def test_a_curve_of_very_many_points_is_drawn_as_the_screen_shows_it(tmp_path, start_browser):
    """Thinned to a few points a column; a spike of one step in 130,000 is drawn, and the read-out tells every value."""
    x = np.arange(130_000.0)
    y = 2 + np.sin(x / 9000)
    y[77_777], y[31_000:31_100] = 9.0, np.nan
    curves, labels, browser = drawn(
        start_browser, player.Page("Long").curves(x, {"a": y, "b": -y}, label="loss"), tmp_path
    )
    assert len(curves) == 2 and 600 < len(curves[0]) < 4 * 640
    heights = np.array(curves[0])[:, 1]
    assert heights.min() == pytest.approx(10, abs=0.1) and (heights < 11).sum() == 1, (
        "the spike reaches the top, once"
    )
    assert "0" in labels and "5" in labels and "1e+5" in labels
    browser.execute_script("go(77777)")
    assert (
        browser.find_element("css selector", '[data-curve="0-0"] output').get_attribute(
            "data-value"
        )
        == "9"
    )


@pytest.mark.parametrize("x, y", [
    ([1.7e18], [1.0]), ([1.7e18, 1.7e18 + 256], [1.0, 2.0]), ([0.0, 1.0], [-1e18, -1e18]), ([0.0, 1.0], [1e18, 1e18 + 256]),
    ([-3.0, -3.0 + 1e-15], [5e-324, 1e300]), ([5.0], [0.0]), ([0.0, 1e-300], [1e-300, 2e-300]), ([0.0, 1.0], [0.0, 1.7e308]),
])  # fmt: skip
def test_axes_of_any_numbers_are_drawn(tmp_path, start_browser, x, y):
    browser_curves, labels, _ = drawn(
        start_browser, player.Page("Odd").curves(x, {"a": y}, label="loss"), tmp_path
    )
    assert len(browser_curves) == 1 and 1 <= len(browser_curves[0]) <= 2 and len(labels) < 40
    assert all(math.isfinite(number) for point in browser_curves[0] for number in point)


def test_pairs_that_a_query_does_not_see_are_grey(tmp_path, start_browser):
    s = np.tril(np.full((2, 2, 4, 4), 0.25))
    dense = np.full((2, 1, 4, 4), 0.25)
    seen = ~np.eye(4, dtype=bool)
    covered = lambda page: data_of(page.write(tmp_path / "page.html"))["options"][0]["maps"]
    decoded = lambda page: list(base64.b64decode(covered(page)["covered"]))
    causal = player.Page("Causal").maps([0, 1], s)
    assert decoded(causal) == np.triu(np.ones((4, 4), dtype=int), 1).ravel().tolist()
    assert covered(player.Page("All").maps([0, 1], dense))["covered"] is None
    own = player.Page("Own").maps([0, 1], dense, visible=seen)
    assert decoded(own) == np.eye(4, dtype=int).ravel().tolist()
    with pytest.raises(InputError, match="^visible: expected booleans of shape"):
        player.Page("Wrong").maps([0, 1], dense, visible=seen[:2])

    browser = start_browser(causal.write(tmp_path / "page.html"))
    pixel = "return [...find('#map-1').getContext('2d').getImageData(arguments[0], arguments[1], 1, 1).data]"
    grey = round(255 * plot.HIDDEN)
    assert browser.execute_script(pixel, 2, 1) == [grey, grey, grey, 255]
    assert browser.execute_script(pixel, 1, 2) != [grey, grey, grey, 255]
    browser.execute_script("[state.query, state.key] = [1, 2]; show()")
    assert browser.find_element("css selector", "#pair").text.endswith("hidden from this query")


def test_twelve_curves_can_be_told_apart(tmp_path, start_browser):
    x = np.arange(50.0)
    curves = {f"head {i // 6 + 1}, lag {i % 6 + 1}": np.sin(x / 9 + i) for i in range(12)}
    made = player.Page("Twelve").curves(x, curves, label="attention")
    for width in (390, 1280):
        browser = start_browser(made.write(tmp_path / "page.html"), width)
        paths = browser.find_elements("css selector", "path.curve")
        how = {(p.get_attribute("stroke"), p.get_attribute("stroke-dasharray")) for p in paths}
        assert len(paths) == len(how) == 12
        entries = browser.find_elements("css selector", ".legend > span")
        boxes = [entry.rect for entry in entries]
        assert [entry.text.split(":")[0] for entry in entries] == list(curves)
        assert all(apart(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def apart(a, b):
    """Whether two boxes have no point in common."""
    side = a["x"] + a["width"] <= b["x"] + 0.5 or b["x"] + b["width"] <= a["x"] + 0.5
    return side or a["y"] + a["height"] <= b["y"] + 0.5 or b["y"] + b["height"] <= a["y"] + 0.5


@pytest.mark.parametrize("width", [390, 1280])
def test_names_of_stages_and_numbers_of_axes_are_never_on_each_other(
    tmp_path, start_browser, width
):
    x = np.geomspace(0.5, 1000, 200)
    names = ["condensation", "focus", "dilution", "renewal", "next cycle"]
    made = player.Page("Stages").stages([0.5, 14, 86, 100, 110, 1000], names)
    made.curves(x, {"loss": np.log(2 + 1 / x)}, label="loss, nats", log=True)
    made.curves(x, {"loss": 1 / x}, label="loss again, nats", log_y=True)
    browser = start_browser(made.write(tmp_path / "page.html"), width)
    for chart in browser.find_elements("css selector", "#panels svg.chart"):
        texts = [text for text in chart.find_elements("css selector", "text") if text.text]
        boxes, wide = [text.rect for text in texts], chart.rect
        assert {"condensation", "focus", "dilution", "renewal"} < {text.text for text in texts}
        assert any(text.text.startswith("loss") for text in texts), "the y axis has its label"
        for i, (text, box) in enumerate(zip(texts, boxes)):
            assert box["x"] >= wide["x"] - 1
            assert box["x"] + box["width"] <= wide["x"] + wide["width"] + 1, text.text
            for other, another in zip(texts[:i], boxes):
                assert apart(box, another), f"{text.text} on {other.text}"
    browser.execute_script("go(steps.length - 1)")
    assert browser.find_element("css selector", "#stage").text == "next cycle"


def test_what_is_typed_and_its_slider_agree(tmp_path, start_browser):
    path = player.Live("descent_is_a_flow", "Flow").write(tmp_path / "flow.html")
    browser = start_browser(path)
    find = lambda selector: browser.find_element("css selector", selector)
    slid = lambda: float(find("#rate").get_attribute("value"))
    for typed, taken, said in (
        ("7", 1.5, "at most 1.5: 1.5 is taken"),
        ("-1", 0.01, "at least 0.01: 0.01 is taken"),
        ("", 0.01, "a number: 0.01 is taken"),
        ("0.45", 0.45, ""),
    ):
        set_number(browser, "rate", typed)
        assert slid() == taken and find("#rate-note").text == said
        browser.execute_script("find('#rate-number').dispatchEvent(new Event('change'))")
        assert float(find("#rate-number").get_attribute("value")) == taken
    set_number(browser, "steps", "7.6")
    assert find("#steps-note").text == "a whole number: 8 is taken"
    bound = float(find("#said").get_attribute("data-bound"))
    for rate, past in ((0.9 * bound, False), (1.1 * bound, True)):
        set_number(browser, "rate", rate)
        assert ("is past it" in find("#said").text) == past


def test_a_tour_leads_through_the_run(tmp_path, start_browser):
    made, steps, _, _ = page()
    stops = [(10, "head 2", "Look here."), (30, "block 3", "Then here."), (59, "distance", "End.")]
    browser = start_browser(made.tour(stops).write(tmp_path / "page.html"), 390)
    find = lambda selector: browser.find_element("css selector", selector)
    looked = lambda: browser.find_elements("css selector", ".look")
    assert find("#tour-count").text == "3 steps" and not looked()
    find("#head-1").click()  # hidden until the tour speaks of it
    for n, (frame, _, sentence) in enumerate(stops):
        find("#tour-next").click()
        assert find("#now").text == f"step {steps[frame]:g}" and find("#tour-said").text == sentence
        assert find("#tour-count").text == f"{n + 1} of 3"
        if n == 0:
            assert [one.get_attribute("data-head") for one in looked()] == ["1"]
            assert looked()[0].is_displayed() and find("#head-1").is_selected()
        if n == 1:
            assert {one.get_attribute("data-name") for one in looked()} >= {"block 3"}
    assert [one.get_attribute("aria-label") for one in looked()] == ["distance"]
    find("#tour-back").click()
    assert find("#tour-said").text == "Then here."
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 800, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.execute_async_script("setTimeout(arguments[0], 400)")  # once the width is at rest
    assert browser.execute_script("return document.querySelectorAll('.curve.look').length") == 1
    find("#tour-next").click()
    find("#tour-next").click()
    assert not looked() and find("#tour-said").text == "" and not browser.get_log("browser")


@pytest.mark.parametrize(
    "stops, message",
    [
        ([(60, "head 1", "")], r"stops: frame: expected a whole number in 0..59, got 60"),
        ([(0, "head 4", "")], r"stops: expected one of \['head 1'"),
        ([(0, "head 1")], r"stops: expected \(frame, what, sentence\), got"),
        ([(0, "head 1", 3)], "sentence: expected str, got 3"),
        (7, "stops: expected list, got 7"),
    ],
)
def test_a_tour_of_what_is_not_there_is_refused(stops, message):
    with pytest.raises(InputError, match=f"^{message}"):
        page()[0].tour(stops)
    with pytest.raises(InputError, match="^tour: expected maps or curves before it, got none"):
        player.Page("Empty").tour([(0, "head 1", "")])


def opened_at(browser, path, where):
    """The page loaded anew with this after the # of its address."""
    browser.get("about:blank")
    browser.get(f"{path.resolve().as_uri()}#{where}")


def test_an_address_leads_back_to_a_view(tmp_path, start_browser):
    made, steps, _, _ = page()
    path = made.write(tmp_path / "page.html", source={"text": "lesson 99", "page": "99_x"})
    browser = start_browser(path)
    find = lambda selector: browser.find_element("css selector", selector)
    opened_at(browser, path, "step=305&head=2&row=7&chess=3&x")
    shown = lambda: [
        m.is_displayed() for m in browser.find_elements("css selector", "#maps figure")
    ]
    assert find("#now").text == "step 300" and shown() == [False, True, False]
    assert find("#row-title").text == "Query 7 through training"
    assert find("#source").text == "lesson 99"
    find("#address").click()
    address = find("#copied").get_attribute("data-address")
    assert address == f"{path.resolve().as_uri()}#step=300&head=2&row=7"
    for wrong in ("step=&head=0", "step=abc&head=4,x&row=1.5", "head=", "&&=&%"):
        opened_at(browser, path, wrong)
        assert find("#now").text == "step 0" and all(shown())
    browser.execute_script("location.hash = 'step=99999'")
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert find("#now").text == f"step {steps[-1]:g}" and not browser.get_log("browser")

    path = player.Live("plateau_then_snap", "Snap").write(tmp_path / "snap.html")
    opened_at(browser, path, "T=100&hold=1&w=0.75&rate=99&chess=1")
    now = "return Object.fromEntries([...settings].map(([name, one]) => [name, one.get()]))"
    assert browser.execute_script(now) == {
        "T": 100, "d": 64, "rate": 0.2, "hold": 1, "w": 0.75, "from": 0,
    }  # fmt: skip
    find("#address").click()
    address = find("#copied").get_attribute("data-address")
    assert address.endswith("#T=100&rate=0.2&hold=1&w=0.75")


def test_a_page_in_a_book_has_the_address_of_the_book(tmp_path, start_browser):
    source = {"text": "lesson 99: lessons/99_x.py", "page": "99_x"}
    path = page()[0].write(tmp_path / "page.html", source=source)
    frame = html.escape(path.read_text(encoding="utf-8"))
    around = tmp_path / "99_x.html"
    around.write_text(f'<iframe width="100%" height="300" srcdoc="{frame}"></iframe>', "utf-8")
    browser = start_browser(around)
    opened_at(browser, around, "step=400&a-heading")
    find = lambda selector: browser.find_element("css selector", selector)
    browser.switch_to.frame(0)
    assert find("#now").text == "step 400"
    browser.execute_script("document.getElementById('address').click()")
    address = find("#copied").get_attribute("data-address")
    assert address == f"{around.resolve().as_uri()}#step=400"
    assert find("#source a").get_attribute("href").split("#")[0] == around.resolve().as_uri()
    inside = browser.execute_script("return document.body.getBoundingClientRect().height")
    browser.switch_to.default_content()
    assert abs(find("iframe").rect["height"] - inside) < 8, "as high as what it shows"


@pytest.mark.parametrize("kind", ["run", *player.LIVE])
def test_a_view_can_be_kept_as_a_picture(tmp_path, start_browser, kind):
    made = page(frames=4)[0] if kind == "run" else player.Live(kind, "A page")
    browser = start_browser(made.write(tmp_path / "page.html"), 800)
    drawing = ElementTree.fromstring(browser.execute_script("return picture()"))
    svg = "{http://www.w3.org/2000/svg}"
    texts = " ".join(one.text or "" for one in drawing.iter(f"{svg}text"))
    assert (
        drawing.tag == f"{svg}svg" and drawing.get("width") in ("800", "785") and "NaN" not in texts
    )
    wanted = ["A run", "step 0", "distance", "head 3"] if kind == "run" else ["A page"]
    assert all(word in texts for word in wanted) and "Save" not in texts
    if kind == "run":
        assert len(list(drawing.iter(f"{svg}image"))) == 4  # three maps and their scale
    size = "pixels().then((blob) => createImageBitmap(blob)).then((made) => arguments[0]([made.width, made.height]))"
    assert browser.execute_async_script(size) == [
        2 * int(drawing.get(side)) for side in ("width", "height")
    ]
    assert not browser.get_log("browser")


def chart_middle(browser, selector):
    box = browser.find_element("css selector", selector).rect
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_part_that_is_held_on_a_page_is_what_python_holds(tmp_path, start_browser):
    """Pages 06, 10 and 11: w held, the crowd held, a silent head."""
    made = lambda name: player.Live(name, "Held").write(tmp_path / f"{name}.html")
    browser = start_browser(made("plateau_then_snap"))
    said = lambda: browser.find_element("css selector", "#said")
    number = lambda name: float(said().get_attribute(f"data-{name}"))
    several = (
        "for (const [name, x] of Object.entries(arguments[0])) settings.get(name).set(x); show()"
    )
    browser.execute_script(several, {"T": 100, "d": 20, "hold": 1, "w": 0.75, "from": 0.3})
    two = TwoNumbers(100, 20)
    h, end, w = two.snap_time / 4000, 1.6 * two.snap_time, 0.75 * 20**0.5
    before = ode.integrate(two, (0, 1200 * h), two.start(), method="rk4", n_steps=1200).y[-1]
    rest = round((end - 1200 * h) / number("held-step"))
    still = hold(two, np.array([True, False]))
    after = ode.integrate(still, (1200 * h, end), [w, before[1]], method="rk4", n_steps=rest)
    assert number("held-w") == w and number("held-begin") == pytest.approx(1200 * h)
    assert number("held-delta") == pytest.approx(after.y[-1, 1], abs=1e-9)
    assert number("held-loss") == pytest.approx(float(two.loss(after.y[-1])), abs=1e-9)
    free = ode.integrate(two, (0, end), two.start(), method="rk4", n_steps=6400).y[-1]
    steepest = np.linalg.eigvalsh(two.hessian(free)).max()
    assert number("bound") == pytest.approx(2 / steepest, abs=1e-9)
    for share, past in ((0.9, False), (1.1, True)):
        rate = share * number("bound") / two.snap_time
        assert 0.002 < rate < 0.2
        browser.execute_script(several, {"rate": rate})
        assert ("past it" in said().text) == past

    from selenium.webdriver import ActionChains

    chart = browser.find_element("css selector", "#numbers svg")
    ActionChains(browser).move_to_element_with_offset(
        chart, -60, -20
    ).click_and_hold().move_by_offset(30, 40).release().perform()
    now = browser.execute_script("return [hold, heldFrom, heldAt].map((one) => one.get())")
    ring = browser.find_element("css selector", "#numbers circle").rect
    middle = ring["x"] + ring["width"] / 2 - chart_middle(browser, "#numbers svg")[0]
    assert now[0] == 1 and abs(middle + 30) < 3, "the ring follows the pointer"

    browser = start_browser(made("who_leaves_and_when"))
    browser.execute_script(several, {"power": 2, "from": 20, "hold": 1})
    flow = target([3.0, 1.0], 2, "logits")
    tilted = ode.integrate(flow, (0, 20), flow.start(2, 0.0), method="rk4", step=0.1).y[-1]
    tilted[1, 3] += 1e-2
    crowd = hold(flow, lambda t, y, slope: slope - slope.mean(axis=-2, keepdims=True))
    apart = ode.event(lambda t, y: abs(y[0, 1] - y[1, 1]) - 0.2, terminal=True)
    for name, field in (("free", flow), ("held", crowd)):
        there = json.loads(said().get_attribute(f"data-{name}"))
        n = round(there["t"] / 0.1)
        path = ode.integrate(field, (0, there["t"]), tilted, method="rk4", n_steps=n)
        assert there["y"] == pytest.approx(path.y[-1].ravel().tolist(), abs=1e-9)
        parted = ode.integrate(field, (0, 500), tilted, rtol=1e-10, atol=1e-12, events=apart)
        assert there["parted"] == pytest.approx(parted.first_times[0], rel=1e-4)

    browser = start_browser(made("heads_cooperate"))
    browser.execute_script(several, {"silent": 1, "at": 20, "later": 30})
    flow = target([2.89, 1.7, 1.0], 40, "simplex")
    silent = ode.integrate(flow, (0, 20), flow.start(3, 1e-6), method="rk4", step=0.1).y[-1]
    silent[0, :3] = 0
    still = np.zeros(silent.shape, dtype=bool)
    still[0] = True
    end = ode.integrate(hold(flow, still), (20, 50), silent, method="rk4", step=0.1).y[-1]
    there = json.loads(said().get_attribute("data-y"))
    assert there == pytest.approx(end[:, :7].ravel().tolist(), abs=1e-9)
    assert np.ptp(end[:, 6:], axis=1).max() < 1e-12, "where nothing stands all moves alike"
    assert number("once") == pytest.approx(float(flow.loss(silent)), abs=1e-9)
    assert number("loss") == pytest.approx(float(flow.loss(end)), abs=1e-9)
    assert not browser.get_log("browser")


def test_a_tour_of_the_ladder_says_what_its_run_shows():
    """Frames and numbers come from the run: rungs, the heads' parting, the way back of a head."""
    from drawings.climbing_the_ladder import _stops

    step = np.arange(0, 200, 20)
    rungs = ["block 1", "blocks 1, 2", "blocks 1, 2, 3"]
    kl = np.stack([abs(step - at) / 100 + 0.25 for at in (40, 100, 180)], axis=1)
    mass = np.tile([0.6, 0.1, 0.1], (len(step), 3, 1))
    mass[3:, 1] = [0.1, 0.75, 0.05]  # head 2 leaves at step 60
    mass[4, 2] = [0.4, 0.3, 0.1]  # head 3 sets out for block 2 at step 80
    mass[6:, 2] = [0.2, 0.05, 0.65]
    stops = _stops(step, kl, mass, rungs, [1, 2, 3])
    assert [(frame, what) for frame, what, _ in stops] == [
        (2, "block 1"), (3, "head 2"), (4, "head 3"), (5, "blocks 1, 2"), (9, "blocks 1, 2, 3"),
        (9, "head 3"),
    ]  # fmt: skip
    for (_, _, sentence), words in zip(stops, ("0.25 nats", "0.75", "0.30", "0.25", "", "0.65")):
        assert words in sentence
    mass[4, 2] = mass[3, 2]  # it never sets out
    assert not any("turns back" in told for *_, told in _stops(step, kl, mass, rungs, [1, 2, 3]))
