"""The DVC pipeline that `eyas init --dvc` writes: `dvc.yaml`, whose stages read `params.yaml`.

prepare ─► train ─► evaluate ─► export
dataset.json  run/  evaluation/  bundle/

DVC removes what a stage makes before it runs the stage again, so every stage has a folder to itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from eyas.core.schema import Config, CustomConfig, KerasConfig

DVC_FILE, PARAMS_FILE = Path("dvc.yaml"), Path("params.yaml")

TEMPLATE = """\
# `dvc repro` runs what has changed; `dvc metrics diff` and `dvc plots diff` compare with the last commit.
# The keys of params.yaml are those of eyas.yaml, and a change reruns the stages that name its section.
stages:
  prepare:
    cmd:
      - eyas data check -c params.yaml --json > check.json
      - eyas data import -c params.yaml --json > dataset.json
{data_deps}\
    params: [data]
    outs:
      - check.json: {{cache: false}}
      - dataset.json: {{cache: false}}
  train:
    cmd: eyas train -c params.yaml --to run
    deps: {train_deps}
    params: [data, model, augment, train]
    outs: [run]
  evaluate:
    cmd: eyas evaluate run --out evaluation
    deps: [run]
    outs: [evaluation]
  export:
    cmd: eyas export run -c params.yaml --to bundle
    deps: [run, evaluation]
    params: [export]
    outs: [bundle]

metrics:
  - evaluation/evaluation.json

plots:
  - loss: {{x: epoch, y: {{run/history.csv: [loss, val_loss]}}, x_label: epoch, y_label: loss}}
  - accuracy: {{x: epoch, y: {{run/history.csv: [accuracy, val_accuracy]}}, x_label: epoch, y_label: accuracy}}
  - run/curves.png
  - evaluation/confusion.png
  - evaluation/reliability.png
  - evaluation/per_class.png
"""


def dvc_yaml(config: Config) -> str:
    """The pipeline for this configuration.

    What lies in files of the user's own is watched too: `data.source` where it is a path, the fixes, the source of
    a custom or Keras network, the teacher.
    """
    source = config.data.source
    data = ["${data.source}"] if source and Path(source).exists() else []  # params.yaml has it; a named set is no file
    if config.data.fixes:
        data.append("${data.fixes}")
    train = ["dataset.json"]  # its fingerprint changes with any pixel, label or split
    if isinstance(config.model, CustomConfig):
        train.append(config.model.name.rpartition(":")[0])
    if isinstance(config.model, KerasConfig):
        train.append(config.model.source)
    if config.train.teacher:
        train.append("${train.teacher}")
    return TEMPLATE.format(data_deps=f"    deps: {_list(data)}\n" if data else "", train_deps=_list(train))


def _list(paths: Sequence[str]) -> str:
    """A list on one line, in the quotes that YAML and JSON share."""
    return json.dumps(paths, ensure_ascii=False)
