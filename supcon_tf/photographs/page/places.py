"""Places on a map: representations in two dimensions, by t-SNE and by PCA."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from supcon_tf.evaluation.representations import of_unit_length

_MOST_FEATURES = 50  # van der Maaten & Hinton take 30 of PCA for t-SNE
_MANY_IMAGES = 5000  # with more, t-SNE takes half of its steps
_FEWEST_IMAGES = 10  # with fewer, t-SNE has no neighbourhood to keep


def places_on_maps(representations, *, seed=0):
    """Lays representations of unit length out in two dimensions.

    Args:
      representations: `[n, R]` finite floats. They are scaled to unit length,
        so that their distances on the map stand for cosine similarities.
      seed: int that decides what t-SNE draws, 0 by default.

    Returns:
      A dict of the names of maps to `[n, 2]` float32 arrays:

        t-SNE: near images stay near, and far distances mean nothing. It is
          scikit-learn's, of the first 50 principal components, with the
          perplexity 30 or a third of the other images if that is less, in
          1000 steps, or 500 for more than 5,000 images. It is left out for
          fewer than 10 images, and if all are equal.
        PCA: the first two principal components, from scikit-learn. A direction
          that does not exist is 0.

    Example:
      >>> maps = places_on_maps(projections[:, 0])
      >>> {name: places.shape for name, places in maps.items()}
      {'PCA': (8, 2)}

    Reference:
      van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 2008.
    """
    x = of_unit_length(representations)
    count = min(_MOST_FEATURES, *x.shape)
    if np.ptp(x, axis=0).max() < 1e-6:  # PCA would divide by no variance
        return {"PCA": np.zeros((len(x), 2), np.float32)}
    x = PCA(count, random_state=seed).fit_transform(x)
    x = np.pad(x, ((0, 0), (0, max(0, 2 - count))))  # [n, 2 or more]
    maps = {}
    spread = x[:, 0].std()
    if len(x) >= _FEWEST_IMAGES and spread > 1e-6:
        t_sne = TSNE(
            perplexity=min(30, (len(x) - 1) / 3),
            init=x[:, :2] / spread * 1e-4,  # as init="pca" does
            max_iter=1000 if len(x) <= _MANY_IMAGES else 500,
            random_state=seed,
        )
        # Its threads wait for each other in each of its thousand steps. Beside
        # another process on two cores, two of them took 15 s for 300 images,
        # and one took 2 s.
        with threadpool_limits(1):
            maps["t-SNE"] = t_sne.fit_transform(x)
    maps["PCA"] = x[:, :2]
    return {name: xy.astype(np.float32) for name, xy in maps.items()}
