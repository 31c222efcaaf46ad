"""The public names of `eyas`, and what they cost."""

import subprocess
import sys

import eyas
from eyas.core.config import load_config
from eyas.train import start_run

NAMES = [
    "AsyncClient",
    "Classifier",
    "Client",
    "Config",
    "Dataset",
    "EyasError",
    "Predictor",
    "ProgressBar",
    "Repository",
    "SwarmSampler",
    "__version__",
    "check_dataset",
    "draw_curves",
    "draw_preview",
    "evaluate_run",
    "export_run",
    "load_config",
    "make_preview",
    "open_bundle",
    "open_dataset",
    "open_run",
    "resume_run",
    "start_run",
    "write_evaluation",
]


def test_the_list_is_this_one_and_every_name_is_there():
    assert eyas.__all__ == NAMES
    assert all(getattr(eyas, name) is not None for name in NAMES)
    assert set(NAMES) <= set(dir(eyas))
    assert eyas.start_run is start_run
    assert eyas.load_config is load_config
    assert not hasattr(eyas, "no_such_name")


def test_importing_eyas_loads_no_room():
    code = "import sys, eyas; dir(eyas); print([m for m in sys.modules if m.startswith('eyas.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_missing_library_is_named_with_its_extra():
    code = "import sys; sys.modules['torch'] = None; import eyas; eyas.start_run"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'torch is not installed; this command needs it: pip install "eyas[train]"' in done.stderr
