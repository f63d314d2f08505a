"""Commands that train: the demo, a recipe, a run continued, a study; and the list of recipes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, Positional, arg

from reknow.cli.options import Json, check_folder, new_folder
from reknow.cli.printing import empty_defaults_named, notes, print_facts, scores
from reknow.errors import RecipeError, nearest

ATTENTION = "--network.trunk.attention"
TRUNK = "--network.trunk"
INIT_FROM_HELP = "Take network, preprocessing and weights of this recognizer or run (or 'shipped'), nothing else of it."


def demo(
    quick: Annotated[bool, arg(help="A smaller world and fewer epochs: under 90 seconds.")] = False,
    out: Annotated[Path | None, arg(help="The run's folder; by default a new one below runs/.")] = None,
    seed: Annotated[int, arg(help="Of the world and of training.")] = 0,
    json: Json = False,
) -> int:
    """Adapt the shipped recognizer to an unseen synthetic world without labels, measure it, group it, report it.

    Everything is rendered on the spot: no download, no data needed. Takes under 5 minutes on two cores.
    """
    from reknow.demo import run_demo

    result = run_demo(new_folder(out, "demo"), seed=seed, quick=quick)
    print_facts(result, json, lines=[*result["lines"], f"report: {result['report']}"])
    return 0


def train_by(arguments: list[str]) -> int:
    """Train with a recipe, a named set of settings; each of them is an option."""
    from reknow.methods.catalog import listing, recipe_named
    from reknow.methods.recipe import Recipe

    if any(argument.partition("=")[0] == "--resume" for argument in arguments):
        return _resume(arguments)
    if not arguments or arguments[0].startswith("-"):
        wants_help = not arguments or arguments[0] in ("-h", "--help")
        names = "\n".join(f"  {listed.recipe.name}" for listed in listing().recipes)
        text = (
            "usage: reknow train RECIPE --data FORMAT:PATH [--weights W] [--out FOLDER] [--FIELD VALUE ...]\n"
            "       reknow train --resume RUN [--data FORMAT:PATH]\n\n"
            f"recipes:\n{names}\n\n'reknow train RECIPE --help' lists every field of that recipe."
        )
        if wants_help:
            print(text)
            return 0
        raise RecipeError("reknow train", found=f"'{arguments[0]}' where a recipe's name belongs", remedy=text)
    preset, options_given = _with_attention(*_with_network(recipe_named(arguments[0]), arguments[1:]))
    # Made here and not at import: the recipe's own fields are options too, with this recipe's values as defaults.
    options_type = make_dataclass(
        "Options",
        [
            ("recipe", Annotated[Recipe, arg(name="")], field(default=preset)),
            ("out", Annotated[Path | None, arg(help="The run's folder; by default a new one below runs/.")], None),
            ("init_from", Annotated[Path | None, arg(help=INIT_FROM_HELP)], None),
            ("json", Json, False),
        ],
        frozen=True,
    )
    with empty_defaults_named():
        options: Any = tyro.cli(
            options_type,
            args=options_given,
            prog=f"reknow train {arguments[0]}",
            description=f"Train with the recipe '{arguments[0]}' (status: {preset.status}). "
            "Every option changes one setting of the recipe. "
            f"{ATTENTION} {'|'.join(_attentions())} puts another attention into a transformer's blocks, and its "
            "settings become options, too. "
            f"{TRUNK} RUN takes the network that a search of channels found. "
            "To continue a run where it stopped: reknow train --resume RUN",
            config=(AvoidSubcommands,),
        )
    recipe = options.recipe
    folder = new_folder(options.out, recipe.name.replace("/", "-"))
    if options.init_from is not None:
        from reknow.training.initialization import starting_from

        recipe = starting_from(recipe, options.init_from)
    return _carry_out(recipe, folder, resume=False, json=options.json)


def _with_network(recipe: Any, arguments: list[str]) -> tuple[Any, list[str]]:
    """The recipe with the trunk whose file, or whose run, :data:`TRUNK` names, and the other arguments.

    Its fields are options, so the file must be read before the options are made.

    Raises:
        RecipeError: a file that holds no found network, or a recipe whose network takes none.
    """
    from reknow.models.embedder import EmbedderConfig
    from reknow.models.found_network import read_network

    names, rest = _taken(TRUNK, arguments)
    for name in names:
        if not name:
            raise RecipeError(
                TRUNK,
                found="no name",
                expected="the file of a found network, or the run that found it",
                remedy="Name it, or leave the option out.",
            )
        if not isinstance(recipe.network, EmbedderConfig):
            raise RecipeError(
                TRUNK,
                found=f"a network of the kind {type(recipe.network).__name__.removesuffix('Config')}",
                expected="an embedder, which takes any trunk",
                remedy="Choose rib/dcs_dnb_retrain, or another recipe with such a network.",
            )
        recipe = replace(recipe, network=replace(recipe.network, trunk=read_network(Path(name))))
    return recipe, rest


def _taken(option: str, arguments: list[str]) -> tuple[list[str], list[str]]:
    """The values of an option, the empty text where it has none, and the other arguments.

    Example:
        >>> _taken("--a", ["--a", "1", "--b", "2", "--a=3"])
        (['1', '3'], ['--b', '2'])
    """
    names: list[str] = []
    rest: list[str] = []
    values = iter(arguments)
    for argument in values:
        given, equals, name = argument.partition("=")
        if given == option:
            names.append(name if equals else next(values, ""))
        else:
            rest.append(argument)
    return names, rest


def _attentions() -> Mapping[str, Any]:
    """What :data:`ATTENTION` may name: an attention with its default settings."""
    from reknow.models.attention import SoftmaxAttention
    from reknow.models.channel_selection import ChannelSelection

    return {"softmax": SoftmaxAttention(), "channel_selection": ChannelSelection()}


def _with_attention(recipe: Any, arguments: list[str]) -> tuple[Any, list[str]]:
    """The recipe with the attention that :data:`ATTENTION` names, and the other arguments.

    Which fields an attention has depends on its kind, so the kind must be known before the options are made.

    Raises:
        RecipeError: no such attention, or a trunk without any.
    """
    from reknow.models.transformer import TransformerConfig

    names, rest = _taken(ATTENTION, arguments)
    for name in names:
        if name not in _attentions():
            raise RecipeError(ATTENTION, found=f"'{name}'" if name else "no name", remedy=nearest(name, _attentions()))
        if not isinstance(recipe.network.trunk, TransformerConfig):
            raise RecipeError(
                ATTENTION,
                found=f"a trunk of the kind {type(recipe.network.trunk).__name__.removesuffix('Config')}",
                expected="a transformer",
                remedy="Choose a recipe with one; a block behind this trunk's stages is set in Python (docs: rib).",
            )
        trunk = replace(recipe.network.trunk, attention=_attentions()[name])
        recipe = replace(recipe, network=replace(recipe.network, trunk=trunk))
    return recipe, rest


def _resume(arguments: list[str]) -> int:
    """``train [RECIPE] --resume RUN``: the run's own recipe counts; only the place of its data may be others."""
    from reknow.training.run import Run

    def resume(
        resume: Annotated[Path, arg(help="The run's folder.")],
        data: Annotated[str | None, arg(help="Where the same data are now, where they moved, as FORMAT:PATH.")] = None,
        evaluation_data: Annotated[str | None, arg(help="Likewise, of the data set that the run is scored on.")] = None,
        json: Json = False,
    ) -> int:
        """Continue a run with everything it had: weights, optimizer, memories, random numbers."""
        recipe = Run.open(resume).recipe()
        moved = replace(recipe, data=data or recipe.data, evaluation_data=evaluation_data or recipe.evaluation_data)
        return _carry_out(moved, resume, resume=True, json=json)

    rest = arguments[1:] if not arguments[0].startswith("-") else arguments
    for option in rest:
        name = option.partition("=")[0]
        if name.startswith("--") and name not in ("--resume", "--data", "--evaluation-data", "--json", "--help"):
            raise RecipeError(
                f"reknow train --resume, option {name}",
                found="a run that is resumed keeps everything that it began with",
                expected="--data or --evaluation-data, where its data moved, or --json",
                remedy="Leave the option out; to change settings, start a new run with --init-from.",
            )
    return tyro.cli(resume, args=rest, prog="reknow train", config=(FlagCreatePairsOff,))


def _carry_out(recipe: Any, folder: Path, *, resume: bool, json: bool) -> int:
    from reknow.report.build import report_of
    from reknow.training.train import train

    try:
        outcome = train(recipe, folder, resume=resume)
    except KeyboardInterrupt:
        print(f"reknow: interrupted. Continue with: reknow train --resume {folder}", file=sys.stderr)
        return 130
    if not outcome.main_process:
        return 0
    report = report_of(outcome)
    summary = {**outcome.summary.as_json(), "run": str(folder), "report": str(report)}
    print_facts(summary, json, lines=[*scores(summary), f"run: {folder}", f"report: {report}"])
    return 0


def list_recipes(json: Json = False) -> int:
    """List every recipe with its data, length and status, those of other packages too."""
    from reknow.methods.catalog import listing

    known = listing()
    rows = [
        {
            "recipe": listed.recipe.name,
            "about": listed.about,
            "status": listed.recipe.status,
            "epochs": listed.recipe.epochs,
            "package": listed.package,
        }
        for listed in known.recipes
    ]
    facts = {"recipes": rows, "notes": [str(error) for error in known.refused]}
    width = max(len(row["recipe"]) for row in rows)
    lines = []
    for row in rows:
        whose = "" if row["package"] == "reknow" else f" (package {row['package']})"
        lines.append(f"{row['recipe']:<{width}}  {row['about']} [{row['status']}]{whose}")
    print_facts(facts, json, lines=[*lines, *notes(facts)])
    return 0


def study(
    name: Annotated[Positional[str | None], arg(help="Which study; without a name they are listed.")] = None,
    quick: Annotated[bool, arg(help="A small world and 1 to 3 epochs, to check that it runs.")] = False,
    seeds: Annotated[int, arg(help="Runs of each variant; each has its own world.")] = 3,
    data: Annotated[str | None, arg(help="Another data set than the study's world, as FORMAT:PATH.")] = None,
    out: Annotated[Path | None, arg(help="The study's folder; by default runs/study-NAME.")] = None,
    json: Json = False,
) -> int:
    """Carry out a study: a table and a plot of variants over seeds. The same command continues an interrupted one."""
    from reknow.data.formats import open_dataset
    from reknow.studies.carry_out import carry_out
    from reknow.studies.catalog import STUDIES, study_named
    from reknow.studies.folder import slug
    from reknow.studies.sizes import scale_here
    from reknow.studies.study import on_data

    scale = scale_here(quick)
    if name is None:
        questions = {known: function(scale).question for known, function in sorted(STUDIES.items())}
        width = max(len(known) for known in questions)
        lines = [f"{known:<{width}}  {question}" for known, question in questions.items()]
        print_facts({"studies": questions}, json, lines=lines)
        return 0
    chosen = study_named(name, scale) if data is None else on_data(study_named(name, scale), data)
    where = "" if data is None else f"-{slug(open_dataset(data).name)}"
    folder = out or Path("runs") / f"study-{name}{where}{'-quick' if quick else ''}"
    check_folder(folder)
    try:
        findings = carry_out(chosen, folder, seeds=seeds)
    except KeyboardInterrupt:
        print(f"reknow: interrupted. The same command with --out {folder} continues.", file=sys.stderr)
        return 130
    print_facts({**findings.as_json(), "folder": str(folder)}, json, lines=[findings.as_markdown(), f"study: {folder}"])
    return 0
