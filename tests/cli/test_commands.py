"""The command as a person uses it: in a process of its own, in an empty folder; each verb once in a fresh one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from eyas.core.config import load_config
from eyas.core.schema import Config
from support.loaded import loaded_eyas

FAST = ("train.epochs=2", "train.precision=fp32", "train.batch_size=64")


def eyas(*arguments, cwd, code=0, fresh=False, **options):
    process = subprocess.run(
        [*([sys.executable, "-m", "eyas"] if fresh else [loaded_eyas()]), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )
    assert process.returncode == code, process.stdout + process.stderr
    return process


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(home):
    answer = eyas("train", "digits", *FAST, "--json", cwd=home, fresh=True)
    return home / json.loads(answer.stdout)["run"]


@pytest.fixture(scope="module")
def bundle(home, run):
    eyas("export", run, cwd=home, fresh=True)
    return run / "bundle"


@pytest.fixture(scope="module")
def picture(home, digits):
    file = home / "pictures" / "seven.png"
    file.parent.mkdir()
    Image.fromarray(digits.test.take(slice(1))[0, ..., 0]).save(file)
    return file


def test_training_leaves_the_run_folder_of_the_contract(run):
    names = {entry.name for entry in run.iterdir()}
    assert {"config.yaml", "history.csv", "best.pt", "last.pt", "curves.png"} <= names
    assert yaml.safe_load((run / "config.yaml").read_text())["train"]["epochs"] == 2


def test_a_second_run_gets_its_own_folder(home, run):
    answer = eyas("train", "digits", *FAST, "--json", cwd=home)
    assert json.loads(answer.stdout)["run"] != str(run.relative_to(home))


def test_evaluate_writes_figures_and_pictures(home, run):
    answer = eyas("evaluate", run, "--json", cwd=home, fresh=True)
    found = json.loads(answer.stdout)
    recorded = json.loads((run / "metrics.json").read_text())["test"]
    assert found["accuracy"] == recorded["accuracy"]
    made = {entry.name for entry in (run / "evaluation-test").iterdir()}
    assert made == {"evaluation.json", "confusion.png", "reliability.png", "per_class.png"}


def test_a_bundle_is_evaluated_on_its_own_data(home, run, bundle):
    eyas("evaluate", run, "--split", "val", cwd=home)
    of_run = json.loads((run / "metrics.json").read_text())["val"]["accuracy"]
    answer = eyas("evaluate", bundle, "--split", "val", "--json", cwd=home)
    assert json.loads(answer.stdout)["accuracy"] == of_run


def test_tables_for_people(home, run):
    answer = eyas("evaluate", run, cwd=home)
    assert "macro F1" in answer.stdout
    assert "\x1b[" not in answer.stdout  # no colours into a pipe


def test_a_diagnosis_and_a_report(home, run):
    assert '"verdict"' in eyas("diagnose", run, "--json", cwd=home, fresh=True).stdout
    eyas("report", run, "--html", cwd=home, fresh=True)
    assert "<html" in (run / "report-en.html").read_text()


@pytest.mark.parametrize("where", ["run", "bundle"])
def test_predict_in_every_format(home, run, bundle, picture, where):
    target = {"run": run, "bundle": bundle}[where]
    table = eyas("predict", target, picture, cwd=home).stdout
    rows = json.loads(eyas("predict", target, picture, picture, "--format", "json", cwd=home).stdout)
    lines = eyas("predict", target, picture.parent, "--format", "csv", cwd=home).stdout.splitlines()
    assert len(rows) == 2
    assert rows[0]["label"] in table
    assert lines[0] == "file,index,label,confidence,needs_review,unknown,error"
    assert lines[1].split(",")[2] == rows[0]["label"]


def test_predict_takes_overrides(home, bundle, picture):
    words = ("serve.threads=1", "serve.max_pixels=10")
    assert "at most 10 are decoded" in eyas("predict", bundle, picture, *words, cwd=home, code=6).stderr


def test_a_bundle_is_not_measured_on_its_own_training_images(home, bundle):
    answer = eyas("evaluate", bundle, "data.seed=1", cwd=home, code=3)
    assert "was trained on other data than digits is now" in answer.stderr


def test_predict_reads_standard_input(home, bundle, picture):
    command = [sys.executable, "-m", "eyas", "predict", str(bundle), "-", "--format", "json"]
    answer = subprocess.run(command, input=picture.read_bytes(), capture_output=True, check=True, timeout=60)
    assert json.loads(answer.stdout)[0]["file"] == "-"


def test_predict_names_what_it_cannot_read_and_answers_the_rest(home, bundle, picture):
    broken = home / "broken" / "half.png"
    broken.parent.mkdir()
    broken.write_bytes(picture.read_bytes()[:60])
    answer = eyas("predict", bundle, picture, broken, home / "gone.png", "--format", "json", cwd=home, code=6)
    rows = json.loads(answer.stdout)
    assert [row["error"] is None for row in rows] == [True, False, False]
    assert "half.png" in answer.stderr
    assert "gone.png" in answer.stderr


def test_check_and_import(home):
    assert "digits" in eyas("data", "import", "digits", cwd=home, fresh=True).stdout
    report = json.loads(eyas("data", "check", "digits", "--json", cwd=home, fresh=True).stdout)
    assert (report["name"], report["findings"], report["sizes"]) == ("digits", [], {"8×8": 1797})
    assert "class" in eyas("data", "check", "digits", cwd=home).stdout


def test_the_written_configuration_is_the_default_and_is_read(home, tmp_path):
    eyas("init", cwd=tmp_path, fresh=True)
    text = (tmp_path / "eyas.yaml").read_text()
    assert load_config(tmp_path / "eyas.yaml") == Config()
    assert text.count("#") > 40
    (tmp_path / "eyas.yaml").write_text("data: {source: digits}\ntrain: {epochs: 1, precision: fp32}\nname: mine\n")
    answer = eyas("train", "--json", cwd=tmp_path)
    assert json.loads(answer.stdout)["run"] == "runs/mine-1"
    assert json.loads(answer.stdout)["epochs"] == 1


def test_init_takes_overrides_and_never_overwrites(tmp_path):
    eyas("init", "train.epochs=7", cwd=tmp_path)
    assert load_config(tmp_path / "eyas.yaml").train.epochs == 7
    eyas("init", "small.yaml", "model=cnn", "train.epochs=5", cwd=tmp_path)
    config = load_config(tmp_path / "small.yaml")
    assert (config.model.name, config.train.epochs) == ("cnn", 5)
    assert "exists already" in eyas("init", "small.yaml", cwd=tmp_path, code=2).stderr


def test_doctor_says_what_is_here(tmp_path):
    found = json.loads(eyas("doctor", "--json", cwd=tmp_path, fresh=True).stdout)
    assert "usable of" in found["cores"]
    assert found["extra [serve]"].startswith("httptools")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("train", "digits", "train.lr=1"),
            2,
            "unknown key train.lr on the command line: did you mean train.learning_rate?",
        ),
        (("train", "digits", "train.batch_size=0"), 2, "train.batch_size must be greater than 0, got 0"),
        (("train", "no/such/place"), 3, "no/such/place"),
        (("train",), 2, "data.source"),
        (("train", "digits", "--resume", "x", "--config", "y"), 2, "leave --config out"),
        (("init", "/proc/nowhere/eyas.yaml"), 1, "error: /proc/nowhere"),
        (("train", "digits", "train.epochs=1", "train.precision=fp32", "runs_dir=/proc/runs"), 1, "error: /proc/runs"),
        (("train", "digits", "mnist"), 2, "one name and then key=value are expected"),
        (("evaluate", "runs/none"), 2, "runs/none is not a run folder"),
        (("export", "runs/none"), 2, "runs/none is not a run folder"),
        (("predict", "runs/none", "x.png"), 5, "runs/none is not a bundle"),
        (("serve", "runs/none"), 5, "runs/none is not a bundle"),
        (("serve",), 2, "there is no BUNDLE to serve: name it, or set AIP_STORAGE_URI"),
        (("train", "--config", "gone.yaml"), 2, "cannot read the configuration gone.yaml"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(tmp_path, arguments, code, said):
    answer = eyas(*arguments, cwd=tmp_path, code=code)
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "runs").exists()


def test_a_training_that_diverges_says_so(tmp_path):
    words = ("train.optimizer=sgd", "train.learning_rate=1e20", "train.precision=fp32")
    answer = eyas("train", "digits", *words, cwd=tmp_path, code=4)
    assert "the loss became" in answer.stderr


HEAVY = ("torch", "numpy", "msgspec", "uvloop", "pydantic", "rich", "onnxruntime", "PIL")


def test_help_loads_nothing_heavy():
    code = (
        "import sys, eyas.cli\n"
        "try: eyas.cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stderr.strip() == "[]"
    assert "train" in answer.stdout


def test_a_missing_extra_names_the_command_that_installs_it(tmp_path):
    # A real environment without the extras, made by hiding site-packages' torch from the import system.
    code = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'uvloop'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from eyas.cli import main\n"
        "sys.argv = ['eyas', *sys.argv[1:]]\n"
        "main()\n"
    )
    for arguments, extra in ((("train", "digits"), "train"), (("serve", "x"), "serve")):
        command = [sys.executable, "-c", code, *arguments]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert answer.returncode == 8
        assert f'pip install "eyas[{extra}]"' in answer.stderr


def test_the_installed_command_is_the_module():
    command = Path(sys.executable).parent / "eyas"
    answer = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True, timeout=60, env=os.environ
    )
    assert answer.stdout.startswith("eyas 0.")
