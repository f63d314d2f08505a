"""The file of a found network: there and back, by file or folder, and what is said of one that was edited."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reknow.errors import RecipeError
from reknow.models.channel_search import FoundConfig, SupernetConfig, Unit
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.found_network import network_as_text, read_network

SPACE = SupernetConfig(
    first=8,
    last=16,
    units=(Unit(blocks=1, most=12, options=3, step=4), Unit(blocks=1, most=16, options=2, step=8)),
    after=(("stage3", ChannelSelectionBlock(bias=1.0)),),
)
NETWORK = SPACE.with_channels((8, 16))
TEXT = network_as_text(NETWORK, (64, 32))


def test_what_is_written_is_read_from_the_file_and_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text(TEXT)
    assert read_network(tmp_path / "network.yaml") == read_network(tmp_path) == NETWORK
    assert yaml.safe_load(TEXT)["operations"] == NETWORK.operations((8, 16), (64, 32))


def test_a_reader_sees_what_was_chosen_of_what() -> None:
    assert "#   stage2: 8 channels, of 12, 8, 4\n" in TEXT and "#   stage3: 16 channels, of 16, 8\n" in TEXT
    assert "of one picture of 64 x 32" in TEXT


def edited(**changes: object) -> str:
    content = yaml.safe_load(TEXT)
    trunk = content["trunk"]
    for name, value in changes.items():
        (content if name in content else trunk)[name] = value
    return yaml.safe_dump(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (edited(channels=[10, 16]), r"channels: 10 for stage2; expected one of 12, 8, 4\. Restore what the se"),
        (edited(channels=[8]), r"channels: 1 numbers for 2 units; expected one for each of stage2, stage3"),
        (edited(channels=[]), r"field 'trunk': no channels; expected a FoundConfig"),
        (edited(channels="many"), r"field 'channels': 'many'; expected values, each a whole number"),
        (edited(units=[]), r"channels: 2 numbers for 0 units"),
        (edited(version=2), r"field 'version': 2; expected 1\. Install the version of reknow that wrote it"),
        (edited(widths=[8, 16]), r"field 'widths': not a field of FoundConfig\. Did you mean"),
        (edited(trunk={"type": "reknow.models.resnet.ResNetConfig"}), r"field 'trunk': a ResNetConfig; expected"),
        (edited(trunk={"type": "os.system"}), r"field 'type'.*package 'os'"),
        (edited(trunk=3), r"field 'trunk': a int; expected"),
        ("just words", r"field 'version': none, so no found network; expected 1\. Restore the file"),
        ("channels: [8, 16", r"network\.yaml: not YAML \("),
        ("\x00", r"network\.yaml: not YAML \("),
    ],
)  # fmt: skip
def test_an_edited_file_is_refused_by_its_field(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text(text)
    with pytest.raises(RecipeError, match=said) as caught:
        read_network(tmp_path)
    assert str(tmp_path / "network.yaml") in caught.value.where


def test_bytes_that_are_no_text_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not YAML"):
        read_network(tmp_path)
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: cannot be read \(No such file"):
        read_network(tmp_path / "nowhere.yaml")
    assert isinstance(read_network_of(tmp_path), FoundConfig)


def read_network_of(folder: Path) -> FoundConfig:
    (folder / "mine.yaml").write_text(TEXT)
    return read_network(folder / "mine.yaml")
