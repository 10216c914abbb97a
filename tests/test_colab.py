"""The demo notebook: as it is saved, and executed."""

import ast
import importlib.metadata
import pathlib
import re

import nbclient
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

PATH = (
    pathlib.Path(__file__).resolve().parent.parent
    / "colab"
    / "supcon_tf_demo.ipynb"
)


@pytest.fixture
def notebook():
    return nbformat.read(PATH, as_version=4)


@pytest.fixture
def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook):
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    )


def check_numbers(notebook):
    """The numbers that the notebook prints are those that its text expects."""
    text = printed(notebook)

    def number(name):
        return float(re.search(rf"{name}:? +(\d[\d.e-]*)\n", text)[1])

    assert number("this encoder") >= 0.97
    assert number("this encoder") > number("the untrained encoder")
    # 354 or 355 of the 360 test images; nothing here is learnt or random.
    assert number("nearest neighbour, raw pixels") == pytest.approx(
        0.986, abs=0.004
    )
    assert number("largest difference") <= 1e-5
    probe = float(re.search(r"linear probe: top-1 (\d\.\d+)", text)[1])
    assert probe > number("the untrained encoder")
    assert number("fine-tuned") > probe


def test_the_notebook_is_valid_and_needs_no_accelerator(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "accelerator" not in notebook.metadata  # Colab: none
    assert PATH.stat().st_size < 400_000


def test_every_code_cell_is_saved_with_its_output(code_cells):
    assert len(code_cells) == 9
    for number, cell in enumerate(code_cells, start=1):
        assert cell.execution_count == number  # run once, from top to bottom
        assert cell.outputs, cell.source


def test_no_saved_output_is_an_error_or_a_warning(code_cells):
    for cell in code_cells:
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data")
            if output.output_type == "stream":
                assert output.name == "stdout"
                assert "warning" not in output.text.lower()


def test_the_saved_numbers_are_those_that_the_text_expects(notebook):
    check_numbers(notebook)


def test_three_figures_are_saved(code_cells):
    figures = [
        output
        for cell in code_cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(figures) == 3


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


@pytest.mark.slow
def test_run_all_runs_all(notebook, tmp_path, monkeypatch):
    # Raises where the notebook would install the package.
    importlib.metadata.version("supcon_tf")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
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
