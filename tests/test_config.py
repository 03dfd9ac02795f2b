"""Settings: what they accept, what they refuse, and that every error names the remedy."""

from pathlib import Path
from typing import Any

import pytest

from inkread.config import PRESETS, NetworkConfig, TrainingConfig, configure, read_config
from inkread.errors import BadConfig

SETTINGS = {**NetworkConfig().to_dict(), **TrainingConfig().to_dict()}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("layers", "2", 2),
        ("layers", 2, 2),
        ("layers", 2.0, 2),
        ("dropout", "0.5", 0.5),
        ("dropout", 0, 0.0),
        ("bidirectional", "false", False),
        ("bidirectional", "True", True),
        ("bidirectional", True, True),
        ("bidirectional", "0", False),
        ("channels", "8,16,32", (8, 16, 32)),
        ("channels", [8, 16, 32], (8, 16, 32)),
        ("cell", "gru", "gru"),
    ],
)
def test_a_value_becomes_its_settings_own_type(name: str, value: Any, expected: Any) -> None:
    converted = getattr(NetworkConfig().replace({name: value}), name)
    assert converted == expected and type(converted) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("layers", "two", "whole number"),
        ("layers", 2.5, "whole number"),
        ("layers", True, "whole number"),
        ("layers", 0, "at least 1"),
        ("hidden", None, "whole number"),
        ("dropout", "much", "number"),
        ("dropout", 1.0, "from 0 up to 1"),
        ("dropout", float("nan"), "finite number"),
        ("dropout", True, "finite number"),
        ("dropout", False, "finite number"),
        ("clip", "inf", "finite number"),
        ("weight_decay", 10**400, "finite number"),
        ("bidirectional", "perhaps", "true or false"),
        ("channels", "8,16", "three or more"),
        ("channels", "8,x,9", "list of whole numbers"),
        ("channels", 8, "list of whole numbers"),
        ("channels", [8, 16.5, 9], "list of whole numbers"),
        ("channels", (8, 0, 9), "three or more"),
        ("height", 40, "multiple of 16"),
        ("step", 3, "must be 4"),
        ("cell", "gnu", "elman, gru, lstm"),
        ("cell", 3, "elman, gru, lstm"),
        ("activation", "sigmoid", "tanh, logistic, relu"),
        ("features", "deep", "conv, pixels, geometry"),
        ("batch", 0, "at least 1"),
        ("learning_rate", 0, "more than 0"),
        ("learning_rate", "nan", "finite number"),
        ("weight_decay", -0.1, "negative"),
        ("auxiliary", "nan", "finite number"),
        ("consistency", "nan", "finite number"),
        ("consistency", "-0.1", "not be negative"),
        ("warmup", 1, "from 0 up to 1"),
        ("clip", -1, "negative"),
        ("truncate", -1, "negative"),
        ("minutes", -1, "negative"),
        ("seed", -1, "from 0"),
        ("seed", 2**40, "from 0"),
        ("loss", "mse", "ctc, frames"),
    ],
)
def test_a_wrong_value_is_refused_with_the_remedy(name: str, value: Any, cure: str) -> None:
    with pytest.raises(BadConfig) as caught:
        configure(NetworkConfig(), TrainingConfig(), {name: value})
    message = str(caught.value)
    assert name in message and cure in message and "\n" not in message


def test_an_unknown_setting_is_refused_with_the_known_names() -> None:
    for change in (
        lambda: configure(NetworkConfig(), TrainingConfig(), {"hiden": 2}),
        lambda: NetworkConfig().replace({"hiden": 2}),
    ):
        with pytest.raises(BadConfig, match=r"^hiden: no such setting; there are .*hidden"):
            change()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shortcut", "auxiliary"),
        ("agreement", "consistency"),
        ("crossed", "spliced"),
        ("average", "ema"),
        ("blend", "interpolation"),
        ("checks", "evaluations"),
    ],
)
def test_the_old_name_of_a_setting_is_refused_with_the_new_one(old: str, new: str) -> None:
    with pytest.raises(BadConfig, match=rf"^{old}: this setting is now called {new}$"):
        configure(NetworkConfig(), TrainingConfig(), {old: 1})


def test_each_setting_goes_to_its_config() -> None:
    network, training = configure(NetworkConfig(), TrainingConfig(), {"hidden": "7", "batch": "3"})
    assert (network, training) == (NetworkConfig(hidden=7), TrainingConfig(batch=3))


def test_no_two_settings_share_a_name() -> None:
    assert len(SETTINGS) == len(NetworkConfig().to_dict()) + len(TrainingConfig().to_dict())


def test_a_config_comes_back_from_what_is_stored() -> None:
    for network, training in PRESETS.values():
        assert NetworkConfig().replace(network.to_dict()) == network
        assert TrainingConfig().replace(training.to_dict()) == training


def test_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('cell = "gru"\nchannels = [8, 16, 32]\nlearning_rate = 1e-3\nbidirectional = false\n')
    network, training = configure(NetworkConfig(), TrainingConfig(), read_config(path))
    assert network == NetworkConfig(cell="gru", channels=(8, 16, 32), bidirectional=False)
    assert training.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"cell = gru", "line 1"),
        (b"\xff\xfe", "utf-8"),
        (None, "check the path"),
        (b"layers = " + b"9" * 5000, "write lines"),
        (b"layers = " + b"[" * 5000, "write lines"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfig, match=told) as caught:
        read_config(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_byte_order_mark_is_not_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xef\xbb\xbflayers = 2\n")
    assert read_config(path) == {"layers": 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True])
@pytest.mark.parametrize("name", [name for name, value in TrainingConfig().to_dict().items() if type(value) is float])
def test_no_number_of_a_training_is_infinite_or_true(name: str, value: Any) -> None:
    with pytest.raises(BadConfig, match=f"^{name}=.*: must be a finite number"):
        TrainingConfig(**{name: value})


@pytest.mark.parametrize("name", ["height", "window", "step", "layers"])
def test_a_network_of_absurd_size_is_refused(name: str) -> None:
    with pytest.raises(BadConfig, match="must be at most 1000"):
        NetworkConfig(features="pixels").replace({name: 16000})
