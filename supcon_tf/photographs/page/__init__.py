"""One HTML page that shows what an encoder has learnt."""

from supcon_tf.photographs.page.writing import drawn_images, write_page

__all__ = ["drawn_images", "write_page"]
