"""Puts numbers, figures, images and the code of a page into one HTML text."""

import pathlib

import numpy as np
from tqdm import tqdm

from supcon_tf.photographs.page import curves, plots
from supcon_tf.photographs.page.content import page_facts
from supcon_tf.photographs.page.models import matrix_of
from supcon_tf.photographs.page.places import places_on_maps

_FOLDER = pathlib.Path(__file__).parent


def page_html(
    models,
    labels,
    class_names,
    *,
    drawn,
    thumbnails,
    names,
    rows,
    histories,
    title,
    subtitle,
    seed,
):
    """Makes the HTML of a page.

    Args:
      models: dict of the encoders' names to `PageModel`s of n images.
      labels: `[n]` integers in [0, C).
      class_names: C strings.
      drawn: `[m]` sorted integers, the positions of the images on the page.
      thumbnails: m `bytes`, the contents of WebP files.
      names: m strings, what the images on the page are called.
      rows: rows of the table of numbers, as from `number_rows`.
      histories: dict of names to pairs, as from `read_history`.
      title: as in `write_page`.
      subtitle: as in `write_page`.
      seed: as in `write_page`.

    Returns:
      A string. All that was given as text is escaped in it.
    """
    import bokeh
    from bokeh.resources import Resources
    from jinja2 import Environment
    from markupsafe import Markup

    parts = {name: model.take(drawn) for name, model in models.items()}
    maps = _maps(parts, seed)
    matrices = [
        matrix_of(labels, model.predictions, len(class_names))
        for model in models.values()
        if model.predictions is not None
    ]
    looks = plots.colors_and_markers(
        np.bincount(labels[drawn], minlength=len(class_names))
    )
    facts = page_facts(
        thumbnails,
        names,
        labels[drawn],
        class_names,
        parts,
        matrices=matrices,
        looks=looks,
    )
    looks = [[look[label] for label in labels[drawn]] for look in looks]
    sections = {
        "maps": plots.embedding_maps(maps, *looks),
        "matrices": [
            plots.confusion_matrix(k, matrix, class_names)
            for k, matrix in enumerate(matrices)
        ],
        "histograms": _histograms(models, labels, seed),
    }
    script, figures = _embedded(
        {
            section: list(zip(models, made, strict=bool(made)))
            for section, made in sections.items()
        }
        | {"curves": curves.training_curves(histories)}
    )
    resources = Resources("inline", components=["bokeh", "bokeh-gl"])
    template = Environment(autoescape=True).from_string(_text_of("page.html"))
    return template.render(
        title=title,
        subtitle=subtitle,
        names=list(models),
        rows=rows,
        kinds_of_maps=list(dict.fromkeys(kind for of in maps for kind in of)),
        sample=_sample(len(drawn), len(labels)),
        errors=_meaning_of_errors(models, len(drawn) < len(labels)),
        css=Markup(_text_of("page.css")),
        js=Markup(_text_of("page.js")),
        bokeh=Markup(resources.render()),
        bokeh_version=bokeh.__version__,
        facts=Markup(facts),
        script=Markup(script),
        **figures,
    )


def _maps(models, seed):
    """Places the images of each encoder on its maps."""
    maps = []
    # t-SNE of 10,000 images takes a minute.
    with tqdm(models.items(), unit="map", disable=None) as bar:
        for name, model in bar:
            bar.set_description(f"page, map of {name}")
            maps.append(places_on_maps(model.representations, seed=seed))
    return maps


def _histograms(models, labels, seed):
    """Draws the similarities of each encoder's images."""
    return [
        curves.similarity_histogram(k, model.representations, labels, seed=seed)
        for k, model in enumerate(models.values())
    ]


def _text_of(file):
    return (_FOLDER / file).read_text(encoding="utf-8")


def _embedded(sections):
    """The script that draws figures, and where in the page they are.

    `sections` is a dict of lists of pairs `(caption, figure)`, where a
    figure may be None. The dict that is returned has lists of triples
    `(caption, name of the figure, HTML of its place)`.
    """
    from bokeh.document import Document
    from bokeh.embed import components
    from bokeh.models import CustomJS
    from markupsafe import Markup

    document = Document()
    document.js_on_event(
        "document_ready", CustomJS(code="supconPage.begin(Bokeh.documents[0])")
    )
    sections = {
        section: [(c, plot) for c, plot in pairs if plot is not None]
        for section, pairs in sections.items()
    }
    plots_by_name = {
        plot.name: plot for pairs in sections.values() for _, plot in pairs
    }
    for plot in plots_by_name.values():
        document.add_root(plot)
    script, places = components(plots_by_name)
    return script, {
        section: [
            (caption, plot.name, Markup(places[plot.name]))
            for caption, plot in pairs
        ]
        for section, pairs in sections.items()
    }


def _sample(shown, count):
    """Says so if not all images are on the page."""
    if shown == count:
        return ""
    return (
        f"{shown:,} of the {count:,} images are on this page, drawn at random; "
        "the numbers and the confusion matrix count all of them."
    )


def _meaning_of_errors(models, is_sample):
    """A sentence on the order of the errors."""
    of_these = (
        "Of the images on this page, those" if is_sample else "The images"
    )
    if any(model.confidences is None for model in models.values()):
        return f"{of_these} whose prediction is wrong."
    return (
        f"{of_these} whose prediction is wrong, the most confident one first. "
        "Look here for wrong labels, and for what the encoder has not learnt."
    )
