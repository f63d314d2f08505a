"""The file of a found network: which channels a search chose, of which it could choose, and what a picture costs.

The file is YAML. Its comments are for readers; ``trunk`` is the shape, as recipes hold it
(:class:`~reknow.models.channel_search.FoundConfig`), so that a recipe can take it over and retrain the network.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from reknow.errors import RecipeError
from reknow.models.channel_search import FoundConfig
from reknow.values import from_plain, to_plain

FILE = "network.yaml"
"""Its name in the folder of the run that searched."""

VERSION = 1


def network_as_text(network: FoundConfig, size: tuple[int, int]) -> str:
    """The content of the file.

    Args:
        network: with its channels.
        size: height and width of the pictures that its operations are counted for.
    """
    units = zip(network.searched.items(), network.channels, strict=True)
    lines = [
        "A network that a search of channels found. To train it: reknow train rib/dcs_dnb_retrain --network.trunk FILE",
        *(f"  {name}: {chosen} channels, of {', '.join(map(str, unit.channels))}" for (name, unit), chosen in units),
        f"operations: of one picture of {size[0]} x {size[1]}; a multiplication and an addition are two",
    ]
    content = {
        "version": VERSION,
        "operations": int(network.operations(network.channels, size)),
        "picture": list(size),
        "trunk": to_plain(network),
    }
    return "".join(f"# {line}\n" for line in lines) + yaml.safe_dump(content, sort_keys=False)


def read_network(path: Path) -> FoundConfig:
    """The network in a file, or in the folder of the run that found it.

    Raises:
        RecipeError: no such file, or not what a search writes: the message names the field.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    restore = "Restore the file as the search wrote it, or search again."
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            file,
            found=f"cannot be read ({error.strerror or error})",
            expected="the file of a found network, or the folder of the run that found it",
            remedy="Check the path; a search writes the file at its end.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words = " ".join(str(error).split())
        raise RecipeError(file, found=f"not YAML ({words})", remedy=restore) from error
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise RecipeError(
            f"{file}, field 'version'",
            found="none, so no found network" if version is None else repr(version),
            expected=str(VERSION),
            remedy=restore if version is None else f"Install the version of reknow that wrote it. {restore}",
        )
    network = from_plain(content.get("trunk"), str(file))
    if not isinstance(network, FoundConfig) or not network.channels:
        raise RecipeError(
            f"{file}, field 'trunk'",
            found="no channels" if isinstance(network, FoundConfig) else f"a {type(network).__name__}",
            expected="a FoundConfig with the channels of each unit",
            remedy=restore,
        )
    return network
