"""The demo notebook: as it is saved, and executed."""

import ast
import importlib.metadata
import pathlib
import re
import sys
import types

import nbclient
import nbformat
import numpy as np
import prepared_tfds
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from supcon_tf.recipes import RECIPES

PATH = (
    pathlib.Path(__file__).resolve().parents[2]
    / "colab"
    / "supcon_tf_demo.ipynb"
)
NO_PHOTOS = "CIFAR-10 is not here: set DOWNLOAD = True above"


@pytest.fixture
def notebook():
    return nbformat.read(PATH, as_version=4)


@pytest.fixture
def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def photos_cell(code_cells):
    (cell,) = [c for c in code_cells if "DOWNLOAD = " in c.source]
    return cell.source


def printed(notebook):
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    )


def number(text, name):
    """The number behind a name: `name  0.99`, `name: 0.99 in ...`."""
    found = re.findall(rf"{re.escape(name)}:? +(-?\d[\d.e-]*)", text)
    assert len(found) == 1, (name, found)
    return float(found[0])


def check_training(text):
    """Sections 3 and 4, on the digits."""
    supcon = number(text, "SupCon: loss")
    assert np.log(12.8) < supcon < np.log(127) - 1.5
    assert number(text, "cross-entropy: loss") < 0.3
    supcon = number(text, "SupCon, linear classifier")
    cross_entropy = number(text, "cross-entropy, linear classifier")
    untrained = number(text, "untrained, linear classifier")
    # "At about 0.99, well above the untrained one", and level: the difference
    # of two seeds has a standard deviation of 0.0086.
    assert min(supcon, cross_entropy) >= 0.97
    assert abs(supcon - cross_entropy) <= 0.02
    assert number(text, "cross-entropy, its own classifier") >= 0.96
    assert untrained <= min(supcon, cross_entropy) - 0.05
    # 354 or 355 of the 360 test images; nothing here is learnt or random.
    assert number(text, "raw pixels, nearest neighbour") == pytest.approx(
        0.986, abs=0.004
    )


def check_geometry(text):
    """Section 5: spread by either training, twice as tight with SupCon."""
    measured = {
        name: np.array(
            re.findall(rf"^{name} +(\S+) +(\S+) +(\S+)$", text, re.M)
        )
        for name in ("untrained", "cross-entropy", "SupCon")
    }
    untrained, cross_entropy, supcon = (
        values.astype(float)[0] for values in measured.values()
    )
    assert np.all(np.abs(untrained[:2]) < 0.5)
    assert max(cross_entropy[1], supcon[1]) < -1.5
    assert 0.35 < supcon[0] / cross_entropy[0] < 0.75
    assert supcon[2] < cross_entropy[2]


def check_hardness(text):
    """Section 6: hard is a positive at similarity 0, a negative at 0.8."""
    found = re.findall(
        r"(\w+), temperature (\S+): (\S+) at similarity 0, (\S+) at 0\.8", text
    )
    at = {(name, t): (float(a), float(b)) for name, t, a, b in found}
    assert len(at) == 6
    for temperature in ("0.05", "0.1", "0.5"):
        hard, easy = at["positive", temperature]
        assert hard > 0.9
        assert hard > 1.5 * easy
        easy, hard = at["negative", temperature]
        assert hard > 2 * easy
    assert at["positive", "0.05"][1] < 0.001
    assert at["negative", "0.05"][0] < 0.001
    assert at["negative", "0.5"][1] < 0.1 * at["negative", "0.05"][1]


def check_stuck_loss(text):
    """Section 7: one training is stuck, warned of once, and one is not."""
    assert text.count("has stayed within 1 % of the value of total") == 1
    assert "a lower or higher learning" in text
    collapsed = np.log(127)
    stuck = number(text, "learning rate 100.0: loss")
    assert stuck == pytest.approx(collapsed, rel=0.01)
    assert number(text, "learning rate 0.01: loss") < collapsed - 1
    values = re.findall(r"ln\(N - 1\) = (\S+)", text)
    assert [float(v) for v in values] == pytest.approx(
        [collapsed] * 2, abs=1e-3
    )


def check_photographs(text):
    """Section 11: 0.874 on all test images, here on 2,000 of them."""
    right = number(text, "classifier is right")
    assert 0.85 < right < 0.91
    assert 0.75 < number(text, "neighbours' class") < right


def check_numbers(notebook):
    """The numbers that the notebook prints are those that its text expects."""
    text = printed(notebook)
    check_training(text)
    check_geometry(text)
    check_hardness(text)
    check_stuck_loss(text)
    assert number(text, "largest difference") <= 1e-5
    assert number(text, "linear probe: top-1") > 0.95
    assert number(text, "fine-tuned") >= 0.975
    held_out = number(text, "held-out images")
    assert 100 < held_out < 150  # a fifth, drawn by the names of the files
    assert number(text, "training images") == 600 - held_out
    assert number(text, "top-1 accuracy") > 0.9
    assert number(text, "nearest by raw pixels") > 0.95


def test_the_notebook_is_valid_and_needs_no_accelerator(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "accelerator" not in notebook.metadata  # Colab: none
    assert PATH.stat().st_size < 1_000_000


def test_every_code_cell_is_saved_with_its_output(code_cells):
    assert len(code_cells) == 16
    for position, cell in enumerate(code_cells, start=1):
        assert cell.execution_count == position  # run once, top to bottom
        assert cell.outputs, cell.source


def test_every_code_cell_follows_a_text_and_is_short(notebook):
    previous = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert previous == "markdown", cell.source
            lines = cell.source.splitlines()
            assert len(lines) <= 36, cell.source
            assert max(map(len, lines)) <= 80, cell.source
        previous = cell.cell_type


def test_no_saved_output_is_an_error_or_comes_from_stderr(code_cells):
    for cell in code_cells:
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data")
            if output.output_type == "stream":
                assert output.name == "stdout"
                assert "warning" not in output.text.lower()


@pytest.mark.slow
def test_the_saved_numbers_are_those_that_the_text_expects(notebook):
    check_numbers(notebook)
    check_photographs(printed(notebook))


def test_eight_figures_are_saved(code_cells):
    figures = [
        output
        for cell in code_cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(figures) == 8


def test_the_notebook_names_no_path_of_a_machine(notebook):
    texts = [cell.source for cell in notebook.cells]
    texts += [
        output.get("text", "") + output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]
    for text in texts:
        # A slash that begins a path of two parts or more; not that of a URL.
        paths = re.findall(r"(?<![\w.:/<-])/\w[\w.-]*/\S*", text)
        assert not paths, paths
        assert not re.search(r"\b[A-Z]:\\", text), text


def test_the_repository_address_stands_in_one_place():
    text = PATH.read_text()
    assert text.count("github.com") == 1
    assert text.count("REPOSITORY = ") == 1


def test_the_notebook_has_no_logic_of_its_own(code_cells):
    definitions = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Lambda,
    )
    for cell in code_cells:
        code = TransformerManager().transform_cell(cell.source)  # %pip
        for node in ast.walk(ast.parse(code)):
            assert not isinstance(node, definitions), cell.source


def test_with_and_without_a_gpu_there_is_a_twin_to_compare_with(code_cells):
    (source,) = [c.source for c in code_cells if "recipe = " in c.source]
    chosen = re.search(r'recipe = "(\w+)" if gpus else "(\w+)"', source)
    for name in chosen.groups():
        twin = RECIPES[f"cross_entropy_{name}"]
        assert twin.objective == "cross_entropy"
        assert twin.dataset == RECIPES[name].dataset


def test_without_cifar10_the_notebook_says_how_to_get_it(
    photos_cell, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    names = {}
    exec(photos_cell, names)
    assert names["photos"] is None  # what the next cell asks
    assert capsys.readouterr().out.startswith(NO_PHOTOS)


def test_on_colab_cifar10_is_downloaded(photos_cell, tmp_path, monkeypatch):
    class AskedError(Exception):
        pass

    def load_dataset(*arguments, **options):
        raise AskedError(arguments, options)

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    module = types.ModuleType("google.colab")
    monkeypatch.setitem(sys.modules, "google.colab", module)
    with pytest.raises(AskedError) as asked:
        exec(photos_cell, {"load_dataset": load_dataset})
    assert asked.value.args == (("cifar10",), {"download": True})


@pytest.mark.release
def test_run_all_runs_all(notebook, tmp_path, monkeypatch):
    # Raises where the notebook would install the package.
    importlib.metadata.version("supcon_tf")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    try:
        data_dir = prepared_tfds.real_data("cifar10")
    except pytest.skip.Exception:
        data_dir = None
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir or tmp_path))
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(PATH.parent)}},
    ).execute()  # raises where a cell does
    check_numbers(notebook)
    if data_dir is None:
        assert NO_PHOTOS in printed(notebook)
    else:
        check_photographs(printed(notebook))
