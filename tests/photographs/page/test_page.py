"""A page in a real browser: it draws, answers to hand and asks nobody."""

import chromium
import numpy as np
import pytest
from PIL import Image

from supcon_tf.photographs.page import write_page

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(
        chromium.FOUND is None, reason="there is no Chromium to open it with"
    ),
]
CLASSES = ("<b>cat</b>", "dog \"&'", "$$x^2$$", "猫</script><script>alert(1)")
SIZE = 40
LABELS = np.arange(SIZE) % 4
NAMES = [f'<img src=x onerror="alert({n})">&amp;/{n}.jpg' for n in range(SIZE)]
# Where image i of map k is on the screen.
PLACE_OF = """
(k, i) => {
  const plot = Bokeh.documents[0].get_model_by_name("map" + k);
  const { data } = Bokeh.documents[0].get_model_by_name("images");
  const { frame, canvas_view } = Bokeh.index.find_one(plot);
  const { left, top } = canvas_view.el.getBoundingClientRect();
  return [left + frame.x_scale.compute(data["x" + k][i]),
          top + frame.y_scale.compute(data["y" + k][i])];
}
"""


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """A page of two encoders, the second of which confuses 0 and 1."""
    folder = tmp_path_factory.mktemp("page")
    random = np.random.default_rng(0)
    features = 3 * np.eye(4)[LABELS] + random.normal(size=(SIZE, 4))
    right = np.full((SIZE, 4), 0.1)
    right[np.arange(SIZE), LABELS] = 0.7
    wrong = right.copy()
    wrong[:8] = right[:8, [1, 0, 2, 3]]
    history = folder / "history.csv"
    history.write_text("epoch,loss,knn_top_1\n1,3,0.1\n2,2,\n3,1,0.4\n")
    write_page(
        folder / "page.html",
        random.integers(256, size=(SIZE, 12, 16, 3), dtype=np.uint8),
        LABELS,
        {"a<i>": features, "b": features[:, ::-1]},
        class_names=CLASSES,
        predictions={"a<i>": right, "b": wrong},
        names=NAMES,
        histories={"b": history},
    )
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, html):
    browser.events.clear()
    browser.open(html)
    yield browser
    assert browser.requests() == [html.as_uri()]
    assert browser.complaints() == []


def place_of(page, k, image):
    page.run('document.getElementById("map").scrollIntoView()')
    page.settle()
    return page.run(f"({PLACE_OF})({k}, {image})")


def text_of(page, selector):
    return page.run(f"document.querySelector('{selector}').innerText")


def sources_of(page, selector):
    """The numbers of the images of the cards in there."""
    return page.run(
        f"[...document.querySelectorAll('{selector} .card')]"
        ".map(card => Number(card.dataset.image))"
    )


def test_pointing_at_a_mark_shows_its_image_and_what_is_known_of_it(page):
    page.move(*place_of(page, 1, 4))
    lines = text_of(page, "#tip").split("\n")
    assert lines == [
        NAMES[4],
        CLASSES[0],
        f"✓ a<i>: {CLASSES[0]}, 70\u00a0%",
        f"✗ b: {CLASSES[1]}, 70\u00a0%",
    ]
    assert page.run('document.querySelector("#tip img").naturalWidth') == 16
    page.move(5, 5)
    assert page.run('document.getElementById("tip").hidden')


def test_a_click_on_a_mark_shows_its_nearest_neighbours(page, html):
    page.click(*place_of(page, 0, 9))
    assert NAMES[9] in text_of(page, "#neighbors h3")
    first, *rest = sources_of(page, "#neighbors")
    assert first == 9
    assert len(rest) == 2 * 12  # by each of the encoders
    neighbors = page.run(
        'JSON.parse(document.getElementById("facts").textContent)'
        ".models[0].neighbors[9]"
    )
    assert rest[:12] == neighbors
    file = 'document.querySelector("#neighbors .file")'
    assert page.run(f"{file}.title") == NAMES[9]
    assert page.run(f"{file}.innerText") == "9.jpg"
    ringed = 'Bokeh.documents[0].get_model_by_name("rings1").data.x.length'
    assert page.run(ringed) == 13


def test_a_class_and_an_outcome_filter_the_marks(page):
    x, y = place_of(page, 0, 1)
    shown = 'Bokeh.documents[0].get_model_by_name("shown").booleans'
    page.run('document.querySelectorAll("#classes button")[2].click()')
    assert page.run(f"{shown}.flatMap((s, i) => s ? [i % 4] : [])") == [2] * 10
    assert text_of(page, "#shown") == "10 of 40 images shown"
    page.move(x, y)  # a mark that is no longer there
    assert NAMES[1] not in (text_of(page, "#tip") or "")
    page.run('document.getElementById("all").click()')
    page.run(
        'document.getElementById("outcome").value = "right by a<i>, wrong by b"'
    )
    page.run('document.getElementById("outcome").onchange()')
    # The first eight images, of which every second is of class 2 or 3.
    wrong = [0, 1, 4, 5]
    assert page.run(f"{shown}.flatMap((s, i) => s ? [i] : [])") == wrong


def test_a_cell_of_the_confusion_matrix_opens_its_images(page):
    page.run('document.querySelector("[data-plot=matrix1]").scrollIntoView()')
    page.settle()
    x, y = page.run(
        """(() => {
          const plot = Bokeh.documents[0].get_model_by_name("matrix1");
          const { frame, canvas_view } = Bokeh.index.find_one(plot);
          const { left, top } = canvas_view.el.getBoundingClientRect();
          return [left + frame.x_scale.compute(1),
                  top + frame.y_scale.compute(0)];
        })()"""
    )
    page.move(x, y)
    assert text_of(page, "#tip").split("\n") == [
        f"class {CLASSES[0]}, predicted {CLASSES[1]}",
        "2 images",
    ]
    page.click(x, y)
    assert sources_of(page, "#cell") == [0, 4]
    assert f"b: class {CLASSES[0]}" in text_of(page, "#cell h3")


def test_the_worst_errors_are_listed_and_can_be_clicked(page):
    assert sources_of(page, '.worst[data-model="1"]') == [0, 1, 4, 5]
    assert text_of(page, '.worst[data-model="0"]') == "No image is wrong."
    page.run('document.querySelector(".worst .card").click()')
    assert NAMES[0] in text_of(page, "#neighbors h3")


def test_the_other_map_is_shown_when_asked_for(page):
    before = place_of(page, 0, 3)
    page.run('document.getElementById("projection").value = "PCA"')
    page.run(
        'document.getElementById("projection")'
        '.dispatchEvent(new Event("change"))'
    )
    page.settle()
    assert place_of(page, 0, 3) != before


COLORS_OF_FIGURES = """
(() => {
  const plot = Bokeh.documents[0].get_model_by_name("similarities0");
  const axis = Bokeh.index.find_one(plot.below[0]);
  const legend = Bokeh.index.find_one(plot.above[0]);
  const label = legend.shadow_el.querySelector(".bk-label");
  return [axis.visuals.major_label_text.get_text_color(),
          getComputedStyle(label).color];
})()
"""
# --soft and --ink of page.css.
INKS = {
    "light": ["#56616d", "rgb(26, 32, 39)"],
    "dark": ["#a3aeb9", "rgb(232, 236, 240)"],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_figures_follow_the_colour_scheme(
    browser, html, scheme, tmp_path
):
    other = "dark" if scheme == "light" else "light"
    browser.open(html, scheme=other)
    for seen in (other, scheme):  # as it is opened, and once it is changed
        browser.resize(1280, 900, seen)
        browser.settle()
        browser.screenshot(tmp_path / "page.png")
        with Image.open(tmp_path / "page.png") as shot:
            brightness = np.median(np.asarray(shot.convert("L")))
        assert (brightness > 128) == (seen == "light")
        assert browser.run(COLORS_OF_FIGURES) == INKS[seen]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(browser, html, width):
    browser.open(html, width=width)
    wide = browser.run("document.documentElement.scrollWidth")
    assert wide <= width
