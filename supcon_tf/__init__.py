"""supcon_tf: supervised contrastive learning for Keras 3 / TensorFlow.

Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020,
https://arxiv.org/abs/2004.11362

A name is imported when it is first used, so that a command that needs no
TensorFlow does not wait for it (PEP 562).
"""

import importlib
import importlib.metadata

from supcon_tf.frameworks.keras_names import (
    give_names_to_keras,
    registered_names,
)

# Public names -> the modules that have them.
_NAMES = {
    "AUGMENTATIONS": "augmentations",
    "AdditiveMarginLoss": "losses.additive_margin",
    "AlignmentUniformityLoss": "losses.alignment_uniformity",
    "BalancedSupConLoss": "losses.balanced",
    "CACRLoss": "losses.cacr",
    "ClassificationModel": "models.classification_model",
    "ConRLoss": "losses.conr",
    "CrossViewLoss": "losses.cross_view",
    "DATASETS": "data.datasets",
    "DecoupledLoss": "losses.decoupled",
    "DeviceViews": "augmentations.on_device.device_views",
    "ENCODERS": "encoders",
    "FeatureTransformation": "models.feature_mixing",
    "FocalSupConLoss": "losses.focal",
    "GroCoLoss": "losses.groco",
    "HardNegativeLoss": "losses.hard_negatives",
    "HardNegativeMixing": "models.feature_mixing",
    "HierarchicalSupConLoss": "losses.hierarchical",
    "HubEncoder": "encoders.hub_encoder",
    "JointModel": "models.joint_model",
    "KNNCallback": "callbacks.knn",
    "LabelledImages": "data.labelled_images",
    "LinearClassifier": "models.linear_classifier",
    "MultiViewLoss": "losses.multi_view",
    "PRETRAINED": "encoders.pretrained",
    "ProjectionHead": "models.heads",
    "RankNContrastLoss": "losses.rank_n_contrast",
    "SINCERELoss": "losses.sincere",
    "SoftSupConLoss": "losses.soft_supcon",
    "SpreadLoss": "losses.spread",
    "StuckLoss": "callbacks.stuck_loss",
    "StuckLossWarning": "callbacks.stuck_loss",
    "SupConLoss": "losses.supcon",
    "SupConModel": "models.supcon_model",
    "ZLoss": "losses.z_loss",
    "groco_loss": "losses.groco",
    "linear_probe": "evaluation.linear.probe",
    "load_dataset": "data.datasets",
    "load_pretrained": "encoders.hub_encoder",
    "numbered_batches": "data.views",
    "predict": "photographs.predict",
    "rank_n_contrast_loss": "losses.rank_n_contrast",
    "supcon_loss": "losses.supcon",
    "unpack_pretrained": "encoders.pretrained",
    "view_batches": "data.views",
    "z_loss": "losses.z_loss",
}
# Public modules -> where they are.
_MODULES = {
    "augmentations": "augmentations",
    "encoders": "encoders",
    "metrics": "metrics",
    "optimizers": "optimizers",
    "schedules": "optimizers.schedules",
    "similarities": "losses.similarities",
}
__all__ = sorted([*_NAMES, *_MODULES])


give_names_to_keras(registered_names(_NAMES))


def __getattr__(name):
    if name == "__version__":
        return version()
    if name in _NAMES:
        module = importlib.import_module(f"supcon_tf.{_NAMES[name]}")
        value = getattr(module, name)
    elif name in _MODULES:
        value = importlib.import_module(f"supcon_tf.{_MODULES[name]}")
    else:
        raise AttributeError(f"module 'supcon_tf' has no attribute {name!r}")
    globals()[name] = value
    return value


def version():
    """The version that is installed, or "unknown" if none is."""
    try:
        return importlib.metadata.version("supcon_tf")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def __dir__():
    return sorted({*globals(), *__all__})
