"""The documentation, kept true: links, pages, examples, and figures.

Each page is carried out from top to bottom in a small folder of its own, as a reader would do it. A fenced block
whose ``title`` names a file is written to it, ``reknow`` commands run through the command line, and Python blocks run
in one namespace per page. Only training, studies, the demo and captioners are stood in for: their options are parsed,
their data opened, their weights checked, and a run folder is left behind for the commands that follow.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.io import savemat

from reknow import cli
from reknow.captioning import Captioner, Shown
from reknow.data.captions import Caption
from reknow.data.columns import SCHEMA
from reknow.data.doctor.findings import Kind
from reknow.data.formats import formats, open_dataset
from reknow.data.formats.published import Count
from reknow.evaluation.protocols import PROTOCOLS
from reknow.explain.run import recognizer_at_start
from reknow.methods.catalog import recipes
from reknow.methods.recipe import Recipe
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.recognizer import SHIPPED
from reknow.studies.catalog import STUDIES
from reknow.studies.findings import Findings
from reknow.studies.study import Study, seeded
from reknow.training.initialization import initialized
from reknow.training.records import EpochLine, Summary
from reknow.training.run import Run

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]

# Other programs that a reader is told to run; anything else at the start of a line is a misspelling.
OTHER_PROGRAMS = {"pip", "git", "cd", "bash", "pytest", "lint-imports", "mkdocs", "ruff", "pyright"}
SHELLS = {"bash", "console", "sh", ""}  # a block without a language is one, too: the README has such


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def everything(*pages: Path) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages or PAGES)


# --- What a page holds ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    title: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """One ``reknow`` command of a shell block."""

    arguments: list[str]
    exit_code: int


def blocks_of(text: str) -> list[Block]:
    found, lines, start = [], text.splitlines(), None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        language, _, rest = lines[start][3:].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        found.append(Block(language, title[1] if title else "", "\n".join(lines[start + 1 : number]), start + 1))
        start = None
    assert start is None, f"the fence of line {(start or 0) + 1} is never closed"
    return found


def prose_of(text: str) -> str:
    """The page without its fenced blocks and inline code, where brackets and numbers mean something else."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands_of(block: Block) -> Iterator[Command]:
    for line in block.text.replace("\\\n", " ").splitlines():
        if block.language == "console" and not re.match(r"\$ |reknow |uv run reknow ", line):
            continue  # what the command before it printed
        expected = re.search(r"# exit code (\d+)$", line)
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            arguments = reknow_arguments(words[:end])
            if arguments is not None:
                yield Command(arguments, int(expected[1]) if expected else 0)
            words = words[end + 1 :]


def reknow_arguments(words: list[str]) -> list[str] | None:
    """What follows ``reknow``, however it is started; None for another program, whose file must exist."""
    if words[:2] == ["uv", "run"]:
        words = words[2:]
    if words[:1] == ["torchrun"]:
        module = words.index("-m")
        assert words[module + 1] == "reknow.cli", words
        return words[module + 2 :]
    if words[0] == "reknow":
        return words[1:]
    if words[0] == "python":
        assert (ROOT / words[1]).is_file(), f"no file {words[1]}"
    else:
        assert words[0] in OTHER_PROGRAMS, f"unknown program: {' '.join(words)}"
    return None


# --- A folder with everything that the pages speak of -----------------------------------------------------------------


class Painter:
    """Pictures that all differ, so that the doctor finds no duplicates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = np.random.default_rng(0)

    def picture(self, name: str, height: int = 64, width: int = 32) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)

    def market_layout(self, folder: str, *names: str) -> None:
        """Individuals 1 and 2 in training, 3 and 4 in query and gallery, each seen by two cameras."""
        first, second = names or ("c1s1_000001_00.jpg", "c2s1_000001_00.jpg")
        for split, people in (("bounding_box_train", (1, 2)), ("query", (3, 4)), ("bounding_box_test", (3, 4))):
            shots = {"bounding_box_train": (first, second), "query": (first,), "bounding_box_test": (second,)}[split]
            for person in people:
                for shot in shots:
                    self.picture(f"{folder}/{split}/{person:04d}_{shot}")


def market_like(painter: Painter) -> None:
    painter.market_layout("data/Market-1501-v15.09.15")
    painter.market_layout("data/PersonX", "c3s1_001.jpg", "c12s1_002.jpg")
    for folder in ("DukeMTMC-reID", "Occluded_Duke"):
        painter.market_layout(f"data/{folder}", "c2_f0046985.jpg", "c5_f0046985.jpg")
    for folder in ("detected", "labeled"):
        painter.market_layout(f"data/cuhk03-np/{folder}", "c1_1.png", "c2_6.png")


def msmt17(painter: Painter) -> None:
    for root, train, test in (("MSMT17_V1", "train", "test"), ("MSMT17_V2", "mask_train_v2", "mask_test_v2")):
        lists: dict[str, list[str]] = {"train": [], "val": [], "query": [], "gallery": []}
        for name, camera in (("train", 1), ("val", 2), ("query", 1), ("gallery", 2)):
            for person in (0, 1):
                path = f"{person:04d}/{person:04d}_{camera:03d}_{camera:02d}_0303morning_0006_2.jpg"
                painter.picture(f"data/{root}/{train if name in ('train', 'val') else test}/{path}")
                lists[name].append(f"{path} {person}")
        for name, lines in lists.items():
            (painter.folder / f"data/{root}/list_{name}.txt").write_text("\n".join(lines) + "\n")


def several_spectra(painter: Painter) -> None:
    for folder, people in (("train_171", (1, 2)), ("test", (3, 4))):
        for person in people:
            for camera in (1, 2):
                for spectrum in ("RGB", "NI", "TI"):
                    painter.picture(f"data/RGBNT201/{folder}/{spectrum}/{person:06d}_cam{camera}_0_00.jpg")
    for folder, people in (("bounding_box_train", (1, 2)), ("query3", (3, 4)), ("bounding_box_test", (3, 4))):
        for person in people:
            for shot in ("s001_v0_000", "s002_v1_001"):
                for spectrum in ("vis", "ni", "th"):
                    painter.picture(f"data/MSVR310/{folder}/{person:04d}/{spectrum}/{person:04d}_{shot}.jpg", 32, 64)
    for split, person, camera in (("train", 1, 1), ("train", 1, 2), ("query", 2, 1), ("gallery", 2, 2)):
        for spectrum in ("RGB", "NI", "TI"):
            painter.picture(f"data/Market1501-MM/{split}/{spectrum}/{person:04d}_c{camera}s1_000001_00.jpg")
    for root, panels in (("RGBNT100/rgbir", 3), ("RGBN300", 2)):
        for folder, person in (("bounding_box_train", 1), ("query", 2), ("bounding_box_test", 2)):
            painter.picture(f"data/{root}/{folder}/{person:04d}_c0001_000.jpg", 32, panels * 64)


def two_spectra(painter: Painter) -> None:
    """Visible and infrared pictures without pairs."""
    for spectrum, person, camera in itertools.product(("rgb", "nir"), ("0815", "0816", "0817"), (1, 2)):
        painter.picture(f"day_and_night/{spectrum}/{person}/cam{camera}.jpg")
    folder = painter.folder / "data"
    for person, camera in itertools.product((1, 2, 3), range(1, 7)):
        for shot in (1, 2):
            painter.picture(f"data/SYSU-MM01/cam{camera}/{person:04d}/{shot:04d}.jpg")
    (folder / "SYSU-MM01/exp").mkdir()
    for name, people in (("train_id", "1"), ("val_id", "1"), ("test_id", "2,3")):
        (folder / f"SYSU-MM01/exp/{name}.txt").write_text(f"{people}\n")
    cells = np.empty(6, dtype=object)
    for camera in range(6):
        cells[camera] = np.empty(3, dtype=object)
        cells[camera][:] = [np.tile([2, 1], (10, 1))] * 3
    savemat(folder / "SYSU-MM01/exp/rand_perm_cam.mat", {"rand_perm_cam": cells})
    (folder / "RegDB/idx").mkdir(parents=True)
    for split, camera, (half, person) in itertools.product(
        (1, 2), ("Visible", "Thermal"), (("train", 1), ("train", 2), ("test", 3), ("test", 4))
    ):
        name = f"{camera}/{split}/{person}.bmp"
        painter.picture(f"data/RegDB/{name}")
        with (folder / f"RegDB/idx/{half}_{camera.lower()}_{split}.txt").open("a") as lines:
            lines.write(f"{name} {person % 2}\n")
    (folder / "LLCM/idx").mkdir(parents=True)
    (folder / "LLCM/idx/test_id.txt").write_text("4\n")
    for spectrum, camera in itertools.product(("vis", "nir"), (1, 2)):
        name = f"{spectrum}/0001/0001_c{camera:02d}_s1_f1_{spectrum}.jpg"
        painter.picture(f"data/LLCM/{name}")
        painter.picture(f"data/LLCM/test_{spectrum}/cam{camera}/0004/0004_c{camera:02d}_s1_f1_{spectrum}.jpg")
        with (folder / f"LLCM/idx/train_{spectrum}.txt").open("a") as lines:
            lines.write(f"{name} 0\n")


def omniglot(painter: Painter) -> None:
    folder = painter.folder / "data/omniglot"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "images_background_small1.zip", "w") as archive:
        for alphabet in ("Greek", "Korean"):
            for character in (1, 2):
                for drawer in (1, 2, 6, 7):
                    stream = BytesIO()
                    strokes = painter.random.integers(0, 2, (105, 105), dtype=np.uint8) * 255
                    Image.fromarray(strokes).convert("1").save(stream, "png")
                    name = f"images_background_small1/{alphabet}/character{character:02d}/0001_{drawer:02d}.png"
                    archive.writestr(name, stream.getvalue())


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stock")
    painter = Painter(folder)
    for person in range(1, 7):
        for camera in (1, 2):
            for shot in range(3):
                painter.picture(f"crops/{person:04d}_c{camera}_{shot:03d}.jpg")
    shutil.copytree(folder / "crops", folder / "moved/crops")
    painter.picture("crops/a.jpg")
    painter.picture("crops/b.jpg")
    for bicycle in ("0815", "0816", "0817"):
        for view in ("left", "right", "front", "back"):
            painter.picture(f"bicycles/{bicycle}/{view}.jpg", 48, 64)
    for person in ("1", "2"):
        for shot in range(3):
            painter.picture(f"labelled/{person}/{shot}.jpg")
    for split, person in (("train", "a"), ("query", "b"), ("gallery", "b")):
        painter.picture(f"sorted/{split}/{person}/0.jpg")
    for split in ("train", "test"):
        for product in ("juice", "milk", "oats"):
            for shot in range(2):
                painter.picture(f"shop/{split}/{product}/{shot}.jpg")
    painter.picture("damaged/whole.jpg")
    (folder / "damaged/broken.jpg").write_text("not a picture")
    market_like(painter)
    msmt17(painter)
    omniglot(painter)
    several_spectra(painter)
    two_spectra(painter)
    return folder


@pytest.fixture(scope="session")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What torchvision's file holds, with random numbers in it."""
    from torchvision.models import resnet50

    path = tmp_path_factory.mktemp("imagenet") / "resnet50-imagenet.pth"
    torch.save(resnet50(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def osnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What torchreid's file holds, with random numbers in it."""
    path = tmp_path_factory.mktemp("osnet") / "osnet_x0_25_msmt17.pth"
    classifier = {"classifier.weight": torch.zeros(1041, 512), "classifier.bias": torch.zeros(1041)}
    torch.save(OSNetConfig(width=0.25).build().state_dict() | classifier, path)
    return path


@pytest.fixture(scope="session")
def checked() -> set[str]:
    """Weights that were tried on a network already: to build a ResNet-50 takes half a second."""
    return set()


@pytest.fixture
def workplace(
    stock: Path, few_groceries: Path, checked: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the stock as the current folder, with stand-ins for what takes minutes."""
    folder = tmp_path / "workplace"
    shutil.copytree(stock, folder)
    (folder / "examples").mkdir()
    for example in ("momentum_contrast", "omniglot"):
        (folder / "examples" / example).symlink_to(ROOT / "examples" / example)
    (folder / "examples/groceries").symlink_to(few_groceries)
    monkeypatch.chdir(folder)

    def train(recipe: Recipe, folder: Path, *, resume: bool = False, display: object = None) -> Any:
        open_dataset(recipe.data)
        start = f"{recipe.weights} {recipe.network}"
        if recipe.weights not in ("shipped", "random") and start not in checked:
            initialized(recipe)  # are these weights for this network?
            checked.add(start)
        run = Run.open(folder) if resume else Run.create(folder, recipe)
        if recipe.weights != "shipped" or isinstance(recipe.network, EmbedderConfig):
            shutil.copytree(SHIPPED, folder / "recognizer", dirs_exist_ok=True)
        elif not resume:  # a network of several spectra, which the shipped recognizer is not
            recognizer_at_start(recipe).save(folder / "recognizer")
        summary = Summary(
            recipe=recipe.name,
            method="Method",
            dataset=recipe.data,
            seed=recipe.seed,
            scores=None,
            score_size=recipe.preprocessing.size,
            seconds=1.0,
            images_per_second=1.0,
            peak_memory_gb=1.0,
        )
        run.summarize(summary)
        run.log(EpochLine(0, {"clusters": 2}))
        return SimpleNamespace(run=run, summary=summary, main_process=True)

    def run_demo(folder: Path, *, seed: int = 0, quick: bool = False) -> dict[str, Any]:
        return {"lines": [], "report": str(folder / "report.html")}

    def carry_out(study: Study, folder: Path, *, seeds: int, display: object = None) -> Findings:
        for variant in study.variants:
            open_dataset(seeded(variant.of(study.base), seeds).data)
        return Findings(
            study=study.name,
            question=study.question,
            columns=study.columns,
            scale=study.scale,
            seeds=tuple(range(1, seeds + 1)),
            base={},
            rows=(),
            measurements={},
            about={},
            machines=(),
        )

    class Same(Captioner):
        """Says the same of every picture, in place of networks that nobody downloads for a test."""

        name, batch, settings = "same", 64, MappingProxyType({})

        def __init__(self, *networks: object) -> None: ...

        def describe(self, pictures: Sequence[Shown]) -> list[Caption | None]:
            return [Caption("a person")] * len(pictures)

    for captioner in ("blip.Blip", "template.Template", "paraphraser.Paraphrased"):
        monkeypatch.setattr(f"reknow.captioning.{captioner}", Same)
    monkeypatch.setattr("reknow.training.train.train", train)
    monkeypatch.setattr("reknow.report.build.report_of", lambda outcome: outcome.run.folder / "report.html")
    monkeypatch.setattr("reknow.demo.run_demo", run_demo)
    monkeypatch.setattr("reknow.studies.carry_out.carry_out", carry_out)
    return folder


# --- The tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_works(
    page: Path, workplace: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    text = page.read_text(encoding="utf-8")
    for weights, fixture in (("resnet50-imagenet.pth", "imagenet"), ("osnet_x0_25_msmt17.pth", "osnet")):
        if weights in text:
            (workplace / weights).symlink_to(request.getfixturevalue(fixture))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    blocks = blocks_of(text)
    for block in blocks:  # a reader has the file before she uses it, wherever the page shows it
        if block.title:
            (workplace / block.title).write_text(block.text + "\n", encoding="utf-8")
    for block in blocks:
        if block.language == "python":
            # Empty lines before, so that a traceback points at the page's own line.
            exec(compile("\n" * block.line + block.text, name_of(page), "exec"), namespace)
        elif block.language in SHELLS:
            for command in commands_of(block):
                run(command, f"{name_of(page)}, block of line {block.line}", capsys)


def run(command: Command, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = cli.main(command.arguments)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    printed = capsys.readouterr()
    said = f"{where}: reknow {shlex.join(command.arguments)}\n{printed.out[-2000:]}{printed.err[-2000:]}"
    assert code == command.exit_code, said
    if "--json" in command.arguments:
        json.loads(printed.out)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_has_a_language_that_is_checked_or_none(page: Path) -> None:
    known = SHELLS | {"python", "text", "csv"}
    for block in blocks_of(page.read_text(encoding="utf-8")):
        assert block.language in known, f"{name_of(page)}, line {block.line}: '{block.language}'"


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = prose_of(page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    for target in targets:
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name_of(page)}: {target}"
        if page.is_relative_to(DOCS):
            assert file.is_relative_to(DOCS), f"{name_of(page)}: {target} is not part of the site"
        if anchor:
            assert anchor in anchors_of(file), f"{name_of(page)}: no heading '#{anchor}' in {file.name}"


def anchors_of(page: Path) -> set[str]:
    """As both MkDocs and GitHub make them of plain headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_navigation_has_every_page_once() -> None:
    def leaves(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for part in entry.values() if isinstance(entry, dict) else entry:
                yield from leaves(part)

    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(leaves(settings["nav"])) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert settings["theme"]["font"] is False
    assert not settings.keys() & {"extra_javascript", "extra_css"}  # the site loads nothing from other hosts


def test_every_command_is_shown() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page.read_text(encoding="utf-8"))]
    shown = [command.arguments for block in blocks if block.language in SHELLS for command in commands_of(block)]
    commands = [[name] for name in cli.COMMANDS]
    commands += [["data", name] for name in cli.DATA_COMMANDS] + [["explain", name] for name in cli.EXPLAIN_COMMANDS]
    missing = [words for words in commands if all(arguments[: len(words)] != words for arguments in shown)]
    assert missing == []


def test_every_recipe_and_every_field_is_listed() -> None:
    training = (DOCS / "tasks/training.md").read_text(encoding="utf-8")
    for name in recipes():
        assert f"| `{name}` |" in training, f"recipe {name}"
        assert f"`{name}`" in (DOCS / f"methods/{name.partition('/')[0]}.md").read_text(encoding="utf-8")
    for field in fields(Recipe):
        assert f"| `{field.name}` |" in training, f"field {field.name}"
    for listed in re.findall(r"^\| `([a-z_]+(?:/\w+)?)` \| (?:no|yes) \|", training, flags=re.MULTILINE):
        assert listed in recipes(), f"there is no recipe {listed}"


@pytest.mark.parametrize("page", sorted((DOCS / "methods").glob("*.md")), ids=name_of)
def test_settings_are_those_of_the_recipes(page: Path) -> None:
    """Rows of options against columns of recipes: ``| `--method.momentum` | 0.1 | ... |``."""
    section = page.read_text(encoding="utf-8").partition("## Settings")[2].partition("```")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.strip().splitlines()]
    columns = {column: cell.strip("`") for column, cell in enumerate(rows[0]) if cell.strip("`") in recipes()}
    assert columns
    for row in rows[2:]:
        for column, recipe in columns.items():
            options, shown = re.findall(r"--([\w.-]+)", row[0]), row[column].replace("`", "").partition(":")[0]
            assert [str(setting(recipe, option)) for option in options] == shown.split(", "), f"{recipe}, {row[0]}"


def setting(recipe: str, option: str) -> Any:
    value: Any = recipes()[recipe]()
    for name in option.replace("-", "_").split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("name", formats())
def test_every_format_has_a_page_with_its_options_and_counts(name: str) -> None:
    page = (DOCS / f"data/{name}.md").read_text(encoding="utf-8")
    module = importlib.import_module(f"reknow.data.formats.{name}")
    for heading in ("## Layout", "## Published counts", "## Command", "## Traps"):
        assert heading in page, heading
    assert f"reknow data show {name}:" in page or f"reknow data show '{name}:" in page
    for option in list(inspect.signature(module.read).parameters)[1:]:
        assert f"| `{option}` |" in page, f"option {option}"
    for count in counts_in(vars(module)):
        assert f"| {count.pictures:,} | {count.identities:,} |" in page, f"count {count}"


def counts_in(value: Any) -> Iterator[Count]:
    """Every published Count in a module's constants."""
    if isinstance(value, Count):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            if not str(name).startswith("_"):
                yield from counts_in(part)


def test_every_page_of_a_format_has_a_format() -> None:
    assert {page.stem for page in (DOCS / "data").glob("*.md")} == set(formats())


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("tasks/data-doctor.md", get_args(Kind)),
        ("tasks/own-data.md", SCHEMA.names),
        ("tasks/evaluation.md", [protocol.name for protocol in PROTOCOLS]),
        ("tasks/studies.md", list(STUDIES)),
    ],
)
def test_a_table_lists_what_the_code_has(page: str, names: list[str]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_every_benchmark_is_described() -> None:
    named = set(re.findall(r"benchmarks/(\w+\.py)", (DOCS / "performance.md").read_text(encoding="utf-8")))
    assert named == {file.name for file in (ROOT / "benchmarks").glob("*.py")} - {"measure.py"}


def test_quoted_messages_are_what_the_program_says() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    rows = re.findall(r"^\| ([^|]+) \|", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    quoted = [message for row in rows for message in re.findall(r'"([^"]+)"', row)]
    assert len(quoted) > 10
    assert [message for message in quoted if message not in source] == []


SCORE = re.compile(r"mAP|mINP|rank-1", re.IGNORECASE)
DECIMAL = re.compile(r"(?<![\w.\-])\d[\d,]*\.\d+(?![\w.]*\d)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_measured_number_has_a_file(page: Path) -> None:
    """A paragraph with scores links the file of ``docs/measured`` that has them, to the printed digit."""
    for paragraph in re.split(r"\n\s*\n", prose_of(page.read_text(encoding="utf-8"))):
        files = re.findall(r"\]\(([^)\s]*measured/[^)\s]+\.json)\)", paragraph)
        figures = DECIMAL.findall(re.sub(r"\]\([^)]*\)", "]", paragraph))
        if not figures or not (files or SCORE.search(paragraph)):
            continue
        assert files, f"{name_of(page)}: {figures} without a measured file in:\n{paragraph}"
        measured = [number for file in files for number in numbers_in(json.loads((page.parent / file).read_text()))]
        assert [figure for figure in figures if not is_measured(figure, measured)] == [], name_of(page)


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def is_measured(figure: str, measured: list[float]) -> bool:
    digits = len(figure.partition(".")[2])
    return any(abs(number - float(figure.replace(",", ""))) <= 0.5001 * 10**-digits for number in measured)


def test_a_number_is_compared_to_the_printed_digit() -> None:
    assert is_measured("41.2", [41.249])
    assert not is_measured("41.2", [41.26])
    assert is_measured("1,234.5", [1234.5])
    assert DECIMAL.findall("mAP 41.2, rank-1 in version 0.1.0, 3,000.5 of 7") == ["41.2", "3,000.5"]


def test_a_shell_block_is_read_as_a_shell_reads_it() -> None:
    text = "pip install uv && uv run reknow demo\n$ reknow data show 'folder:a b?camera=_c(\\d+)'  # exit code 2\n"
    text += "torchrun --nproc-per-node 2 -m reknow.cli train x \\\n  --data y"
    found = list(commands_of(Block("bash", "", text, 1)))
    assert found == [
        Command(["demo"], 0),
        Command(["data", "show", "folder:a b?camera=_c(\\d+)"], 2),
        Command(["train", "x", "--data", "y"], 0),
    ]
    with pytest.raises(AssertionError, match="unknown program"):
        list(commands_of(Block("bash", "", "rekno demo", 1)))
