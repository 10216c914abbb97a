"""The documentation's site: how its pages are made, and how they look."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("latex2mathml")

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "docs" / "pages"


@pytest.fixture(scope="module")
def site_pages():
    """The module docs/site_pages.py, which MkDocs loads by its path."""
    path = ROOT / "docs" / "site_pages.py"
    spec = importlib.util.spec_from_file_location("site_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class PageOf:
    """What a hook of MkDocs is given of a page."""

    def __init__(self, uri):
        self.file = type("File", (), {"src_uri": uri})


@pytest.mark.parametrize(
    ("uri", "text", "expected"),
    [
        ("index.md", "[a](docs/pages/install.md#x)", "[a](install.md#x)"),
        (
            "index.md",
            "![a](docs/pages/figures/page.png)",
            "![a](figures/page.png)",
        ),
        ("index.md", "[a](CHANGELOG.md)", "[a](changes.md)"),
        ("index.md", "[setup.py](setup.py)", "`setup.py`"),
        ("index.md", "[cite](CITATION.cff)", "cite (`CITATION.cff`)"),
        ("gallery.md", "[a](../../README.md#results)", "[a](index.md#results)"),
        ("guides/loss.md", "[a](../install.md)", "[a](../install.md)"),
        (
            "guides/loss.md",
            "[a](../../../README.md)",
            "[a](../index.md)",
        ),
        ("index.md", "[a](https://a.example)", "[a](https://a.example)"),
        ("index.md", "[a](#results)", "[a](#results)"),
        # What is not there stays, and the strict build refuses it.
        ("index.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("index.md", "`[a](setup.py)`", "`[a](setup.py)`"),
        ("index.md", "```\n[a](setup.py)\n```", "```\n[a](setup.py)\n```"),
    ],
)  # fmt: skip
def test_links_of_the_checkout_become_those_of_the_site(
    uri, text, expected, site_pages
):
    made = site_pages.on_page_markdown(text, PageOf(uri), None, None)
    assert made == expected


def test_an_equation_becomes_what_a_browser_draws(site_pages):
    text = "a\n\n```math\n\\frac{x}{t}\n```\n\nb"
    made = site_pages.on_page_markdown(text, PageOf("index.md"), None, None)
    assert (
        "<mfrac><mrow><mi>x</mi></mrow><mrow><mi>t</mi></mrow></mfrac>" in made
    )
    assert "```" not in made


def test_every_loss_of_the_package_has_its_equation_in_the_reference():
    import supcon_tf

    page = (PAGES / "reference" / "losses.md").read_text()
    losses = [name for name in supcon_tf.__all__ if name.endswith("Loss")]
    for name in losses:
        if name == "StuckLoss":  # what a callback raises
            continue
        place = f"supcon_tf.{supcon_tf._NAMES[name]}.{name}\n"
        assert f"### {name}\n\n```math\n" in page, name
        assert f"::: {place}" in page, name


def test_every_public_name_is_in_the_reference():
    import inspect

    import supcon_tf

    folder = PAGES / "reference"
    pages = "".join(path.read_text() for path in folder.glob("*.md"))
    places = set(re.findall(r"^::: (\S+)", pages, re.MULTILINE))
    documented = {place.rpartition(".")[2] for place in places}
    for name in supcon_tf.__all__:
        value = getattr(supcon_tf, name)
        if inspect.isfunction(value) or (
            inspect.isclass(value) and not issubclass(value, Warning)
        ):
            if name != "StuckLoss":
                assert name in documented, name


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"),
            *("--site-dir", folder),
        ],
        cwd=ROOT / "docs",
        check=True,
    )
    return folder


@pytest.mark.release
def test_the_site_is_built_and_no_link_is_broken(site):
    built = {path.parent for path in site.rglob("index.html")}
    for page in PAGES.rglob("*.md"):
        assert site / page.relative_to(PAGES).with_suffix("") in built
    losses = (site / "reference" / "losses" / "index.html").read_text()
    assert losses.count("<math ") > 15
    assert "SINCERELoss" in losses


@pytest.mark.release
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_fits_every_screen_in_light_and_dark(site, width, tmp_path):
    browser = pytest.importorskip("chromium")
    if browser.FOUND is None:
        pytest.skip("Chromium is not installed")
    colors = set()
    with browser.chromium(tmp_path) as page:
        for scheme in ("light", "dark"):
            page.resize(width, 844, scheme)
            for name in ("", "install", "guides/loss", "reference/losses"):
                path = site / name / "index.html"
                page.send("Page.navigate", url=path.as_uri())
                page.wait_for("document.readyState === 'complete'")
                wide = "document.documentElement.scrollWidth - innerWidth"
                assert page.run(wide) <= 0, (name, scheme)
                colors.add(
                    page.run("getComputedStyle(document.body).backgroundColor")
                )
        assert len(colors) == 2
        assert all(url.startswith("file:") for url in page.requests())
