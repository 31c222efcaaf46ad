from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eyas.core.config import SYNONYMS, dump_yaml, is_override, known_keys, load_config, validate
from eyas.core.errors import ConfigError
from eyas.core.schema import (
    CNNConfig,
    Config,
    CustomConfig,
    DataConfig,
    EarlyStoppingConfig,
    ExportConfig,
    MLPConfig,
    PlateauConfig,
    ServeConfig,
    TrainConfig,
)
from eyas.core.schema.section import first_fault


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "my.yaml") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def refusal(overrides: list[str], file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(file, overrides)
    return str(caught.value)


def test_without_a_file_everything_is_the_default() -> None:
    assert load_config() == Config()


def test_the_working_directorys_file_is_read_where_no_other_is_named() -> None:
    written("train: {epochs: 3}", "eyas.yaml")
    assert load_config().train.epochs == 3
    assert load_config(written("train: {epochs: 4}")).train.epochs == 4
    assert load_config(written("# nothing yet\n")) == Config()


def test_overrides_win_over_the_file_and_the_last_over_the_first() -> None:
    file = written("train: {epochs: 3, batch_size: 8}")
    config = load_config(file, ["train.epochs=5", "train.epochs=6", "data.source=my=odd=folder"])
    assert (config.train.epochs, config.train.batch_size, config.data.source) == (6, 8, "my=odd=folder")


def test_values_are_read_as_yaml() -> None:
    config = load_config(None, ["data.image_size=[32, 48]", "train.early_stopping=null", "train.learning_rate=0.01"])
    assert config.data.image_size == (32, 48)
    assert config.train.early_stopping is None
    assert config.train.learning_rate == 0.01


def test_each_network_has_its_own_keys() -> None:
    assert isinstance(load_config(None, ["model=cnn"]).model, CNNConfig)
    assert load_config(None, ["model=cnn", "model.dropout=0.1"]).model == CNNConfig(dropout=0.1)
    assert load_config(written("model: mlp"), ["model.hidden=[8, 4]"]).model == MLPConfig(hidden=(8, 4))
    assert load_config(None, ["model=net.py:make"]).model == CustomConfig(name="net.py:make")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "unknown key train.epoch on the command line: did you mean train.epochs?"),
        ("trian.epochs=3", "unknown key trian on the command line: did you mean train?"),
        ("epochs=3", "unknown key epochs on the command line: did you mean train.epochs?"),
        ("lr=0.1", "unknown key lr on the command line: did you mean train.learning_rate?"),
        ("train.lr=0.1", "unknown key train.lr on the command line: did you mean train.learning_rate?"),
        ("imgsz=32", "unknown key imgsz on the command line: did you mean data.image_size?"),
        ("model.filters=[8]", "unknown key model.filters on the command line: it belongs to another network than mlp"),
        (
            "train.early_stopping.zzzz=1",
            "unknown key train.early_stopping.zzzz on the command line; known there: "
            "train.early_stopping.patience, train.early_stopping.min_delta",
        ),
        ("train.epochs=-3", "train.epochs must be greater than 0, got -3"),
        ("train.epochs=many", "train.epochs must be a valid integer, unable to parse string as an integer, got 'many'"),
        ("train.optimizer=lion", "train.optimizer must be 'adam', 'adamw', 'sgd', 'rmsprop' or 'muon', got 'lion'"),
        ("data.val_fraction=1", "data.val_fraction must be less than 1, got 1"),
        ("data.image_size=0", "data.image_size must be a positive number of pixels, or [height, width], got 0"),
        ("data.image_size=true", "data.image_size must be a positive number of pixels, or [height, width], got True"),
        (
            "model=vgg",
            "model.name must be mlp, cnn, resnet, wide_resnet, pretrained:BACKBONE, keras:model.keras, "
            "keras:path/to/file.py:function, or path/to/file.py:function, got 'vgg'",
        ),
        ("model={name: resnet, widths: []}", "model.widths must name the channels of at least one group, got []"),
        ("name=../up", "name must match pattern '^[A-Za-z0-9][A-Za-z0-9._-]*$', got '../up'"),
        ("train=fast", "train must be a section of key: value pairs, got 'fast'"),
        ("export.coverage=1.0", "export.coverage must be less than 1, got 1.0"),
        ("serve.port=99999", "serve.port must be less than or equal to 65535, got 99999"),
        (
            "serve.max_bodies_mb=1",
            "serve must have a max_bodies_mb of at least its max_body_mb=32, got {'max_bodies_mb': 1}",
        ),
        ("train.epochs", "an override must be key=value, got 'train.epochs'"),
        ("train.epochs=[1", "the value of train.epochs is not valid YAML: '[1'"),
    ],
)
def test_every_message_says_what_the_rule_is_and_what_it_got(override: str, message: str) -> None:
    assert refusal([override]) == message


def test_all_problems_are_told_at_once() -> None:
    assert refusal(["train.epochs=0", "serve.port=0"]).splitlines() == [
        "train.epochs must be greater than 0, got 0",
        "serve.port must be greater than or equal to 1, got 0",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "my.yaml must hold `key: value` pairs, got a list"),
        ("train: {epochs: ", "my.yaml is not valid YAML: "),
        ("train: {epoch: 3}", "unknown key train.epoch in my.yaml: did you mean train.epochs?"),
        ("data: !!python/object/apply:os.system ['true']", "my.yaml is not valid YAML: "),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(text: str, message: str) -> None:
    assert refusal([], written(text)).startswith(message)


def test_a_missing_or_binary_file_is_refused_by_name() -> None:
    said = refusal([], Path("none.yaml"))
    assert said.startswith("cannot read the configuration none.yaml: No such file or directory; recipes that ship: ")
    Path("my.yaml").write_bytes(b"\xff\xfe\x00")
    assert refusal([], Path("my.yaml")).startswith("my.yaml is not valid YAML: ")


def test_a_fault_in_a_file_of_ours_is_one_sentence_whatever_stands_there() -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"train": {"epochs": "x" * 10_000}})
    assert re.fullmatch(r"train\.epochs: Input should be .*, got 'x{199}", first_fault(caught.value))
    with pytest.raises(ValidationError) as caught:
        Config.model_validate([])
    assert first_fault(caught.value).startswith("it: ")


def test_a_configuration_is_frozen() -> None:
    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.train.epochs = 3  # type: ignore[misc]


def test_every_synonym_leads_to_a_known_key() -> None:
    assert set(SYNONYMS.values()) <= set(known_keys())


SECTIONS = (
    DataConfig,
    MLPConfig,
    CNNConfig,
    CustomConfig,
    TrainConfig,
    EarlyStoppingConfig,
    PlateauConfig,
    ExportConfig,
    ServeConfig,
)


def test_every_key_says_what_it_is() -> None:
    silent = [f"{s.__name__}.{key}" for s in SECTIONS for key, field in s.model_fields.items() if not field.description]
    assert silent == []


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("train.epochs=3", True),
        ("name=x", True),
        ("a=b/c", True),
        ("folder/x=1", False),
        ("plain", False),
        ("=3", False),
        ("a..b=1", False),
        ("./a=1", False),
    ],
)
def test_a_word_is_an_override_where_its_key_is_made_of_names(word: str, expected: bool) -> None:
    assert is_override(word) is expected


OVERRIDES = st.one_of(
    st.integers(1, 10**6).map("train.epochs={}".format),
    st.floats(1e-8, 1e3).map("train.learning_rate={!r}".format),
    st.floats(0, 0.99).map("data.val_fraction={!r}".format),
    st.sampled_from(["adam", "adamw", "sgd", "rmsprop"]).map("train.optimizer={}".format),
    st.lists(st.integers(1, 4096), max_size=4).map("model.hidden={}".format),
    st.one_of(st.integers(1, 512), st.lists(st.integers(1, 512), min_size=2, max_size=2)).map(
        "data.image_size={}".format
    ),
    st.sampled_from(["null", "{patience: 3}", "{min_delta: 0.5}"]).map("train.early_stopping={}".format),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).map("name='{}'".format),
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(OVERRIDES, max_size=8))
def test_what_is_saved_reads_back_equal(overrides: list[str]) -> None:
    config = load_config(None, overrides)
    file = written(dump_yaml(config), "saved.yaml")
    assert load_config(file) == config
    assert load_config(file, overrides) == config


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=30), st.sampled_from(sorted(known_keys()))), st.text(max_size=30))
@example("name", "2024-13-45")  # YAML takes it for a date
@example("name", "2024-01-02")
@example("data.source", "!!binary x")
@example("train", "{1: 2}")
@example("train", "{[1]: 2}")
@example("model", "[1]")
@example("model.name", "[1]")
@example("model.name", "{a: 1}")
@example("model", "null")
@example("data.image_size", "1_0:30")
@example("train.epochs", ".nan")
@example("train.learning_rate", ".inf")
@example("model.options", "{1: 2}")
@example("name", "\0")
def test_any_override_is_either_taken_or_a_config_error(key: str, value: str) -> None:
    with contextlib.suppress(ConfigError):
        assert load_config(None, [f"{key}={value}"])


@pytest.mark.parametrize(
    "model", [CNNConfig(l2=0.1), CustomConfig(name="a/b.py:f", options={"depth": [1, {"x": None}]})]
)
def test_every_network_reads_back_equal(model: CNNConfig | CustomConfig) -> None:
    config = Config(model=model)
    assert load_config(written(dump_yaml(config))) == config


def test_validate_names_where_the_values_came_from() -> None:
    with pytest.raises(ConfigError, match="unknown key nope in a request"):
        validate({"nope": 1}, "a request")
