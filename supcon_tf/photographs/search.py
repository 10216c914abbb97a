r"""Finds the photographs of a folder that are most similar to others.

    supcon-search --encoder=W --images=FOLDER QUERY.jpg
    supcon-search --encoder=W --images=FOLDER a.jpg b.jpg --top=20 --json=F.json
    supcon-search --encoder=W --images=FOLDER QUERY.jpg --page=found.html
    supcon-search --encoder=encoder.keras --image_size=160 --images=FOLDER \
        QUERY.jpg --index=/tmp/mine.npy

Prints their names and cosine similarities, 1 for a picture that is the same. W
is a folder that supcon-photos or supcon-pretrain wrote; its
similarity_head.keras is used if it is there. The vectors are kept in
FOLDER/.supcon_index.npy, beside the photographs, so that every later search is
quick; --index=FILE keeps them elsewhere. Only photographs that are new or
changed are encoded.

--approximate compares a query with a part of them, by an index of Faiss that is
kept beside the vectors: for a million photographs and many queries.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.config.settings import setting
from supcon_tf.config.training import AT_LEAST_1
from supcon_tf.data.photograph_files import decode_photograph
from supcon_tf.files import check_folder
from supcon_tf.files import write_json as write_whole_json
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.photographs.embed import ANY_ENCODER, AskingConfig
from supcon_tf.photographs.listing import list_photographs, printable

INDEX_NAME = ".supcon_index.npy"
# Two readings of one picture differ by rounding alone.
_EQUAL = 1 - 1e-4


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig(AskingConfig):
    """The settings of `supcon-search`. A flag's text documents its field."""

    encoder: str | None = setting(None, ANY_ENCODER, matters=True)
    images: str | None = setting(None, "Folder that is searched.", matters=True)
    top: int = setting(
        10, "How many are shown for a query.", AT_LEAST_1, matters=True
    )
    json: str | None = setting(
        None, "File to write the results to, too.", matters=True
    )
    page: str | None = setting(
        None,
        "HTML file to write that shows the photographs (the extra page).",
        matters=True,
    )
    index: str | None = setting(
        None,
        f"File of the vectors; by default FOLDER/{INDEX_NAME}.",
        matters=True,
    )
    rebuild: bool = setting(False, "Make the index anew.", matters=True)
    approximate: bool = setting(
        False,
        "Compare a query with the likely ones alone, by an index of Faiss "
        "(the extra faiss) beside the file of the vectors. Its recall is "
        "printed.",
        matters=True,
    )
    index_dtype: str = setting(
        "float32",
        "Numbers of a new index: float32, or float16, half the size and slower "
        "to search.",
        (
            lambda value: value in ("float32", "float16"),
            "float32 or float16",
        ),
    )
    head: bool = setting(
        True,
        "Use the similarity_head.keras of a workdir if it is there.",
        matters=True,
    )


def search(asked, listing, queries, *, index_path, config):
    """Searches a folder for the most similar photographs of each query.

    Args:
      asked: `AskedEncoder`.
      listing: `Listing` of the folder.
      queries: paths of photographs that can be read.
      index_path: where the index is, or will be.
      config: `SearchConfig`.

    Returns:
      A dict for JSON: facts on the index, `recall_at_10` of an approximate one
      or None, and `queries`, for each a list of `path`, `label`, `similarity`
      and `note`, the most similar first.

    Raises:
      ValueError: if the index is of another encoder.
      NoPhotographsError: if no photograph can be read.
    """
    from supcon_tf.photographs.index import updated_index
    from supcon_tf.photographs.vectors import print_left_out, vectors_of

    def encode(files):
        return vectors_of(
            asked,
            files,
            batch_size=config.batch_size,
            max_pixels=config.max_pixels,
        )

    vectors, _, _ = encode(queries)
    index, left_out, num_new = updated_index(
        index_path,
        listing,
        encode,
        asked.fingerprint,
        dtype=config.index_dtype,
        rebuild=config.rebuild,
    )
    places = {name: i for i, name in enumerate(listing.names)}
    print_left_out(
        listing.names, {places[name]: why for name, why in left_out.items()}
    )
    print(f"{len(index.names)} photographs, {num_new} newly encoded")
    searched, recall = index, None
    if config.approximate:
        from supcon_tf.photographs.approximate import approximate_index

        searched, line = approximate_index(
            index_path, index, rebuild=config.rebuild
        )
        print(line)
        recall = searched.facts["recall_at_10"]
    labels = dict(zip(listing.names, listing.labels, strict=True))
    rows, similarities = searched.search(vectors, config.top)
    return {
        "encoder": config.encoder,
        "fingerprint": asked.fingerprint,
        "images": str(listing.folder),
        "index": str(index_path),
        "photographs": len(index.names),
        "newly_encoded": num_new,
        "recall_at_10": recall,
        "left_out": left_out,
        "queries": [
            {
                "query": str(query),
                "results": _found(query, listing.folder, labels, *nearest),
            }
            for query, *nearest in zip(
                queries,
                [[index.names[i] for i in row] for row in rows],
                similarities,
                strict=True,
            )
        ],
    }


def _found(query, folder, labels, names, similarities):
    """What is told of the photographs that are most similar to a query."""
    return [
        {
            "path": name,
            "label": labels.get(name, ""),
            "similarity": round(float(similarity), 6),
            "note": _note(query, folder / name, similarity),
        }
        for name, similarity in zip(names, similarities, strict=True)
    ]


def _note(query, path, similarity):
    """Says of a photograph that it is the query, or equal to it."""
    if similarity < _EQUAL:
        return ""
    if query.resolve() == path.resolve():
        return "the query"
    if query.read_bytes() == path.read_bytes():
        return "an equal file"
    return "nearly equal"


def prepare(config, names):
    """Checks everything and writes nothing; returns the run as a function."""
    if not names:
        raise ValueError(
            "supcon-search must be given photographs to search for, after its "
            "flags: QUERY.jpg. Received: none"
        )
    if config.approximate:
        check_extra("faiss", "`approximate`")
    if config.page is not None:
        check_extra("jinja2", "`page`")
    listing = list_photographs(config.images)
    queries = [pathlib.Path(name).expanduser() for name in names]
    for query in queries:
        decode_photograph(query, max_pixels=config.max_pixels)
    index_path = _checked_index_path(config, listing)
    output = checked_file(config.json, "json")
    page = checked_file(config.page, "page", ".html")
    from supcon_tf.photographs.asked_encoder import asked_encoder

    asked = asked_encoder(
        config.encoder,
        image_size=config.image_size,
        safe_mode=config.safe_mode,
        with_head=config.head,
    )
    _check_kept(index_path, asked.fingerprint, config)

    def run():
        index_path.parent.mkdir(parents=True, exist_ok=True)
        results = search(
            asked, listing, queries, index_path=index_path, config=config
        )
        print(table(results))
        if output is not None:
            write_json(output, results)
        if page is not None:
            from supcon_tf.photographs.page.search_results import (
                write_search_page,
            )

            write_search_page(page, results, max_pixels=config.max_pixels)
            print(f"Wrote {page}")

    return run


def _checked_index_path(config, listing):
    """Where the index is or will be, in a folder that can be written to."""
    default = listing.folder / INDEX_NAME
    path = pathlib.Path(config.index or default).expanduser()
    if path.is_dir():
        raise ValueError(
            f"`index` must be a file. Received: index={config.index!r}, which "
            "is a folder"
        )
    try:
        check_folder(path.parent, "index")
    except ValueError as error:
        raise ValueError(
            "`index` must be in a folder that can be written to: give "
            f"--index=FILE. Received: {str(path)!r}"
        ) from error
    return path


def _check_kept(index_path, fingerprint, config):
    """Refuses files of an index that the search could not use."""
    if index_path.exists() and not config.rebuild:
        from supcon_tf.photographs.index import check_index

        check_index(index_path, fingerprint)
    if config.approximate:
        from supcon_tf.photographs.approximate import lists_path, read_lists

        path = lists_path(index_path)
        if path.is_dir() or (path.exists() and not config.rebuild):
            read_lists(path)


def table(results):
    """The results of a search as text.

    Args:
      results: what `search` returns.

    Returns:
      Lines of text.
    """
    lines = []
    for query in results["queries"]:
        lines += ["", printable(query["query"])]
        for rank, found in enumerate(query["results"], 1):
            note = f"  ({found['note']})" if found["note"] else ""
            lines.append(
                f"{rank:5}  {found['similarity']:7.4f}  "
                f"{printable(found['path'])}{note}"
            )
    return "\n".join(lines)


def checked_file(path, name, suffix=None):
    """The path of a file of results, or None; its folder can be written to.

    `--json a.jpg b.jpg` means that the photograph a.jpg is the file to write.
    So a file that is there is only replaced if its name ends as it should.

    Args:
      path: string or None.
      name: of the flag, for the message.
      suffix: how the file's name ends; None takes the name of the flag.

    Returns:
      `pathlib.Path` or None.

    Raises:
      ValueError: if no file can be written there, or another would be lost.
    """
    if path is None:
        return None
    path = pathlib.Path(path).expanduser()
    suffix = suffix or f".{name}"
    if path.is_dir():
        raise ValueError(
            f"`{name}` must be a file. Received: {name}={str(path)!r}, which "
            "is a folder"
        )
    if path.exists() and path.suffix.lower() != suffix:
        raise ValueError(
            f"`{name}` must be a new file, or one that ends with {suffix}, "
            f"which is replaced. Received: {name}={str(path)!r}"
        )
    check_folder(path.parent, name)
    return path


def write_json(path, results):
    """Writes results as JSON; the file is whole or absent.

    Args:
      path: `pathlib.Path`.
      results: what JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole_json(path, results)
    print(f"Wrote {path}")


def main(argv=None):
    """The command `supcon-search`; returns its exit status."""
    values = flags.FlagValues()
    define_flags(SearchConfig, values)
    return run_command(
        "supcon-search",
        __doc__,
        values,
        lambda values, names: prepare(
            overridden(SearchConfig(), values), names
        ),
        argv,
        takes_names=True,
    )


if __name__ == "__main__":
    sys.exit(main())
