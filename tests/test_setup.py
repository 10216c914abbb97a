"""What is installed: the wheel's content and the declared requirements."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata

import pytest

from supcon_tf.frameworks.extras import EXTRAS

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ("supcon_tf", "hub_export")
COMMANDS = (
    *("pretrain", "linear-eval", "evaluate", "sweep", "hub-export"),
    *("photos", "images", "embed", "search", "predict"),
)
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "faiss": "faiss-cpu",
    "sklearn": "scikit-learn",
}


def required(extra=None):
    """Names of the distributions that the installed package requires."""
    names = set()
    for line in metadata.requires("supcon_tf"):
        name = re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")
        marker = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if (marker[1].replace("-", "_") if marker else None) == extra:
            names.add(name)
    return names


@pytest.mark.slow
def test_everything_that_is_imported_is_declared():
    imported = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {a.name.split(".")[0] for a in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module.split(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - set(PACKAGES)
    assert "tensorflow" in third_party
    # Whoever chooses JAX as the backend of Keras has installed it.
    for module in third_party - {"jax"}:
        name = DISTRIBUTIONS.get(module, module).replace("_", "-")
        # Those of `all` are imported where they are asked for.
        assert name in required() | required("all")


def test_what_others_forget_to_declare_is_declared():
    # tensorflow-hub needs tf_keras and pkg_resources.
    assert {"tf-keras", "setuptools"} <= required("hub")
    assert "importlib-resources" in required("tfds")


def test_the_base_is_what_every_run_needs_and_all_is_every_extra():
    assert required() == {
        "absl-py", "keras", "numpy", "pillow", "scikit-learn", "scipy",
        "tensorflow", "threadpoolctl", "tqdm",
    }  # fmt: skip
    extras = {extra for _, extra in EXTRAS.values()} | {"publish"}
    assert required("all") == set().union(*map(required, extras))
    assert required("all").isdisjoint(required())


def test_the_extras_hold_what_only_some_need():
    assert {"pytest", "hypothesis", "ruff", "mypy"} <= required("test")
    assert {"mkdocs-material", "latex2mathml"} <= required("docs")
    assert required("publish") == {"huggingface-hub", "kagglehub"}
    assert required("page") == {"bokeh", "jinja2", "markupsafe"}
    assert required("torch") == {"torch", "pytorch-metric-learning"}


@pytest.mark.release
def test_sdist_and_wheel_hold_both_packages_and_the_commands(tmp_path):
    files = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
    ).split()
    for name in files:
        target = tmp_path / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    dist = tmp_path / "dist"
    for command in (
        ["build", "--no-isolation", "--outdir", dist, tmp_path / "source"],
        ["twine", "check", "--strict", dist / "*"],
    ):
        subprocess.run([sys.executable, "-m", *command], check=True)
    (sdist,) = dist.glob("*.tar.gz")
    (wheel,) = dist.glob("*.whl")
    with tarfile.open(sdist) as archive:
        inner = {n.partition("/")[2] for n in archive.getnames()}
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE"} <= inner
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (commands,) = (n for n in names if n.endswith("entry_points.txt"))
        text = archive.read(commands).decode()
    top = {n.split("/")[0] for n in names if ".dist-info" not in n}
    assert top == set(PACKAGES)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert str(path.relative_to(ROOT)) in names
            assert str(path.relative_to(ROOT)) in inner
    for file in ("page.html", "page.css", "page.js"):
        assert f"supcon_tf/photographs/page/{file}" in names
    for file in ("py.typed", "__init__.pyi"):
        assert f"supcon_tf/{file}" in names
    assert any(n.endswith("licenses/LICENSE") for n in names)
    _check_commands_of(wheel, tmp_path / "elsewhere")
    assert text.count("supcon-") == len(COMMANDS)


def _check_commands_of(wheel, folder):
    """Installs the wheel beside this checkout and runs its commands there."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--target", folder, wheel),
        ],
        check=True,
    )
    for command in COMMANDS:
        out = subprocess.check_output(
            [folder / "bin" / f"supcon-{command}", "--help"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            text=True,
        )
        assert "--" in out
