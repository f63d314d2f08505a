"""The network of a recipe, with the weights that the recipe starts from.

``shipped`` and folders are recognizers, whole; a file holds a trunk of whatever origin (:mod:`reknow.models.weights`).
Whatever else the network says is fillable gets what came with them, and the report names what stays as it was built.
A recipe may follow its weights: then a file brings the shape of its network and the normalization of its pictures, and
the recipe keeps the size of the pictures and what it has put into the trunk: another attention, modules, stems. That is
how `reknow train tcmm --weights osnet_x0_25_msmt17.pth` adapts a network that the recipe did not think of.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from reknow.errors import RecipeError, WeightsError
from reknow.methods.recipe import Recipe
from reknow.models.inverted_residuals import MobileNetV2Config
from reknow.models.network import Network, TrunkConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import (
    FileOptions,
    ModuleTensors,
    PretrainedWeights,
    Source,
    fill_network,
    options_of,
    read_weights,
    resolve,
)
from reknow.recognizer import SHIPPED, Recognizer, load


@dataclass(frozen=True)
class Initialized:
    """A network before its first step.

    Attributes:
        recipe: with the network that the run has, where the recipe follows its weights.
        network: filled.
        report: what was loaded, resized, ignored and left random; kept in the recognizer's card.
    """

    recipe: Recipe
    network: Network
    report: tuple[str, ...]


def initialized(recipe: Recipe) -> Initialized:
    """The recipe's network with the weights that it starts from.

    Raises:
        RecipeError: no weights named, or they belong to a recognizer of another shape; or pictures of another size than
            the network takes.
        WeightsError: a file that does not hold this network's trunk, or none of a known origin.
    """
    initial = _initialized(recipe)
    _refuse_other_size(initial.recipe)
    return initial


def _refuse_other_size(recipe: Recipe) -> None:
    taken, given = getattr(recipe.network.trunk, "image_size", None), recipe.preprocessing.size
    if taken is not None and taken != given:
        raise RecipeError(
            "preprocessing.size",
            found=f"{given}, for a network that takes pictures of {taken}",
            expected="one size, (height, width)",
            remedy=f"--network.trunk.image-size {given[0]} {given[1]} or --preprocessing.size {taken[0]} {taken[1]}",
        )


def _initialized(recipe: Recipe) -> Initialized:
    if recipe.weights == "random":
        return Initialized(recipe, recipe.network.build(), ("weights: random",))
    if not recipe.weights:
        raise RecipeError(
            f"recipe '{recipe.name}', field 'weights'",
            found="empty",
            expected="a file of pretrained weights, since clustering random features goes nowhere",
            remedy="Name it with --weights FILE (docs: weights), or --weights random.",
        )
    if recipe.weights != "shipped" and (file := resolve(recipe.weights)) is not None:
        return _from_file(recipe, file)
    return _from_recognizer(recipe)


def starting_from(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with network, preprocessing and weights of a recognizer: what ``--init-from`` means."""
    source = load(SHIPPED if str(folder) == "shipped" else folder, device="cpu")
    return replace(recipe, network=source.config, preprocessing=source.preprocessing, weights=str(folder))


def following(recipe: Recipe, pretrained: PretrainedWeights) -> Recipe:
    """The recipe with the network of the weights, at the recipe's own picture size."""
    trunk = pretrained.trunk
    if isinstance(trunk, TransformerConfig):
        # A camera table is of the file's own cameras, and a file does not tell its stochastic depth.
        trunk = replace(trunk, image_size=recipe.preprocessing.size, cameras=0)
    elif isinstance(trunk, ResNetConfig | MobileNetV2Config):
        trunk = type(trunk)()  # re-identification trains at the finer stride (bag of tricks), on any weights
    trunk = _with_what_is_put_into(recipe.network.trunk, trunk, pretrained)
    network = recipe.network.around(trunk, pretrained.feature)
    preprocessing = replace(recipe.preprocessing, mean=pretrained.mean, std=pretrained.std)
    return replace(recipe, network=network, preprocessing=preprocessing)


def _with_what_is_put_into(own: TrunkConfig, trunk: TrunkConfig, pretrained: PretrainedWeights) -> TrunkConfig:
    """A file's trunk with all that a recipe's own differs by from the plain one of its shape."""
    plain = own.plain()
    put_in = {each.name: getattr(own, each.name) for each in fields(own)}
    put_in = {name: value for name, value in put_in.items() if value != getattr(plain, name)}
    if put_in and type(own) is not type(trunk):
        raise RecipeError(
            f"network.trunk.{next(iter(put_in))}",
            found=f"{next(iter(put_in.values()))}, on weights of {pretrained.origin}",
            expected=f"weights of a {type(own).__name__.removesuffix('Config')}, for which the recipe has it",
            remedy="Choose other weights, or leave it out.",
        )
    return replace(trunk, **put_in)


def _from_file(recipe: Recipe, source: Source) -> Initialized:
    trunk = recipe.network.trunk
    # A recipe that follows its weights has no network to say what they do not tell, but it has pictures.
    pretrained = read_weights(
        source, FileOptions(size=recipe.preprocessing.size) if recipe.follow_weights else options_of(trunk)
    )
    if recipe.follow_weights:
        recipe = following(recipe, pretrained)
    network = recipe.network.build()
    try:
        loaded = fill_network(network, pretrained)
    except WeightsError as error:
        if recipe.follow_weights:
            raise
        raise WeightsError(
            error.where,
            found=error.found,
            expected=error.expected,
            remedy=f"{error.remedy} With --follow-weights the run takes the network of the file.",
        ) from error
    return Initialized(recipe, network, (*loaded.sentences(), *_differences(pretrained, recipe.network.trunk)))


def _differences(pretrained: PretrainedWeights, trunk: object) -> list[str]:
    """Where the run's trunk has another stride than the file's."""
    file = pretrained.trunk
    if isinstance(file, TransformerConfig) and isinstance(trunk, TransformerConfig) and file.stride != trunk.stride:
        return [f"the file is of stride {file.stride}, the run's network of stride {trunk.stride}"]
    strided = getattr(file, "last_stride", None), getattr(trunk, "last_stride", None)
    if strided == (2, 1):
        return ["the file's last stage is of stride 2, the run's of stride 1, as re-identification trains it"]
    return []


def _from_recognizer(recipe: Recipe) -> Initialized:
    if recipe.weights != "shipped" and not Path(recipe.weights).exists():
        raise WeightsError(
            recipe.weights,
            found="no such file or folder",
            expected="a file of weights, a recognizer's folder or a run",
            remedy="Check the path; a bare file name is also searched in the folder that REKNOW_WEIGHTS names.",
        )
    source = load(SHIPPED if recipe.weights == "shipped" else recipe.weights, device="cpu")
    if source.config != recipe.network:
        return _from_its_parts(recipe, source)
    network = recipe.network.build()
    network.load_state_dict(source.network.state_dict())
    return Initialized(recipe, network, (f"weights: the recognizer '{source.card.name}', whole",))


def _from_its_parts(recipe: Recipe, source: Recognizer) -> Initialized:
    """A network of another kind, or with something put into its trunk, from the parts of a recognizer."""
    wanted, own = recipe.network.trunk, source.config.trunk
    fitted = own
    if isinstance(own, TransformerConfig) and isinstance(wanted, TransformerConfig):
        # The size of the pictures may differ (the position table is resized), and a camera table is of its own cameras.
        fitted = replace(own, image_size=wanted.image_size, cameras=wanted.cameras, drop_path=wanted.drop_path)
    one_shape = wanted.plain() == fitted.plain()
    if type(source.config) is not type(recipe.network):
        if not one_shape:
            raise RecipeError(
                f"recipe '{recipe.name}', field 'weights'",
                found=f"'{recipe.weights}' holds a trunk of another shape ({own})",
                expected=str(wanted),
                remedy="Set the fields of network.trunk to those of the weights, or choose other weights.",
            )
    elif not one_shape or replace(source.config, trunk=wanted) != recipe.network:  # type: ignore[type-var]  # dataclass
        raise RecipeError(
            f"recipe '{recipe.name}', field 'weights'",
            found=f"'{recipe.weights}' holds a network of another shape ({source.config})",
            expected=str(recipe.network),
            remedy="Start from that network's shape with --init-from, or choose other weights.",
        )
    network = recipe.network.build()
    loaded = fill_network(network, *_given_by(source, wanted, recipe.weights))
    report = loaded.sentences()
    if isinstance(own, TransformerConfig) and wanted.image_size != own.image_size:
        report.append(f"its position table was resized from {own.image_size} to {wanted.image_size} pixels")
    return Initialized(recipe, network, tuple(report))


def _given_by(source: Recognizer, wanted: TrunkConfig, name: str) -> tuple[PretrainedWeights, ModuleTensors]:
    """A recognizer's trunk as a file of weights, for the pictures that are wanted; and its other parts."""
    network, trunk = source.network, source.network.trunk
    if isinstance(wanted, TransformerConfig):
        trunk = trunk.resized(wanted.image_size)
    state = trunk.state_dict()
    state.pop("sie_embed", None)
    pretrained = PretrainedWeights(
        origin=f"the trunk of the recognizer '{source.card.name}'",
        path=Path(name),
        trunk=trunk.config,
        feature="cls",
        compared="behind",
        mean=source.preprocessing.mean,
        std=source.preprocessing.std,
        state=state,
        neck={},
        beside={},
        ignored=(),
        size=source.preprocessing.size,
        cameras=(),
        notes=(),
    )
    parts = {part: module.state_dict() for part, module in network.fillable().items() if part != "trunk"}
    return pretrained, parts
