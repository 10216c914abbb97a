"""The house: who may import whom, which files there are."""

import ast
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent

# From the ground up. A room may import those of its own or a lower floor.
FLOORS = [
    ["errors", "files", "drawing"],
    ["frameworks"],
    ["labels"],
    [""],  # the public names, supcon_tf/__init__.py, imports what is asked for
    ["optimizers", "corruptions", "augmentations"],
    ["distribution", "encoders", "data", "config"],
    ["losses", "recipes"],
    ["metrics"],
    ["models"],
    ["evaluation"],
    ["callbacks"],
    ["training"],
    ["photographs"],
    ["runs"],
    ["pretrain", "linear_eval", "evaluate"],
    ["studies", "sweep"],
    ["hub_export"],
]
KNOW_CONFIGS = {
    "config",
    "recipes",
    "training",
    "runs",
    "studies",
    "photographs",
    "pretrain",
    "linear_eval",
    "evaluate",
    "sweep",
    "hub_export",
}

# Recipes are tested all alike, the fields of configs where they are used, and
# the commands in tests/test_commands.py.
HAVE_NO_TEST_FILE = {"recipes", "config"}
COMMANDS = {
    "supcon_tf.pretrain",
    "supcon_tf.linear_eval",
    "supcon_tf.evaluate",
    "hub_export.export",
}


def modules():
    """The name of each of our modules -> its file."""
    found = {}
    for folder in ("supcon_tf", "hub_export"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            found[".".join(parts)] = path
    return found


MODULES = modules()


def imports(path):
    """Our modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [
                full
                if (full := f"{node.module}.{alias.name}") in MODULES
                else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name in MODULES)


def room(module):
    """The name of the room, or of the file in the hall, that a module is in."""
    package, *parts = module.split(".")
    return package if package == "hub_export" else (parts or [""])[0]


def floor(module):
    for number, rooms in enumerate(FLOORS):
        if room(module) in rooms:
            return number
    raise AssertionError(f"{module} has no floor: add its room to FLOORS")


def test_imports_go_down():
    for module, path in MODULES.items():
        for imported in imports(path):
            assert floor(imported) <= floor(module), f"{module} -> {imported}"


def test_no_two_modules_import_each_other():
    graph = {module: set(imports(path)) for module, path in MODULES.items()}
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


def test_only_the_commands_know_of_flags_and_configs():
    for module, path in MODULES.items():
        if room(module) in KNOW_CONFIGS:
            continue
        text = path.read_text()
        for words in ("absl import flags", "supcon_tf.config", "import config"):
            assert words not in text, f"{module}: {words}"


def test_one_module_alone_imports_tensorflow():
    """So the package runs without it on Keras' other backends."""
    for module, path in MODULES.items():
        if module == "supcon_tf.frameworks.backends" or (
            room(module) == "hub_export"
        ):
            continue
        tree = ast.parse(path.read_text())
        for node in tree.body:  # at the top of the file
            names = [alias.name for alias in getattr(node, "names", ())]
            names.append(getattr(node, "module", None) or "")
            for name in names:
                assert name.split(".")[0] != "tensorflow", module


def test_few_files_stand_beside_the_rooms():
    listing = subprocess.check_output(
        ["git", "ls-files", "supcon_tf"], cwd=ROOT, text=True
    )
    beside = [name for name in listing.split() if name.count("/") == 1]
    assert len(beside) <= 12, beside


def test_the_top_level_has_no_other_files():
    listing = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    top = {name.split("/")[0] for name in listing.split()}
    visible = {name for name in top if not name.startswith(".")}
    assert visible <= {
        "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "README.md",
        "benchmarks", "colab", "docs",
        "hub_export", "pyproject.toml", "setup.py", "supcon_tf", "tests",
    }  # fmt: skip


def test_every_source_file_has_a_test_file_in_the_room_of_its_name():
    for module, path in MODULES.items():
        if path.stem == "__init__" or module in COMMANDS:
            continue
        if room(module) in HAVE_NO_TEST_FILE:
            continue
        inside = path.relative_to(ROOT).parent
        if inside.parts[0] == "supcon_tf":
            inside = inside.relative_to("supcon_tf")
        tests = ROOT / "tests" / inside
        names = (f"test_{path.stem}.py", f"test_{inside.name}.py")
        assert any((tests / name).exists() for name in names), module
