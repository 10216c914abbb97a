"""Name, versions and entry points of supcon_tf; nothing is computed here."""

from setuptools import find_packages, setup

# What only some need. supcon_tf/frameworks/extras.py has the modules that they
# bring.
EXTRAS = {
    "hub": [
        "tensorflow-hub>=0.16.1,<0.17",
        # What it needs and does not declare, or only as any version:
        "setuptools>=77,<82",  # pkg_resources
        "tf-keras>=2.20,<2.22",
    ],
    "tfds": [
        "tensorflow-datasets>=4.9.10,<4.10",
        "importlib_resources>=6",  # which it does not declare
    ],
    "keras_hub": ["keras-hub>=0.32,<0.33"],
    "keras_cv": ["keras-cv>=0.9,<0.10"],  # its last release; see keras_hub
    "tensorboard": ["tensorboard>=2.20,<2.22"],
    "faiss": ["faiss-cpu>=1.9"],
    "figures": ["matplotlib>=3.8"],
    "parquet": ["pyarrow>=15"],
    "page": ["bokeh>=3.9,<3.10", "jinja2>=3.1", "markupsafe>=2.0"],
    "publish": ["huggingface_hub>=1.0", "kagglehub>=0.3"],
}
EVERYTHING = sorted({line for lines in EXTRAS.values() for line in lines})

setup(
    name="supcon_tf",
    version="0.1.0",
    description=(
        "Supervised contrastive learning for Keras 3 / TensorFlow, with "
        "TF-Hub export"
    ),
    long_description=open("README.md", encoding="utf-8").read(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=[
        "supervised contrastive learning",
        "contrastive loss",
        "SupCon",
        "SimCLR",
        "representation learning",
        "metric learning",
        "image classification",
        "image retrieval",
        "Keras",
        "TensorFlow",
        "TF-Hub",
    ],
    project_urls={
        "Paper": "https://arxiv.org/abs/2004.11362",
        "Code of the paper's authors": (
            "https://github.com/google-research/google-research/"
            "tree/master/supcon"
        ),
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=find_packages(include=["supcon_tf*", "hub_export*"]),
    package_data={
        "supcon_tf": ["py.typed", "__init__.pyi"],
        "supcon_tf.encoders.pretrained": [
            "*.keras",
            "*.tar.gz",
            "*.sha256",
            "*.md",
        ],
        "supcon_tf.photographs.page": ["*.html", "*.css", "*.js"],
    },
    install_requires=[
        "absl-py>=2.1",
        "keras>=3.12,<3.16",
        "numpy>=2.0",
        "pillow>=10",
        "scikit-learn>=1.5",
        "scipy>=1.11",  # scikit-learn brings it, and threadpoolctl
        "tensorflow>=2.20,<2.22",
        "threadpoolctl>=3.1",
        "tqdm>=4.60",
    ],
    extras_require={
        **EXTRAS,
        "all": EVERYTHING,
        "docs": [
            "latex2mathml",
            "mkdocs-material>=9.7,<10",
            "mkdocstrings[python]>=1",
        ],
        "test": [
            "build",
            "hypothesis",
            "ipykernel",
            "mypy",
            "nbclient",
            "nbformat",
            "pytest",
            "pytest-xdist",
            "pyyaml",
            "ruff",
            "twine",
            "uv",
        ],
        "torch": ["torch", "pytorch-metric-learning"],
    },
    entry_points={
        "console_scripts": [
            "supcon-pretrain = supcon_tf.pretrain:main",
            "supcon-linear-eval = supcon_tf.linear_eval:main",
            "supcon-evaluate = supcon_tf.evaluate:main",
            "supcon-sweep = supcon_tf.sweep:main",
            "supcon-photos = supcon_tf.photographs.first_answer:main",
            "supcon-images = supcon_tf.photographs.images:main",
            "supcon-embed = supcon_tf.photographs.embed:main",
            "supcon-search = supcon_tf.photographs.search:main",
            "supcon-predict = supcon_tf.photographs.predict:main",
            "supcon-hub-export = hub_export.export:main",
        ],
    },
)
