"""The page of a search: what it says and shows, and that it loads nothing."""

import html
import re

import chromium
import pytest
from PIL import Image

from supcon_tf.data.photograph_files import PhotographError
from supcon_tf.photographs.page.search_results import write_search_page

pytest.importorskip("jinja2")
NAME = "<b>sea&'\".png"


@pytest.fixture
def results(tmp_path):
    for name, color in ((NAME, "blue"), ("query.png", "red")):
        Image.new("RGB", (400, 300), color).save(tmp_path / name)
    found = {"label": "<i>", "similarity": 0.98765, "note": "nearly equal"}
    query = str(tmp_path / "query.png")
    return {
        "images": str(tmp_path),
        "photographs": 1234,
        "queries": [{"query": query, "results": [{"path": NAME, **found}]}] * 2,
    }


def test_it_names_each_photograph_and_no_name_becomes_html(results, tmp_path):
    path = tmp_path / "new" / "found.html"
    write_search_page(path, results)
    text = path.read_text()
    assert "<b>" not in text and "<i>" not in text
    assert html.unescape(text).count(f">{NAME}<") == 2
    assert "0.988, nearly equal" in text and "the 1,234 in" in text
    assert len(re.findall(r"<img [^>]*base64,/9j/", text)) == 4
    assert not re.search(r"(src|href)=\"(?!data:)", text)


def test_a_caption_is_the_files_name_and_its_title_has_the_folders(
    results, tmp_path
):
    (tmp_path / "sea" / "2024").mkdir(parents=True)
    (tmp_path / NAME).rename(tmp_path / "sea" / "2024" / "a.png")
    (found,) = results["queries"][0]["results"]
    found["path"] = "sea/2024/a.png"
    write_search_page(tmp_path / "found.html", results)
    text = (tmp_path / "found.html").read_text()
    assert '<span class="file" title="sea/2024/a.png">a.png</span>' in text


def test_a_photograph_that_is_gone_leaves_no_page(results, tmp_path):
    (tmp_path / NAME).unlink()
    path = tmp_path / "found.html"
    with pytest.raises(PhotographError):
        write_search_page(path, results)
    assert not path.exists()


@pytest.mark.release
@pytest.mark.skipif(chromium.FOUND is None, reason="there is no Chromium")
def test_a_browser_shows_the_pictures_and_asks_nobody(results, tmp_path):
    path = tmp_path / "found.html"
    write_search_page(path, results)
    with chromium.chromium(tmp_path / "profile") as page:
        page.open(path, runs_code=False)
        widths = "[...document.images].map(image => image.naturalWidth)"
        assert page.run(widths) == [213, 213] * 2
        assert page.requests() == [path.as_uri()]
        assert page.complaints() == []
