"""The pages for readers: their Python, block after block; their links."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "pages"
# Their Python runs in this order, and goes on with the names before it.
FIRST = [ROOT / "README.md"] + [
    DOCS / "guides" / f"{name}.md"
    for name in ("loss", "commands", "encoders", "devices", "publish")
]
PAGES = [*FIRST, *sorted({*DOCS.rglob("*.md")} - {*FIRST})]
FOR_CONTRIBUTORS = sorted((ROOT / ".github").glob("*.md"))


def text():
    return "".join(page.read_text() for page in PAGES)


def blocks():
    return re.findall(r"```python\n(.*?)```", text(), re.DOTALL)


def run_the_blocks():
    """Runs the pages' Python in the current folder, and checks what it left."""
    from hub_export.saved_model import write_saved_model

    names = {}
    for block in blocks():
        if '"DIR"' in block:
            write_saved_model(names["encoder"], "DIR")
        # (Half a minute less.)
        exec(block.replace("epochs=10", "epochs=1"), names)
    assert names["classifier"].num_classes == 10
    assert names["losses"].shape == (8,)
    assert names["features"].shape == (1437, 128)
    assert names["maps"].shape[-1] == 32
    names["test_value_and_gradient_are_those_of_the_equation"]()
    assert pathlib.Path("fine_tuned.keras").is_file()
    assert names["model"].history.history["val_knn_accuracy"][-1] > 0.5


@pytest.mark.release
def test_the_readmes_python_runs(tmp_path):
    # In a process of its own: it registers a loss, and has replicas, which
    # those of other tests would disturb.
    folders = (ROOT, ROOT / "tests", ROOT / "tests" / "support")
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            "import test_readme; test_readme.run_the_blocks()",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert "linear probe: top-1" in process.stdout


@pytest.mark.release
def test_every_way_to_load_gives_the_features(tmp_path, monkeypatch):
    import keras
    import numpy as np
    import tensorflow as tf
    import tensorflow_hub as hub

    import supcon_tf
    from hub_export.saved_model import write_saved_model

    monkeypatch.chdir(tmp_path)
    encoder = supcon_tf.encoders.resnet18(
        (32, 32, 3), width=1 / 16, stem="small_image"
    )
    write_saved_model(encoder, "DIR")
    images = np.random.default_rng(0).random((4, 32, 32, 3), "float32")
    images = tf.constant(images)
    modules = {"hub": hub, "keras": keras, "supcon_tf": supcon_tf, "tf": tf}
    page = (DOCS / "guides" / "publish.md").read_text()
    ways = re.findall(r"^\| `(.*\(.*images\).*?)`", page, re.MULTILINE)
    assert len(ways) == 5
    for way in ways:
        features = eval(way, {**modules, "images": images})
        np.testing.assert_allclose(
            features, encoder(images), rtol=1e-4, atol=1e-5
        )


def test_every_flag_of_the_pages_is_a_flag():
    import dataclasses

    from supcon_tf.config import (
        EvaluateConfig,
        LinearEvalConfig,
        PretrainConfig,
    )
    from supcon_tf.photographs.embed import EmbedConfig
    from supcon_tf.photographs.first_answer import PhotosConfig
    from supcon_tf.photographs.images import ImagesConfig
    from supcon_tf.photographs.predict import PredictConfig
    from supcon_tf.photographs.search import SearchConfig

    known = {"recipe", "list_recipes", "list_losses", "workdir", "output"}
    known |= {"help", "helpfull"}
    known |= {"archive", "overwrite", "publisher", "model_name", "license"}
    known |= {"hugging_face"}
    known |= {"include_projection", "include_classifier", "include_unknown"}
    known |= {"study", "values", "seeds", "objectives", "list"}
    asking = (
        EmbedConfig,
        ImagesConfig,
        PhotosConfig,
        PredictConfig,
        SearchConfig,
    )
    for config in (PretrainConfig, LinearEvalConfig, EvaluateConfig, *asking):
        fields = dataclasses.fields(config)
        known |= {field.name for field in fields}
        known |= {f"no{field.name}" for field in fields if field.type is bool}
    known |= {"torch_python"}  # of a benchmark
    known |= {"logdir"}  # of tensorboard
    known |= {"no"}  # of pip: --no-deps
    known |= {"xla_force_host_platform_device_count"}  # of XLA
    known |= {"json"}  # of supcon-images
    guides = [ROOT / "README.md", *(DOCS / "guides").glob("*.md")]
    pages = "".join(page.read_text() for page in guides)
    flags = set(re.findall(r"--(\w+)", pages))
    assert {"epochs", "temperature", "data_dir"} <= flags <= known


def test_every_page_is_reached_from_the_settings_of_the_site():
    settings = (ROOT / "docs" / "mkdocs.yml").read_text()
    for page in DOCS.rglob("*.md"):
        assert f"- {page.relative_to(DOCS).as_posix()}\n" in settings, page


def test_the_front_page_is_short_and_has_its_five_tasks():
    front = (ROOT / "README.md").read_text()
    assert len(front.splitlines()) <= 200
    tasks = front.partition("## Five tasks")[2].partition("\n## ")[0]
    parts = tasks.split("\n### ")[1:]
    assert len(parts) == 5
    for part in parts:
        assert "\n    supcon-" in part or "```python" in part, part
    assert front.count("\n![") == 1


def test_no_placeholder_is_left():
    for word in ("TODO", "TBD", "XXX", "_SECTION", "VERSIONS", "CAPTION"):
        assert word not in text()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, id=str(p.relative_to(ROOT)))
        for p in (*PAGES, *FOR_CONTRIBUTORS)
    ],
)
def test_every_link_to_a_file_leads_somewhere(page):
    prose = re.sub(r"`[^`\n]*`", "", page.read_text())
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"(?m)^#+ (.*)$", target.read_text())
            slugs = {
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-")
                for h in headings
            }
            assert heading in slugs, link
