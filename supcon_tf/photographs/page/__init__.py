"""One HTML page that shows what an encoder has learnt."""

from supcon_tf.photographs.page.writing import (
    check_bokeh,
    drawn_images,
    write_page,
)

__all__ = ["check_bokeh", "drawn_images", "write_page"]
