"""The page in a real Chromium, opened from a file: it moves, sorts, answers keys, asks nobody, complains of nothing.

Needs chromium and chromedriver, and is skipped without; LASSOVAE_NEEDS_BROWSER=1 makes that a failure.
"""

import base64
import io
import json
import os
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
from report_pages import CONDITIONS, EVIL, RUNS

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KINDS = ("original", "forecast", "residual")
PIXELS = """
const c = document.getElementById("canvas-" + arguments[0]);
return [c.width, c.height, ...c.getContext("2d").getImageData(0, 0, c.width, c.height).data];
"""


@pytest.fixture(scope="module")
def chromium():
    program = next((found for found in map(shutil.which, CHROMIUM) if found), None)
    driver = shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        webdriver = None
    lacking = [
        n for n, v in (("chromium", program), ("chromedriver", driver), ("selenium", webdriver)) if not v
    ]
    if lacking:
        why = f"the page cannot be opened: no {', no '.join(lacking)}"
        if os.environ.get("LASSOVAE_NEEDS_BROWSER") == "1":
            pytest.fail(why)
        pytest.skip(why)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    window = webdriver.Chrome(options=options, service=service)
    yield window
    window.quit()


def show(window, folder, *, width=1280, height=900, media="", features=()):
    """Open a page; what the browser logged before is thrown away."""
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": list(features)})
    window.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    window.get("about:blank")
    for kind in ("browser", "performance"):
        window.get_log(kind)
    window.get((folder / "report.html").as_uri())
    wait(window, lambda: all(shown(window, kind) for kind in KINDS))
    return window


def wait(window, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(window, 20, poll_frequency=0.02).until(lambda _: condition())


def one(window, selector):
    return window.find_element("css selector", selector)


def every(window, selector):
    return window.find_elements("css selector", selector)


def click(window, selector):
    """Press where it is, without waiting for the page to glide there."""
    element = one(window, selector)
    window.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", element)
    element.click()


def shown(window, kind):
    """Clip and frame that a canvas shows."""
    return one(window, f"#canvas-{kind}").get_attribute("data-shown")


def pixels(window, kind):
    width, height, *values = window.execute_script(PIXELS, kind)
    return np.asarray(values, np.uint8).reshape(height, width, 4)


def press(window, selector, *keys):
    """Keys to an element that has the focus, as a hand would."""
    from selenium.webdriver.common.action_chains import ActionChains

    window.execute_script("document.querySelector(arguments[0]).focus()", selector)
    ActionChains(window).send_keys(*keys).perform()


@pytest.fixture
def page(chromium, hostile):
    return show(chromium, hostile[3])


def clips(window):
    return json.loads(one(window, "#clips").get_attribute("textContent"))


def expected(data, clip, kind, frame):
    """A frame cut from its sheet by other hands: (height, width) bytes."""
    sheet = iio.imread(io.BytesIO(base64.b64decode(data["clips"][clip][kind].split(",")[1])))
    top, left = frame // data["columns"] * data["height"], frame % data["columns"] * data["width"]
    return sheet[top : top + data["height"], left : left + data["width"]]


@pytest.mark.parametrize("which", ["hostile", "lonely"])
def test_it_opens_without_a_word_of_complaint_and_asks_nobody(which, chromium, request):
    window = show(chromium, request.getfixturevalue(which)[3])
    assert window.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in window.get_log("performance")]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert len(asked) > 1  # the page itself and pictures within it: the log does see requests
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert len([url for url in asked if url.startswith("file:")]) == 1


def test_hostile_names_are_read_not_run(page):
    assert page.title == f"lassovae: {EVIL}"
    assert one(page, "h1").text == page.title
    assert len(every(page, "script")) == 2
    assert every(page, "main b, main i, main iframe") == []
    assert CONDITIONS[0] in one(page, ".verdict").text
    options = [option.get_attribute("textContent") for option in every(page, "#clip option")]
    assert options[0] == f"{EVIL} ({CONDITIONS[0]})"
    cells = [
        cell.get_attribute("textContent") for cell in every(page, "#table-ablation_runs tbody td:first-child")
    ]
    assert cells == list(RUNS)


def test_the_slider_shows_the_frames_of_the_clip(page, hostile):
    data = clips(page)
    colours = np.asarray(data["colours"]).reshape(256, 3)
    seen = []
    for frame in (0, 1, 17):
        page.execute_script(
            "const s = document.getElementById('frame'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
            frame,
        )
        wait(page, lambda now=frame: all(shown(page, kind) == f"0/{now}" for kind in KINDS))
        for kind in KINDS:
            there, level = pixels(page, kind), expected(data, 0, kind, frame)
            right = colours[level] if kind == "residual" else np.repeat(level[..., None], 3, axis=-1)
            np.testing.assert_array_equal(there[..., :3], right)
            assert (there[..., 3] == 255).all()
        seen.append(pixels(page, "original"))
    assert (seen[0] != seen[1]).any()
    assert (seen[1] != seen[2]).any()
    # and the levels are those of the recording: one straight line from intensity to grey, but for what is clipped
    frames = hostile[2].frames[0]
    grey = expected(data, 0, "original", 17).astype(float)
    values = np.asarray(frames[data["clips"][0]["first"] + 17], float)
    inside = (grey > 0) & (grey < 255)
    slope, start = np.polyfit(values[inside], grey[inside], 1)
    assert np.abs(slope * values[inside] + start - grey[inside]).max() < 0.6


def test_keys_move_the_slider_and_choose_the_run(page):
    from selenium.webdriver.common.keys import Keys

    press(page, "#frame", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    wait(page, lambda: shown(page, "original") == "0/2")
    data = clips(page)
    first = data["clips"][0]["first"]
    assert one(page, "#where").text.startswith(f"frame {first + 2}")
    press(page, "#frame", Keys.END)
    wait(page, lambda: shown(page, "original") == f"0/{data['clips'][0]['count'] - 1}")
    before = pixels(page, "original")
    press(page, "#clip", Keys.ARROW_DOWN)
    wait(page, lambda: shown(page, "original") == "1/0")
    np.testing.assert_array_equal(pixels(page, "original")[..., 0], expected(data, 1, "original", 0))
    assert (pixels(page, "original") != before).any()


def test_play_runs_and_stops(page):
    from selenium.webdriver.common.keys import Keys

    press(page, "#play", Keys.SPACE)
    assert one(page, "#play").text == "Pause"
    wait(page, lambda: int(one(page, "#frame").get_property("value")) >= 2)
    press(page, "#play", Keys.ENTER)
    assert one(page, "#play").get_attribute("aria-pressed") == "false"
    at = shown(page, "original")
    page.execute_async_script("setTimeout(arguments[0], 400)")
    assert shown(page, "original") == at


def column(window, table, number):
    cells = every(window, f"{table} tbody tr td:nth-child({number})")
    return [cell.get_attribute("textContent") for cell in cells]


def test_tables_sort_by_number_and_by_name_at_a_click_and_at_a_key(page):
    from selenium.webdriver.common.keys import Keys

    table = "#table-ablation_runs"
    names, counts = column(page, table, 1), column(page, table, 8)
    rows = dict(zip(names, counts, strict=True))
    head = f"{table} th:nth-child(8)"
    click(page, f"{head} button")
    assert [float(v) for v in column(page, table, 8)] == sorted(map(float, counts))
    assert one(page, head).get_attribute("aria-sort") == "ascending"
    press(page, f"{head} button", Keys.ENTER)
    assert [float(v) for v in column(page, table, 8)] == sorted(map(float, counts), reverse=True)
    assert one(page, head).get_attribute("aria-sort") == "descending"
    assert dict(zip(column(page, table, 1), column(page, table, 8), strict=True)) == rows  # whole rows move
    click(page, f"{table} th:nth-child(1) button")
    assert one(page, head).get_attribute("aria-sort") == "none"
    assert sorted(column(page, table, 1)) == sorted(names)
    edges = "#edge-table"
    click(page, "#edges th:nth-child(5) button")  # "0.12 ± 0.03" as numbers, and those below zero first
    strengths = [float(v.split(" ")[0]) for v in column(page, edges, 5)]
    assert strengths == sorted(strengths)
    assert len(set(strengths)) > 5


def test_what_has_no_value_sorts_last_both_ways(page):
    page.execute_script(
        "document.querySelector('#table-ablation_runs tbody td:nth-child(8)').dataset.key = ''"
    )
    first = column(page, "#table-ablation_runs", 1)[0]
    for _ in range(2):
        click(page, "#table-ablation_runs th:nth-child(8) button")
        assert column(page, "#table-ablation_runs", 1)[-1] == first


def test_an_edge_answers_to_its_row(page):
    from selenium.webdriver.common.keys import Keys

    press(page, '#edges tr[data-edge="3"] .pick', Keys.ENTER)
    lit = [path.get_attribute("data-edge") for path in every(page, "#edges path.on")]
    assert lit == ["3"]
    assert [row.get_attribute("data-edge") for row in every(page, "#edges tr.on")] == ["3"]
    title = page.execute_script("return document.querySelector('#edges path.on title').textContent")
    assert title == one(page, '#edges tr[data-edge="3"] .pick').get_attribute("aria-label")
    press(page, '#edges tr[data-edge="3"] .pick', Keys.ENTER)
    assert every(page, "#edges .on") == []


def background(window):
    return window.execute_script("return getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_light_and_dark_follow_the_system_until_the_button_is_pressed(system, chromium, hostile):
    window = show(chromium, hostile[3], features=[{"name": "prefers-color-scheme", "value": system}])
    white, dark = "rgb(255, 255, 255)", "rgb(20, 23, 27)"
    assert background(window) == (white if system == "light" else dark)
    assert one(window, "#theme").get_attribute("aria-pressed") == str(system == "dark").lower()
    click(window, "#theme")
    assert background(window) == (dark if system == "light" else white)
    click(window, "#theme")
    assert background(window) == (white if system == "light" else dark)


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("which", ["hostile", "lonely"])
def test_nothing_hangs_over_the_side(which, width, chromium, request):
    window = show(chromium, request.getfixturevalue(which)[3], width=width)
    assert window.execute_script("return innerWidth") == width
    assert window.execute_script("return document.documentElement.scrollWidth") <= width
    over = window.execute_script(
        """return [...document.querySelectorAll("body *")]
        .filter((e) => !e.closest(".scroll, .skip"))
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => e.outerHTML.slice(0, 120));"""
    )
    assert over == []


@pytest.mark.parametrize("width", [360, 1280])
def test_a_figure_opens_at_full_size_and_closes(width, chromium, hostile):
    from selenium.webdriver.common.keys import Keys

    window = show(chromium, hostile[3], width=width)
    shown_whole = "const r = document.querySelector('#figure-differences img').getBoundingClientRect();"
    assert window.execute_script(shown_whole + "return [r.left >= 0, r.right <= innerWidth]") == [True, True]
    box, button = one(window, "#large"), "#figure-differences .enlarge"
    assert not box.is_displayed()
    click(window, button)
    wait(window, box.is_displayed)
    large = one(window, "#large-image")
    natural = large.get_property("naturalWidth")
    wait(window, lambda: large.get_property("clientWidth") == large.get_property("naturalWidth") > 1000)
    assert natural > width or width == 1280
    png = base64.b64decode(one(window, "#large-save").get_attribute("href").split(",")[1])
    assert png == (hostile[3] / "figures" / "differences.png").read_bytes()
    assert one(window, "#large-save").get_attribute("download") == "differences.png"
    assert window.execute_script("return document.documentElement.scrollWidth") <= width
    click(window, "#large-close")
    assert not box.is_displayed()
    press(window, button, Keys.ENTER)
    wait(window, box.is_displayed)
    press(window, "#large-close", Keys.ESCAPE)
    wait(window, lambda: not box.is_displayed())
    assert window.get_log("browser") == []


def test_the_slider_has_a_name_and_bibtex_is_folded(page):
    assert one(page, "#frame").accessible_name == "Frame of the clip"
    assert one(page, "label[for=frame]").is_displayed()
    assert not one(page, "#methods-bibtex").is_displayed()
    click(page, "details:has(> #methods-bibtex) > summary")
    assert one(page, "#methods-bibtex").is_displayed()
    assert not one(page, "#methods-plain").is_displayed()


def test_on_paper_there_are_no_controls_and_all_of_each_table(chromium, hostile):
    window = show(chromium, hostile[3], media="print")
    for selector in (".contents", "#theme", ".controls", ".hint", ".copy", ".skip"):
        assert not any(element.is_displayed() for element in every(window, selector)), selector
    cut = window.execute_script(
        """return [...document.querySelectorAll(".scroll")]
        .filter((e) => getComputedStyle(e).overflow !== "visible").length"""
    )
    assert cut == 0
    paper = base64.b64decode(window.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert paper.startswith(b"%PDF-")
    assert len(paper) > 50_000


def test_who_wants_no_motion_gets_none(chromium, hostile):
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
    assert show(chromium, hostile[3]).execute_script(behaviour) == "smooth"
    assert show(chromium, hostile[3], features=still).execute_script(behaviour) == "auto"


def test_the_methods_are_copied_or_selected(page):
    click(page, ".copy")
    wait(page, lambda: one(page, "#copied").text != "")
    assert one(page, "#copied").text in ("Copied.", "Selected: press Ctrl+C.")


def test_the_first_stop_of_the_keyboard_skips_to_the_answer(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(page).send_keys(Keys.TAB).perform()
    focused = page.switch_to.active_element
    assert focused.text == "Skip to the answer"
    outline = page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused)
    assert outline == "solid"
    focused.send_keys(Keys.ENTER)
    assert page.current_url.endswith("#answer")
