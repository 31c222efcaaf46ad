"""The notebooks, executed from top to bottom in an empty folder, and stored without outputs."""

import os

import nbformat
import pytest
from nbclient import NotebookClient

from support.pages import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.pages
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq", "ignore::DeprecationWarning:jupyter_client")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    book = read(path)
    NotebookClient(book, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.text for output in outputs if output.output_type == "stream" and "Warning" in output.text] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    if keep := os.environ.get("EYAS_KEEP_NOTEBOOKS"):  # a folder: to look at what a reader sees
        nbformat.write(book, f"{keep}/{path.name}")


def test_the_four_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["01_eda", "02_preprocessing", "03_model_experiments", "04_ten_lines"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert len(code) >= 4
    assert [cell.source for cell in code if cell.outputs or cell.execution_count is not None] == []
