"""Cross-entropy on the embedded digits: the twin of `digits`.

Paper: none at this size. Measured: see the README.

    supcon-pretrain --recipe=cross_entropy_digits --workdir=W
"""

import dataclasses

from supcon_tf.recipes import digits

TOP_1 = "99.2 (README)"
CONFIG = dataclasses.replace(
    digits.CONFIG,
    objective="cross_entropy",
    num_views=1,
    # Defaults again: there is no head and no contrast.
    projection_units=(2048, 128),
    projection_batch_norm=False,
)
