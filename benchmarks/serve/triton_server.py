"""Run the Triton server on the CPU: it comes inside the wheel nvidia-pytriton. Run by that environment's Python.

    build/peers-serve/triton/bin/python benchmarks/serve/triton_server.py MODEL.onnx PORT FOLDER

The graph runs in Triton's Python backend, by ONNX Runtime: the wheel has no other backend, and that of ONNX Runtime
comes with NVIDIA's container alone. Two instances, one thread each; requests that wait together are batched.
PORT + 1 is gRPC's, PORT + 2 that of the metrics. FOLDER is made anew: the repository and the backend lie there.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

MODEL = "m"
INSTANCES = 2
MAX_BATCH = 32
DELAY_MICROSECONDS = 200
TYPES = {"tensor(float)": "TYPE_FP32", "tensor(uint8)": "TYPE_UINT8"}
BACKEND = Path(__file__).parent / "apps" / "triton_model.py"


def main() -> None:
    graph, port, work = Path(sys.argv[1]).resolve(), int(sys.argv[2]), Path(sys.argv[3])
    shutil.rmtree(work, ignore_errors=True)
    site = Path(sysconfig.get_path("purelib"))
    home = site / "pytriton" / "tritonserver"
    _install_backend(home, work / "backends")
    _write_repository(graph, work / "repository")
    libraries = (site / "nvidia_pytriton.libs", home / "external_libs", sysconfig.get_config_var("LIBDIR"))
    env = os.environ | {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "MODEL": str(graph),
        "MODULES": os.pathsep.join(map(str, (BACKEND.parent, site))),  # the backend's stub is its own interpreter
    }
    command = [
        str(home / "bin" / "tritonserver"),
        f"--model-repository={work / 'repository'}",
        f"--backend-directory={work / 'backends'}",
        "--exit-on-error=true",
        "--allow-gpu-metrics=false",
        *(f"--{kind}-address=127.0.0.1" for kind in ("http", "grpc", "metrics")),
        *(f"--{kind}-port={port + index}" for index, kind in enumerate(("http", "grpc", "metrics"))),
    ]
    os.execve(command[0], command, env)


def _install_backend(home: Path, target: Path) -> None:
    """The Python backend with the stub of this Python's version."""
    shutil.copytree(home / "backends" / "python", target / "python")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = next((home / "python_backend_stubs" / version).rglob("triton_python_backend_stub"))
    shutil.copy(stub, target / "python")
    (target / "python" / stub.name).chmod(0o755)


def _write_repository(graph: Path, target: Path) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    version = target / MODEL / "1"
    version.mkdir(parents=True)
    shutil.copy(BACKEND, version / "model.py")
    outputs = [output for output in session.get_outputs() if output.name == "probabilities"]
    (target / MODEL / "config.pbtxt").write_text(
        f'name: "{MODEL}"\n'
        'backend: "python"\n'
        f"max_batch_size: {MAX_BATCH}\n"
        f"input [{_tensors(session.get_inputs())}]\n"
        f"output [{_tensors(outputs)}]\n"
        f"instance_group [{{ count: {INSTANCES} kind: KIND_CPU }}]\n"
        f"dynamic_batching {{ max_queue_delay_microseconds: {DELAY_MICROSECONDS} }}\n"
    )


def _tensors(tensors: Any) -> str:
    """Without their first axis, which is the batch."""
    return ", ".join(
        f'{{ name: "{t.name}" data_type: {TYPES[t.type]} dims: [{", ".join(map(str, t.shape[1:]))}] }}' for t in tensors
    )


if __name__ == "__main__":
    main()
