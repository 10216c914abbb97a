"""The files beside the package that people and machines look for."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = re.search(r'version="(.+?)"', (ROOT / "setup.py").read_text())[1]


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    # What the format demands.
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["version"] == VERSION
    assert citation["license"] == "Apache-2.0"
    (paper,) = citation["references"]
    assert paper["url"] == "https://arxiv.org/abs/2004.11362"
    assert len(paper["authors"]) == 9
    for author in paper["authors"]:
        assert {"family-names", "given-names"} == author.keys()


def test_the_changes_tell_of_this_version():
    headings = re.findall(
        r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert VERSION in headings
    assert headings[0] in ("Unreleased", VERSION)


def test_what_the_page_on_security_promises_holds():
    text = (ROOT / ".github" / "SECURITY.md").read_text()
    sources = {
        path: path.read_text()
        for package in ("supcon_tf", "hub_export")
        for path in (ROOT / package).rglob("*.py")
    }
    assert "read without pickle" in text
    assert "unpacked by Python's `data` filter" in text
    for path, source in sources.items():
        assert "allow_pickle=True" not in source, path
        assert not re.search(r"^\s*import (pickle|joblib)", source, re.M), path
        for call in re.findall(r"extractall\(.*?\)", source):
            assert 'filter="data"' in call, path
