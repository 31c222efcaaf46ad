"""TorchScript and `torch.export` files as bundles, and the files that are not opened."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from eyas.core.errors import BundleError, ConfigError, UnsafeDataError
from eyas.core.schema import DataConfig, ExportConfig
from eyas.foreign import Stated, import_model
from eyas.foreign.torch_files import open_torchscript
from eyas.infer import Predictor
from support.foreign_models import as_taken, quiet

DIGITS = DataConfig(source="digits")
STATED = Stated(scaling="symmetric", size=(8, 8), channels=1)


@pytest.fixture
def bring(tmp_path):
    return lambda file, wanted, stated=STATED: import_model(
        file, wanted, stated, DIGITS, ExportConfig(), tmp_path / "bundle"
    )


def _agrees(bundle, net, digits):
    with torch.no_grad():
        logits = net(as_taken(digits.test)).numpy()
    found = Predictor(bundle).run(digits.test.take(slice(None)))
    np.testing.assert_allclose(found.logits, logits, atol=1e-3)
    assert bundle.manifest.parity.agreement == 1
    assert bundle.manifest.outputs[-1] == "cam"
    return True


@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(1, 1, 8, 8))])
def test_torchscript_answers_as_it_did(make, net, digits, bring, tmp_path):
    with quiet():
        make(net).save(tmp_path / "net.pt")
    bundle = bring(tmp_path / "net.pt", "torchscript")
    assert bundle.manifest.imported.format == "torchscript"
    assert _agrees(bundle, net, digits)


@pytest.mark.parametrize("batch", [1, None])
def test_an_exported_program_answers_as_it_did(batch, net, digits, bring, tmp_path):
    free = None if batch else ({0: torch.export.Dim("n")},)
    with quiet():
        program = torch.export.export(net, (torch.zeros(batch or 2, 1, 8, 8),), dynamic_shapes=free)
        torch.export.save(program, tmp_path / "net.pt2")
    bundle = bring(tmp_path / "net.pt2", "torch-export", Stated(scaling="symmetric"))
    assert _agrees(bundle, net, digits)


def test_torchscript_needs_its_shape(net, bring, tmp_path):
    with quiet():
        torch.jit.script(net).save(tmp_path / "net.pt")
    with pytest.raises(ConfigError, match="state --size and --channels"):
        bring(tmp_path / "net.pt", "torchscript", Stated(scaling="symmetric"))
    with pytest.raises(BundleError, match="cannot be written as ONNX"):
        bring(tmp_path / "net.pt", "torchscript", Stated(scaling="unit", size=(8, 8), channels=3))
    with pytest.raises(BundleError, match="eyas import torchscript"):
        bring(tmp_path / "net.pt", "onnx")


class Reads(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + torch.from_file("/etc/hostname", False, 1, dtype=torch.float32).sum()


def test_torchscript_that_reads_files_is_not_opened(bring, tmp_path):
    with quiet():
        torch.jit.script(Reads()).save(tmp_path / "net.pt")
    with pytest.raises(UnsafeDataError, match="from_file"):
        bring(tmp_path / "net.pt", "torchscript")


class Doubles(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * 2


@pytest.mark.parametrize(
    "lines",
    [
        ["t = torch", "_0 = t.save(images, PATH)"],
        ["s = torch.save", "_0 = s(images, PATH)"],
        ["_0 = (torch. # a comment", "  save(images, PATH))"],
        ["_0 = torch.\\", "save(images, PATH)"],
        ['_0 = getattr(torch, "save")(images, PATH)'],
        ['_0 = getattr(torch, "sa" "ve")(images, PATH)'],
        ['_0 = getattr(torch, "\\163ave")(images, PATH)'],
        ["_0 = ' getattr(a, \"', getattr(torch, 'save')(images, PATH), '\")'"],
        ["o = ops.aten", "_0 = o.save(images, PATH)"],
        ["o = ops", "_0 = o.aten.relu(images)"],
    ],
)
def test_torchscript_that_hides_what_it_writes_is_not_opened(lines, bring, tmp_path):
    with quiet():
        torch.jit.script(Doubles()).save(tmp_path / "plain.pt")
    text = "\n    ".join([*lines, "return torch.mul(images, 2)"]).replace("PATH", f'"{tmp_path / "written"}"')
    _rewrite(tmp_path / "plain.pt", tmp_path / "net.pt", ".py", lambda code: code.replace(RETURN, text.encode()))
    with pytest.raises(UnsafeDataError, match=r"may compute and no more|may take submodules"):
        bring(tmp_path / "net.pt", "torchscript")
    assert not (tmp_path / "written").exists()


def test_code_in_a_file_with_capitals_is_looked_at(bring, tmp_path):
    with quiet():
        torch.jit.script(Reads()).save(tmp_path / "net.pt")
    content = _rewrite(tmp_path / "net.pt", tmp_path / "plain.pt", ".py", lambda code: code).read_bytes()
    (tmp_path / "capitals.pt").write_bytes(content.replace(b"import_torch.py", b"import_torch.PY"))
    with pytest.raises(UnsafeDataError, match="from_file"):
        bring(tmp_path / "capitals.pt", "torchscript")


RETURN = b"return torch.mul(images, 2)"


class Kept(torch.nn.Module):
    """With words in it that are harmless there, and parts in parts."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.save, self.ops = [1], net
        self.deep = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Identity()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.dim() != 4:
            raise ValueError("save or load 4 axes")
        found: torch.Tensor = self.ops(self.deep(images))
        return found


def test_torchscript_with_such_words_elsewhere_is_opened(net, digits, bring, tmp_path):
    with quiet():
        torch.jit.script(Kept(net)).save(tmp_path / "net.pt")
    assert _agrees(bring(tmp_path / "net.pt", "torchscript"), net, digits)


def test_the_code_of_an_old_archive_is_not_looked_for(net, bring, tmp_path):
    with quiet():
        torch.jit.script(net).save(tmp_path / "net.pt")
    with zipfile.ZipFile(tmp_path / "net.pt", "a") as archive:
        archive.writestr("net/model.json", b"{}")
    with pytest.raises(BundleError, match=r"PyTorch 1\.2 and before"):
        bring(tmp_path / "net.pt", "torchscript")


def test_damaged_archives_say_so(net, bring, tmp_path):
    with quiet():
        torch.jit.script(net).save(tmp_path / "net.pt")
    file = _rewrite(tmp_path / "net.pt", tmp_path / "plain.pt", ".py", lambda code: code)
    (tmp_path / "half.pt").write_bytes(file.read_bytes()[:10_000])
    with pytest.raises(BundleError, match="damaged archive: its end is missing"):
        bring(tmp_path / "half.pt", "torchscript")
    (tmp_path / "turned.pt").write_bytes(file.read_bytes().replace(b"def forward", b"DEF forward"))
    with pytest.raises(BundleError, match=r"damaged archive: .* cannot be read"):
        bring(tmp_path / "turned.pt", "torchscript")


class Halves(torch.nn.Module):
    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(images).to(torch.bfloat16)
        return found


def test_answers_that_numpy_has_no_type_for_are_read(net, tmp_path):
    with quiet():
        torch.jit.script(Halves(net)).save(tmp_path / "net.pt")
    answers = open_torchscript(tmp_path / "net.pt", STATED).ask(np.zeros((2, 1, 8, 8), np.float32))
    assert [one.shape for one in answers.values()] == [(2, 10)]


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_not_opened(zipped, net, bring, tmp_path):
    for name, content in (("state.pt", net.state_dict()), ("model.pt", net)):
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
        with pytest.raises(UnsafeDataError, match=r"weights_only=True.*torch.onnx.export"):
            bring(tmp_path / name, "torchscript")


def _edited(net, file, inside, change):
    """An exported program with one of its files changed, or one more."""
    with quiet():
        torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),)), file.with_suffix(".plain.pt2"))
    return _rewrite(file.with_suffix(".plain.pt2"), file, inside, change)


def _rewrite(plain, file, inside, change):
    """An archive with its files of that end changed, or one more."""
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        for name in names:
            content = old.read(name)
            new.writestr(name, change(content) if name.endswith(inside) else content)
        if not any(name.endswith(inside) for name in names):
            new.writestr(f"{names[0].partition('/')[0]}/{inside}", change(b""))
    return file


def _json(change):
    def changed(content):
        value = json.loads(content)
        change(value)
        return json.dumps(value)

    return changed


def _first_weight(config):
    return next(iter(config["config"].values()))


class Harm:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle ran')",))


OPAQUE = {"a": {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": False, "tensor_meta": None}}


@pytest.mark.parametrize(
    ("inside", "change", "says"),
    [
        ("model_weights_config.json", _json(lambda c: _first_weight(c).update(use_pickle=True)), "as a pickle"),
        ("model_constants_config.json", _json(lambda c: c.update(config=OPAQUE)), "as a pickle"),
        ("data/sample_inputs/model.pt", lambda _: pickle.dumps((Harm(),)), "tensors alone"),
        ("data/aotinductor/model/model.so", lambda _: b"", "no more, got data/aotinductor"),
        (
            "model.json",
            _json(lambda p: p["graph_module"]["graph"]["nodes"][0].update(target="torch.os.system")),
            r"torch\.os\.system",
        ),
        ("model.json", _json(lambda p: p.update(guards_code=["__import__('os').getcwd()"])), "formulas of sizes"),
    ],
)
def test_programs_that_could_do_more_are_not_opened(inside, change, says, net, bring, tmp_path):
    with pytest.raises(UnsafeDataError, match=says):
        bring(_edited(net, tmp_path / "net.pt2", inside, change), "torch-export")


class Writes:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_pytorch_is_given_what_was_looked_at(net, digits, bring, tmp_path):
    """Two archives in one file: Python's reader takes the later directory, PyTorch's the one that the end names."""
    inside, harm = "data/sample_inputs/model.pt", pickle.dumps((Writes(tmp_path / "written"),))
    good = _edited(net, tmp_path / "one.pt2", inside, lambda content: content).read_bytes()
    bad = _edited(net, tmp_path / "two.pt2", inside, lambda content: harm.ljust(len(content), b"\0")).read_bytes()
    assert len(good) == len(bad)
    size, offset = struct.unpack("<II", good[-10:-2])
    assert size + offset + 22 == len(good)
    (tmp_path / "net.pt2").write_bytes(bad[:-22] + good)
    bundle = bring(tmp_path / "net.pt2", "torch-export", Stated(scaling="symmetric"))
    assert _agrees(bundle, net, digits)
    assert not (tmp_path / "written").exists()


def test_a_file_that_is_there_twice_is_not_opened(net, bring, tmp_path):
    file = _edited(net, tmp_path / "net.pt2", "model.json", lambda content: content)
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[-1], b"{}")
    with pytest.raises(UnsafeDataError, match="each file once"):
        bring(file, "torch-export")


@pytest.mark.parametrize(
    ("head", "says"), [(b"\x89HDF\r\n\x1a\n", "eyas import keras"), (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
                       (b"\x07\0\0\0\0\0\0\0{\"a\":1}", "safetensors"), (b"", "not an ONNX file"),
                       (b"\x08\x08\x3a\0\0\0\0\0{\"a\":1}", "not an ONNX file"),
                       (b"no model at all", "not an ONNX file")]
)  # fmt: skip
def test_other_formats_say_what_they_are(head, says, bring, tmp_path):
    (tmp_path / "model.onnx").write_bytes(head)
    with pytest.raises(BundleError, match=says):
        bring(tmp_path / "model.onnx", "onnx")
