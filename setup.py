"""Name, versions and entry points of supcon_tf; nothing is computed here."""

from setuptools import find_packages, setup

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
    python_requires=">=3.11",
    packages=find_packages(include=["supcon_tf*", "hub_export*"]),
    package_data={
        "supcon_tf": ["py.typed", "__init__.pyi"],
        "supcon_tf.encoders.pretrained": ["*.tar.gz", "*.sha256", "*.md"],
        "supcon_tf.photographs.page": ["*.html", "*.css", "*.js"],
    },
    install_requires=[
        "absl-py>=2.1",
        "keras>=3.12,<3.16",
        "keras-cv>=0.9,<0.10",
        "numpy>=2.0",
        "pillow>=10",
        "scikit-learn>=1.5",
        "scipy>=1.11",
        "tensorflow>=2.20,<2.22",
        "tensorflow-datasets>=4.9.10,<4.10",
        "tensorflow-hub>=0.16.1,<0.17",
        "threadpoolctl>=3.1",
        "tqdm>=4.60",
        # What these need and do not declare:
        "importlib_resources>=6",  # tensorflow-datasets
        "setuptools<82",  # tensorflow-hub, for pkg_resources
        "tensorboard>=2.20,<2.22",  # tf.summary
        "tf-keras>=2.20,<2.22",  # tensorflow-hub
    ],
    extras_require={
        "figures": ["matplotlib>=3.8"],
        "parquet": ["pyarrow>=15"],
        "page": ["bokeh>=3.9,<3.10", "jinja2>=3.1", "markupsafe>=2.0"],
        "test": [
            "bokeh",
            "hypothesis",
            "ipykernel",
            "matplotlib",
            "mypy",
            "nbclient",
            "nbformat",
            "pytest",
            "pytest-xdist",
            "ruff",
        ],
        "publish": ["kagglehub"],
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
