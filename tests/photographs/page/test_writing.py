"""The file of a page, as HTML."""

import html.parser
import json

import numpy as np
import pytest
from PIL import Image

from supcon_tf.photographs.page import drawn_images, write_page

SIZE = 30
LABELS = np.arange(SIZE) % 3
RANDOM = np.random.default_rng(0)
X = 3 * np.eye(3)[LABELS] + RANDOM.normal(size=(SIZE, 3))
IMAGES = RANDOM.integers(256, size=(SIZE, 8, 8, 3), dtype=np.uint8)
EVIL = "</script><script>alert(1)</script>"


class Parsed(html.parser.HTMLParser):
    """The tags of a page, what they ask for, and the text in them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.asked, self.texts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.asked += [attrs[k] for k in ("src", "href") if k in attrs]

    def handle_data(self, data):
        tag, attrs = self.tags[-1] if self.tags else ("", {})
        self.texts.setdefault(attrs.get("id", tag), []).append(data)

    @property
    def facts(self):
        return json.loads("".join(self.texts["facts"]))


def written(tmp_path, *arguments, **options):
    write_page(tmp_path / "page.html", *arguments, **options)
    return Parsed((tmp_path / "page.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return written(
        tmp_path_factory.mktemp("page"),
        IMAGES,
        LABELS,
        X,
        class_names=[EVIL, "a & 'b'", "猫"],
        predictions=np.roll(LABELS, 1),
        names=[f"{EVIL}{n}.jpg" for n in range(SIZE)],
        title=EVIL,
        subtitle=EVIL,
    )


def test_nothing_is_loaded_and_the_page_forbids_it(page):
    assert {link for link in page.asked if not link.startswith("#")} == {
        "data:,"
    }
    (policy,) = (
        attrs["content"]
        for tag, attrs in page.tags
        if tag == "meta" and "http-equiv" in attrs
    )
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_text_of_the_person_is_text(page):
    assert "".join(page.texts["title"]).strip() == EVIL
    # Bokeh's two files and its log level, the facts, page.js, and what draws
    # the figures.
    assert sum(tag == "script" for tag, _ in page.tags) == 6
    assert page.facts["classes"] == [EVIL, "a & 'b'", "猫"]
    assert page.facts["names"][4] == f"{EVIL}4.jpg"


def test_the_facts_are_those_of_the_images(page):
    assert page.facts["labels"] == LABELS.tolist()
    (model,) = page.facts["models"]
    assert model["predictions"] == np.roll(LABELS, 1).tolist()
    assert model["confidences"] is None
    assert len(page.facts["thumbnails"]) == SIZE
    assert page.facts["cells"] == [{"0,2": 10, "1,0": 10, "2,1": 10}]


@pytest.mark.slow
def test_without_predictions_there_are_no_confusions(tmp_path):
    page = written(tmp_path, IMAGES, LABELS, X)
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert {"numbers", "map", "similarities"} <= ids
    assert not {"confusions", "errors", "training"} & ids
    assert page.facts["classes"] == ["0", "1", "2"]
    assert page.facts["names"][7] == "image 7"


@pytest.mark.slow
def test_if_there_are_more_images_than_fit_all_are_counted(tmp_path):
    asked = []

    def images(positions):
        asked.append(positions)
        return IMAGES[positions]

    page = written(
        tmp_path, images, LABELS, X, predictions=LABELS, max_images=20
    )
    (drawn,) = asked
    assert drawn.tolist() == drawn_images(SIZE, max_images=20).tolist()
    assert len(set(drawn.tolist())) == 20
    assert page.facts["labels"] == LABELS[drawn].tolist()
    assert sum(page.facts["cells"][0].values()) == SIZE
    assert "20 of the 30 images are on this page" in "".join(page.texts["p"])


@pytest.mark.slow
def test_files_are_read_and_named_by_their_paths(tmp_path):
    for number in range(3):
        Image.fromarray(IMAGES[number]).save(tmp_path / f"{number}.png")
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    page = written(tmp_path, paths, [0, 1, 0], X[:3])
    assert page.facts["names"] == [str(path) for path in paths]


def test_the_file_is_whole_or_absent(tmp_path):
    earlier = tmp_path / "page.html"
    earlier.write_text("earlier")
    with pytest.raises(ValueError, match="`images` must be as many"):
        write_page(earlier, lambda _: IMAGES[:3], LABELS, X)
    assert earlier.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [earlier]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"names": ["a"]}, "`names` must be as many as `labels`, 30"),
        ({"max_images": 1}, "`max_images` must be an int >= 2"),
        ({"thumbnail_size": 0}, "`thumbnail_size` must be an int >= 1"),
        ({"histories": {"a": "none.csv"}}, "must be the history.csv of a run"),
        ({"numbers": {}}, "`numbers` must be"),
    ],
)
def test_what_is_wrong_is_refused_before_the_work(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        write_page(tmp_path / "page.html", IMAGES, LABELS, X, **options)
    assert list(tmp_path.iterdir()) == []
