"""The house: who may import whom, which files there are."""

import ast
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# From the ground up. A module may import those of its own or a lower floor.
FLOORS = [
    [
        "supcon_tf.files",
        "supcon_tf.distribution",
        "supcon_tf.strategies",
        "supcon_tf.workers",
    ],
    ["supcon_tf.arguments", "supcon_tf.labels", "supcon_tf.projections"],
    ["supcon_tf.tiles", "supcon_tf.contrasts"],
    ["supcon_tf.dense", "supcon_tf.tiled"],
    ["supcon_tf.by_class", "supcon_tf.reduction", "supcon_tf.replicas"],
    [
        "supcon_tf.gradient_cache",
        "supcon_tf.encoder_model",
        "supcon_tf.momentum",
        "supcon_tf.margin",
        "supcon_tf.projection_head",
    ],
    ["supcon_tf.pretrained", "supcon_tf.hub"],
    ["supcon_tf.losses", "supcon_tf.encoders", "supcon_tf.augmentations"],
    ["supcon_tf.weight_decay", "supcon_tf.lars", "supcon_tf.schedules"],
    ["supcon_tf.metrics", "supcon_tf.optimizers", "supcon_tf.callbacks"],
    [
        "supcon_tf.orders",
        "supcon_tf.labelled_images",
        "supcon_tf.image_folder",
        "supcon_tf.streams",
        "supcon_tf.tfds_images",
        "supcon_tf.sources",
        "supcon_tf.datasets",
        "supcon_tf.views",
    ],
    [
        "supcon_tf.models",
        "supcon_tf.classification",
        "supcon_tf.evaluation",
        "supcon_tf.monitoring",
        "supcon_tf.corruptions",
        "supcon_tf.drawing",
    ],
    ["supcon_tf"],  # the public names
    ["supcon_tf.settings"],
    ["supcon_tf.config"],
    ["supcon_tf.recipes", "supcon_tf.commands", "supcon_tf.objectives"],
    ["supcon_tf.relevance"],
    ["supcon_tf.build", "supcon_tf.workdir"],
    ["supcon_tf.studies"],
    ["supcon_tf.pretrain", "supcon_tf.linear_eval", "supcon_tf.evaluate"],
    ["supcon_tf.studies.runs", "supcon_tf.sweep"],
    ["hub_export"],
]
COMMANDS = {
    "supcon_tf.commands",
    "supcon_tf.pretrain",
    "supcon_tf.linear_eval",
    "supcon_tf.evaluate",
    "supcon_tf.studies.runs",
    "supcon_tf.sweep",
    "supcon_tf.workdir",
    "hub_export.demo",
    "hub_export.export",
    "hub_export.exported_run",
}


def modules():
    for folder in ("supcon_tf", "hub_export"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            yield ".".join(parts), path


def imports(path):
    """Our modules that a file imports, wherever in it."""
    ours = dict(modules())
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [
                full
                if (full := f"{node.module}.{alias.name}") in ours
                else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name in ours)


def floor(module):
    while module not in {m for modules in FLOORS for m in modules}:
        assert "." in module, f"{module} has no floor: add it to FLOORS"
        module = module.rpartition(".")[0]
    return next(i for i, floor in enumerate(FLOORS) if module in floor)


@pytest.mark.parametrize(
    ("module", "path"), [pytest.param(m, p, id=m) for m, p in modules()]
)
def test_imports_go_down(module, path):
    for imported in imports(path):
        assert floor(imported) <= floor(module), f"{module} -> {imported}"


def test_no_two_modules_import_each_other():
    graph = {module: set(imports(path)) for module, path in modules()}
    done = set()

    def visit(module, above):
        assert module not in above, f"{' -> '.join(above)} -> {module}"
        if module not in done:
            for imported in graph[module]:
                if imported != module:
                    visit(imported, [*above, module])
            done.add(module)

    for module in graph:
        visit(module, [])


@pytest.mark.parametrize(
    ("module", "path"), [pytest.param(m, p, id=m) for m, p in modules()]
)
def test_only_the_commands_know_of_flags_and_configs(module, path):
    if module in COMMANDS or module.startswith("supcon_tf.recipes"):
        return
    if module.startswith("supcon_tf.config"):
        return
    text = path.read_text()
    assert "absl import flags" not in text
    assert "supcon_tf.config" not in text
    assert "import config" not in text


def test_the_top_level_has_no_other_files():
    listing = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    top = {name.split("/")[0] for name in listing.split()}
    visible = {name for name in top if not name.startswith(".")}
    assert visible <= {
        "LICENSE", "Makefile", "README.md", "benchmarks", "colab",
        "hub_export", "pyproject.toml", "setup.py", "supcon_tf", "tests",
    }  # fmt: skip


def test_every_source_file_has_a_test_file():
    tests = {path.stem for path in (ROOT / "tests").glob("test_*.py")}
    for module, path in modules():
        name = path.stem
        if name == "__init__" or ".recipes." in module:
            continue
        package = module.split(".")[-2]
        found = tests & {
            f"test_{name}",
            f"test_{package}",
            f"test_{package}_{name}",
        }
        assert found, module
