"""What training loads: a command that takes a second must not begin with two of imports that it does not use."""

import subprocess
import sys


def test_training_and_its_trackers_do_without_the_libraries_of_diagnosis():
    code = (
        "import eyas.track.trackers, sys; print(sorted({'sklearn', 'scipy', 'cleanlab', 'pandas'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
