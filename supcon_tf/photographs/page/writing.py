"""Writes one HTML file that shows what an encoder has learnt."""

import numpy as np

from supcon_tf.errors import check_int
from supcon_tf.evaluation.report.figures import read_history
from supcon_tf.files import written_whole
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.photographs.page.models import checked_models
from supcon_tf.photographs.page.numbers import measured_numbers, number_rows
from supcon_tf.photographs.page.rendering import page_html
from supcon_tf.photographs.thumbnails import webp_thumbnails

MAX_IMAGES = 10_000


def write_page(
    path,
    images,
    labels,
    features,
    *,
    class_names=None,
    predictions=None,
    names=None,
    title="What the encoder has learnt",
    subtitle="",
    numbers=None,
    histories=None,
    max_images=MAX_IMAGES,
    thumbnail_size=None,
    seed=0,
):
    """Writes an HTML page of images, their features and their predictions.

    The page is one file that needs no network: the images, as small copies, and
    Bokeh, which draws it, are inside. It shows

        the numbers, with a sentence each on what they mean;
        a map of the images, by t-SNE or PCA, on which a person points at marks
          to see the image, clicks for its nearest neighbours, and filters by
          class and by right and wrong;
        with predictions a confusion matrix whose cells open their images, and
          the errors of which the classifier was most confident;
        how similar images of one class are, and of two;
        with histories the training curves.

    With several encoders, such as one and a baseline, they stand side by side,
    and the maps share the filter and what was clicked.

    Args:
      path: where the file is written. It is whole or absent at any time.
      images: `[n, H, W, C]` uint8 (0 to 255) or float (0 to 1), n paths of
        image files, or a function from m positions to such images.
      labels: `[n]` integers in [0, C).
      features: `[n, R]` finite floats, or a dict of encoders' names to them.
      class_names: names of the C classes. None, the default, takes numbers.
      predictions: what a classifier says: `[n]` integers in [0, C), or
        `[n, C]` probabilities, of which the highest is the confidence. A dict
        with the keys of `features`, if that is a dict. None, the default,
        leaves out what needs them.
      names: n strings, what the images are called. None, the default, takes
        the paths, or numbers the images.
      title: string, the heading.
      subtitle: string, a line below it.
      numbers: results of an evaluation, as `measure` returns them, or a dict of
        them with the keys of `features`. None, the default, measures what
        features and predictions allow.
      histories: paths of the history.csv of trainings, a dict of names to
        paths. None, the default, shows no curves.
      max_images: int >= 2, the most images on the page; 10,000 by default. If
        there are more, they are drawn at random. The numbers and the confusion
        matrix count all images.
      thumbnail_size: int >= 1, the side of the small copies in pixels. None,
        the default, takes 96, or 64 for more than 2,000 images.
      seed: int that decides which images are drawn and how t-SNE begins.

    Raises:
      ValueError: if an argument is not as described, or Bokeh is not installed.

    Example:
      >>> write_page(
      ...     "page.html", images, labels, encoder.predict(images, verbose=0),
      ...     class_names=["cat", "dog", "cow", "hen"],
      ... )
      >>> with open("page.html", encoding="utf-8") as file:
      ...     "cow" in file.read()
      True
    """
    check_extra("bokeh", "`page`")
    check_int("max_images", max_images, 2)
    labels, class_names, models = checked_models(
        labels, features, class_names, predictions
    )
    if numbers is not None:
        numbers = _checked_numbers(numbers, features)
    drawn = drawn_images(len(labels), max_images=max_images, seed=seed)
    if thumbnail_size is None:
        thumbnail_size = 96 if len(drawn) <= 2000 else 64
    check_int("thumbnail_size", thumbnail_size, 1)
    names = _checked_names(names, images, len(labels))
    if callable(images):
        images = images(drawn)
    elif isinstance(images, np.ndarray):
        images = images[drawn]
    else:
        images = [images[i] for i in drawn]
    thumbnails = webp_thumbnails(
        images, thumbnail_size, title="page, thumbnails"
    )
    if len(thumbnails) != len(drawn):
        raise ValueError(
            f"`images` must be as many as `labels`, {len(labels)}. "
            f"Received: {len(thumbnails)} of {len(drawn)}"
        )
    if numbers is None:
        numbers = [
            measured_numbers(model.representations, labels, model.predictions)
            for model in models.values()
        ]
    text = page_html(
        models,
        labels,
        class_names,
        drawn=drawn,
        thumbnails=thumbnails,
        names=[names[i] for i in drawn],
        rows=number_rows(numbers, labels),
        histories={
            name: read_history(history)
            for name, history in (histories or {}).items()
        },
        title=title,
        subtitle=subtitle,
        seed=seed,
    )
    with written_whole(path) as aside:
        # A name of a file may hold bytes that are no text.
        aside.write_text(text, encoding="utf-8", errors="replace")


def drawn_images(count, *, max_images=MAX_IMAGES, seed=0):
    """Draws which images are on a page.

    Args:
      count: int n, the number of images.
      max_images: as in `write_page`.
      seed: as in `write_page`.

    Returns:
      Sorted integers, the positions of the images that are drawn.

    Example:
      >>> drawn_images(3).tolist(), len(drawn_images(30, max_images=20))
      ([0, 1, 2], 20)
    """
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:max_images])


def _checked_numbers(numbers, features):
    """The results of each encoder, a list of dicts."""
    if not isinstance(features, dict):
        features, numbers = {"encoder": None}, {"encoder": numbers}
    missing = [
        name for name in features if "alignment" not in numbers.get(name, {})
    ]
    if missing:
        raise ValueError(
            "`numbers` must be None, or results as from `measure` for each of "
            f"the encoders. Received: none for {missing}"
        )
    return [numbers[name] for name in features]


def _checked_names(names, images, count):
    """Returns the names of the images, as a list of strings."""
    if names is None:
        if callable(images) or getattr(images, "ndim", 1) > 1:
            return [f"image {number}" for number in range(count)]
        names = images
    names = [str(name) for name in names]
    if len(names) != count:
        raise ValueError(
            f"`names` must be as many as `labels`, {count}. "
            f"Received: {len(names)}"
        )
    return names
