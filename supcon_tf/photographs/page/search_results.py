"""Writes one HTML file with the pictures that a search found."""

import base64
import pathlib

from supcon_tf.data.photograph_files import small_copy
from supcon_tf.files import written_whole
from supcon_tf.photographs.listing import printable

_FOLDER = pathlib.Path(__file__).parent
_SIDE = 160  # of a picture, in pixels


def write_search_page(path, results, *, max_pixels=None):
    """Writes a page of queries and of the photographs most similar to each.

    The page is one file that needs no network: small copies of the photographs
    are inside.

    Args:
      path: `pathlib.Path`. The file is whole or absent at any time.
      results: what `supcon_tf.photographs.search.search` returns.
      max_pixels: int >= 1, the number of pixels up to which a photograph is
        read; None takes Pillow's.

    Raises:
      PhotographError: if a photograph can no longer be read.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    folder = pathlib.Path(results["images"])
    copies = {}

    def picture(file):
        if file not in copies:
            copy = small_copy(file, _SIDE, max_pixels=max_pixels)
            copies[file] = base64.b64encode(copy).decode()
        return copies[file]

    queries = [
        {
            "name": printable(query["query"]),
            "picture": picture(pathlib.Path(query["query"])),
            "results": [
                found
                | {
                    "name": printable(found["path"]),
                    "picture": picture(folder / found["path"]),
                }
                for found in query["results"]
            ],
        }
        for query in results["queries"]
    ]
    template = Environment(autoescape=True).from_string(
        _text_of("search_results.html")
    )
    text = template.render(
        queries=queries,
        count=results["photographs"],
        folder=printable(results["images"]),
        css=Markup(_text_of("page.css")),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="replace")


def _text_of(file):
    return (_FOLDER / file).read_text(encoding="utf-8")
