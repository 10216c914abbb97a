"""Lets Keras load our classes from .keras files before they are imported.

Keras finds a class of a file by its registered name, which it learns when the
class is imported. `import supcon_tf` imports none of them, since that would
load TensorFlow. So Keras gets each name with a stand-in, which imports the
class when a file names it.
"""

import importlib
import importlib.abc
import importlib.util
import sys

# Rooms whose public names are registered, all of them.
_ROOMS = ("augmentations.on_device.", "losses.", "models.")
# Other registered names -> the modules that have them.
_OTHERS = {
    "Adam": "optimizers.keras_optimizers",
    "AdamW": "optimizers.keras_optimizers",
    "AffineCosine": "losses.similarities.class_vectors",
    "Cosine": "losses.similarities.class_vectors",
    "CosineSimilarities": "models.heads",
    "Distance": "losses.similarities.targets",
    "Dot": "losses.similarities.class_vectors",
    "GaussianKernel": "losses.similarities.targets",
    "Haversine": "losses.similarities.targets",
    "HubEncoder": "encoders.hub_encoder",
    "HubModel": "encoders.hub_encoder",
    "Jaccard": "losses.similarities.class_vectors",
    "LARS": "optimizers.lars",
    "LabelledQueue": "models.labelled_queue",
    "LaplaceKernel": "losses.similarities.targets",
    "Mixed": "losses.similarities.mixed_images",
    "MomentumEncoder": "models.momentum_encoder",
    "RMSprop": "optimizers.keras_optimizers",
    "SGD": "optimizers.keras_optimizers",
    "SharedLevels": "losses.similarities.levels",
    "Staircase": "optimizers.schedules",
    "WarmUp": "optimizers.schedules",
    "Within": "losses.similarities.targets",
    "alignment": "metrics.geometry",
    "anchors_without_positives": "metrics.geometry",
    "collapsed_loss": "metrics.loss_values",
    "contrastive_top_1": "metrics.geometry",
    "loss_floor": "metrics.loss_values",
    "tolerance": "metrics.geometry",
    "uniformity": "metrics.geometry",
}


def registered_names(public_names):
    """All registered names -> the modules that have them.

    Args:
      public_names: dict of the public names of the package to their modules.
    """
    public = {
        name: module
        for name, module in public_names.items()
        if module.startswith(_ROOMS)
    }
    return {**public, **_OTHERS}


def give_names_to_keras(names):
    """Gives Keras the names, now or as soon as somebody imports it.

    Args:
      names: what `registered_names` returns.
    """
    if "keras.saving" in sys.modules:
        _give_names(sys.modules["keras.saving"], names)
    else:
        sys.meta_path.insert(0, _AtImportOfKeras(names))


class _AtImportOfKeras(importlib.abc.MetaPathFinder):
    """Gives Keras the names right after its module `keras.saving` has run."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "keras.saving":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        run = spec.loader.exec_module

        def run_and_give_names(module):
            run(module)
            _give_names(module, self.names)

        spec.loader.exec_module = run_and_give_names
        return spec


def _give_names(saving, names):
    known = saving.get_custom_objects()
    for name in names:
        known.setdefault(f"supcon_tf>{name}", _stand_in(name, names))


def _stand_in(name, names):
    """A class or function that imports the real one when it is used."""

    def real():
        # All of them: the next name in the file then finds the class itself.
        for module in set(names.values()):
            importlib.import_module(f"supcon_tf.{module}")
        return getattr(sys.modules[f"supcon_tf.{names[name]}"], name)

    if name[0].islower():

        def function(*args, **kwargs):
            return real()(*args, **kwargs)

        function.__name__ = name
        return function

    class Class:
        """Made by Keras from a config."""

        @classmethod
        def from_config(cls, config):
            return real().from_config(config)

    return Class
