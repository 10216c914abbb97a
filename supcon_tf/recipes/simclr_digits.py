"""SimCLR on the embedded digits: the twin of `digits`, without labels.

Paper: none at this size. Measured: see the README. Two views and SimCLR's
temperature for CIFAR. The learning rate assumes the loss as it is.

    supcon-pretrain --recipe=simclr_digits --workdir=W
"""

import dataclasses

from supcon_tf.recipes import digits

TOP_1 = "95.6 (README)"
CONFIG = dataclasses.replace(
    digits.CONFIG,
    objective="simclr",
    temperature=0.5,
)
