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

# Registered names -> the modules that have them.
NAMES = {
    "Adam": "optimizers.keras_optimizers",
    "AdamW": "optimizers.keras_optimizers",
    "AdditiveMarginLoss": "losses.additive_margin",
    "ClassificationModel": "models.classification_model",
    "CosineSimilarities": "models.heads",
    "HubEncoder": "encoders.hub_encoder",
    "LARS": "optimizers.lars",
    "LabelledQueue": "models.labelled_queue",
    "LinearClassifier": "models.linear_classifier",
    "MomentumEncoder": "models.momentum_encoder",
    "ProjectionHead": "models.heads",
    "RMSprop": "optimizers.keras_optimizers",
    "SGD": "optimizers.keras_optimizers",
    "Staircase": "optimizers.schedules",
    "SupConLoss": "losses.supcon",
    "SupConModel": "models.supcon_model",
    "WarmUp": "optimizers.schedules",
    "alignment": "metrics.geometry",
    "anchors_without_positives": "metrics.geometry",
    "collapsed_loss": "metrics.loss_values",
    "contrastive_top_1": "metrics.geometry",
    "loss_floor": "metrics.loss_values",
    "supcon_loss": "losses.supcon",
    "tolerance": "metrics.geometry",
    "uniformity": "metrics.geometry",
}


def give_names_to_keras():
    """Gives Keras the names, now or as soon as somebody imports it."""
    if "keras.saving" in sys.modules:
        _give_names(sys.modules["keras.saving"])
    else:
        sys.meta_path.insert(0, _AtImportOfKeras())


class _AtImportOfKeras(importlib.abc.MetaPathFinder):
    """Gives Keras the names right after its module `keras.saving` has run."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "keras.saving":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        run = spec.loader.exec_module

        def run_and_give_names(module):
            run(module)
            _give_names(module)

        spec.loader.exec_module = run_and_give_names
        return spec


def _give_names(saving):
    known = saving.get_custom_objects()
    for name in NAMES:
        known.setdefault(f"supcon_tf>{name}", _stand_in(name))


def _stand_in(name):
    """A class or function that imports the real one when it is used."""

    def real():
        # All of them: the next name in the file then finds the class itself.
        for module in set(NAMES.values()):
            importlib.import_module(f"supcon_tf.{module}")
        return getattr(sys.modules[f"supcon_tf.{NAMES[name]}"], name)

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
