"""What the site needs beyond its settings: two pages, links, equations.

The front page is README.md and the list of changes CHANGELOG.md, so that
neither is written twice. Links to files that are no pages become their paths.
Equations become MathML, which browsers draw by themselves; GitHub draws the
same blocks.
"""

import html
import pathlib
import re

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
_GENERATED = {"index.md": "README.md", "changes.md": "CHANGELOG.md"}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)((?:#[\w.-]*)?)\)")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
_EQUATION = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def on_files(files, config):
    """Adds the pages that are written elsewhere."""
    for uri, source in _GENERATED.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Draws the equations, and makes links those of the site."""
    uri = page.file.src_uri
    source = ROOT / _GENERATED.get(uri, f"docs/pages/{uri}")
    markdown = _EQUATION.sub(_drawn, markdown)
    parts = _CODE.split(markdown)  # text, code, text, ...
    parts[::2] = [
        _LINK.sub(lambda link: _on_site(link, source, uri), text)
        for text in parts[::2]
    ]
    return "".join(parts)


def _drawn(match):
    """An equation in TeX as a block of MathML."""
    equation = convert(match[1].strip(), display="block")
    style = "overflow: auto hidden; padding: 0.4em 0"
    return f'<div style="{style}" tabindex="0">{equation}</div>'


def _on_site(link, source, uri):
    """A link of a file in the checkout as one of the site."""
    image, label, path, anchor = link.groups()
    if not path or ":" in path:
        return link[0]
    target = (source.parent / path).resolve()
    generated = {ROOT / file: page for page, file in _GENERATED.items()}
    pages = ROOT / "docs" / "pages"
    if target in generated:
        place = generated[target]
    elif target.is_relative_to(pages):
        place = target.relative_to(pages).as_posix()
    elif target.exists():
        file = html.escape(target.relative_to(ROOT).as_posix())
        return f"`{file}`" if file == label else f"{label} (`{file}`)"
    else:
        return link[0]  # which the strict build refuses
    up = "../" * uri.count("/")
    return f"{image}[{label}]({up}{place}{anchor})"
