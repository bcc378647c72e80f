"""Settings as ``train`` takes them in Python: by name, in a mapping, as a ``TrainConfig``."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import inception
from inception.errors import InputError
from inception.models import MODELS
from inception.training.config import TrainConfig
from inception.training.given import Settings, configured, read_settings
from inception.training.recipes import recipe


def test_an_editor_knows_every_setting_with_its_type() -> None:
    assert get_type_hints(Settings) == get_type_hints(TrainConfig)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (None, {"epochs": 3, "lr": 0.1}),
        ({"epochs": 3, "lr": 0.1}, {}),
        ({"epochs": 4}, {"epochs": 3, "lr": 0.1}),
        (TrainConfig(epochs=3), {"lr": 0.1}),
        ({"config": {"epochs": 3}, "machine": {}, "classes": []}, {"lr": 0.1}),
        (TrainConfig(epochs=3, lr=0.1), {}),
    ],
)
def test_ways_to_say_the_same(config: Any, named: dict[str, Any]) -> None:
    assert configured(config, named) == TrainConfig(epochs=3, lr=0.1)


def test_a_recipe_is_where_settings_begin() -> None:
    wanted = TrainConfig(**{**recipe("small-data").to_json(), "epochs": 2})
    assert configured({"recipe": "small-data", "epochs": 2}, {}) == wanted
    assert configured({"recipe": "small-data"}, {"epochs": 2}) == wanted
    assert configured(wanted, {}) == wanted
    assert configured(recipe("small-data").to_json(), {"epochs": 2}) == wanted  # through JSON


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("imagesize", "image_size"), ("imgsize", "image_size"), ("imgsz", "image_size"),
     ("epoch", "epochs"), ("batchsize", "batch_size"), ("label_smooth", "label_smoothing")],
)  # fmt: skip
def test_a_wrong_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    wrong: dict[str, Any] = {name: 3}
    for act in (
        lambda: TrainConfig(**wrong),
        lambda: inception.train("pets", **wrong),
        lambda: inception.train("pets", wrong),  # type: ignore[arg-type]
    ):
        with pytest.raises(
            InputError, match=f"no setting named '{name}'; did you mean '{nearest}'"
        ):
            act()


@pytest.mark.parametrize("value", ["3", 0, True, None, [3]])
def test_a_value_that_is_none_is_told(colours: Path, value: Any) -> None:
    with pytest.raises(InputError, match=r"epochs (takes|must be)"):
        inception.train(colours, epochs=value)


@pytest.mark.parametrize("config", [3, "epochs=3", ["epochs", 3]])
def test_what_is_no_settings_is_told(config: Any) -> None:
    with pytest.raises(InputError, match="settings are a TrainConfig or a mapping by names; got a"):
        inception.train("pets", config)


def test_settings_are_copied_and_pickled() -> None:
    config = TrainConfig(epochs=3)
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config


def test_a_resumed_run_takes_the_machine_s_settings_alone(tmp_path: Path) -> None:
    config = '{"config": {}, "data": {"place": "x", "train": "y"}, "model": %s}'
    spec = json.dumps(MODELS["lenet5"].to_json())
    (tmp_path / "config.json").write_text(config % spec, "utf-8")
    with pytest.raises(InputError, match="no setting of a machine named 'epochs'"):
        inception.train(None, resume=tmp_path, epochs=3)
    with pytest.raises(InputError, match=r"the pictures of .* are no more"):
        inception.train(None, resume=tmp_path, threads=1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"epochs": 3, "lr": 0.001, "area": [0.5, 1], "optimiser": "adamw"}'),
        ("a.json", '{"config": {"epochs": 3, "lr": 1e-3, "area": [0.5, 1], "optimiser": "adamw"}}'),
        ("a.toml", 'epochs = 3\nlr = 1e-3\narea = [0.5, 1]\noptimiser = "adamw"\n'),
        ("a.yaml", "epochs: 3\nlr: 1e-3\narea: [0.5, 1]\noptimiser: adamw  # 1e-3 is text there\n"),
        ("a.YML", "{epochs: 3, lr: 0.001, area: '0.5,1', optimiser: adamw}"),
        ("run/config.json", '{"config": {"epochs": 3, "lr": 0.001, "optimiser": "adamw"}, '
         '"machine": {"threads": null}, "area": [2, 3]}'),
    ],
)  # fmt: skip
def test_settings_are_read_from_files(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    given = configured(read_settings(path), {"epochs": 4})
    area = None if "run/" in name else (0.5, 1.0)
    assert given == TrainConfig(epochs=4, lr=0.001, area=area, optimiser="adamw")
    if "run/" in name:
        assert read_settings(path.parent) == read_settings(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "not the form its name ends in"),
        ("a.json", "[" * 100_000, "not the form its name ends in"),
        ("a.toml", "epochs: 3", "not the form its name ends in"),
        ("a.yaml", "a: [", "not the form its name ends in"),
        ("a.yaml", "!!python/object/apply:os.system [true]", "not the form its name ends in"),
        ("a.json", "[3]", "no settings by names"),
        ("a.yaml", "3: 4", "no setting named '3'"),
        ("a.json", '{"epoch": 3}', "no setting named 'epoch'; did you mean 'epochs'"),
        ("a.json", '{"lr": "fast"}', "lr takes a number; got 'fast'"),
        ("gone.json", None, "gone.json"),
    ],
)
def test_a_file_without_settings_is_told(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        configured(read_settings(tmp_path / name), {})


def test_epochs_given_by_name_take_the_place_of_steps() -> None:
    assert configured(TrainConfig(steps=5), {"epochs": 2}) == TrainConfig(epochs=2)
    assert configured({"steps": 5}, {"lr": 0.1}) == TrainConfig(steps=5, lr=0.1)
    with pytest.raises(InputError, match="either epochs or steps"):
        configured(None, {"epochs": 2, "steps": 5})
