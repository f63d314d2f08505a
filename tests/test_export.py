"""Export to ONNX: the file computes what torch computes, says what it is, and is not left behind where it does not."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from reknow import cli, export
from reknow.data.transforms import Preprocessing
from reknow.errors import ExportError, MissingExtra
from reknow.export import IMAGENET_MEAN, IMAGENET_STD, Exported, Input, as_input, export_onnx, onnx_file
from reknow.export.onnx_file import noise, structured
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.recognizer import Card, Recognizer, load

SIZE = (32, 16)


def transformer(**changes: Any) -> TransformerConfig:
    return TransformerConfig(
        **{"image_size": SIZE, "width": 16, "depth": 1, "heads": 2, "patch_size": 8, "stride": 8, **changes}
    )


CONFIGS = {
    "patches": EmbedderConfig(trunk=transformer()),
    "small": EmbedderConfig(  # as the shipped network: a stem of convolutions, extra tokens
        trunk=transformer(stem="convolution", convolutions=((4, 3, 2), (6, 3, 2)), extra_tokens=3), feature="cls+extra"
    ),
    "cameras": EmbedderConfig(trunk=transformer(cameras=3, registers=1, stride=5), feature="cls+patches"),
    "resnet": EmbedderConfig(trunk=ResNetConfig()),
    "osnet": EmbedderConfig(trunk=OSNetConfig(), feature="projected"),
}
# Translating as many operators takes 6 and 15 seconds; what may go wrong with them is refused at run time anyway.
LARGE = [pytest.param(name, "normalized", marks=pytest.mark.slow) for name in ("resnet", "osnet")]
FORMS = [("patches", "normalized"), ("patches", "pixels"), ("small", "normalized"), ("cameras", "normalized"), *LARGE]


NORMALIZATIONS = {
    "uneven": ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)),
    "halves": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "ImageNet's": (IMAGENET_MEAN, IMAGENET_STD),
}


def recognizer_of(name: str, normalization: str = "uneven") -> Recognizer:
    torch.manual_seed(0)
    config = CONFIGS[name]
    network = config.build()
    network.neck.running_mean.normal_()  # as after training; in a new network the neck does nothing
    mean, std = NORMALIZATIONS[normalization]
    preprocessing = Preprocessing(size=SIZE, mean=mean, std=std)
    card = Card(name=name, license="CC0-1.0", trained_on="folder:crops", data_fingerprint="0123")
    return Recognizer(config, network, preprocessing, card, "cpu", "bf16")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, tuple[Recognizer, Exported]]:
    """Made when first asked for, once per network, input and normalization."""
    folder = tmp_path_factory.mktemp("exported")

    class Made(dict[Any, tuple[Recognizer, Exported]]):
        def __missing__(self, key: tuple[str, Input, str]) -> tuple[Recognizer, Exported]:
            name, input, normalization = key
            recognizer = recognizer_of(name, normalization)
            self[key] = recognizer, export_onnx(recognizer, folder / f"{len(self)}.onnx", input)
            return self[key]

    return Made()


def session_of(file: Path, batch: int | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if batch is not None:
        options.add_free_dimension_override_by_name("batch", batch)
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(file: Path, pictures: np.ndarray) -> np.ndarray:
    """Vectors of pictures (N, H, W, 3) uint8, by a file of either input."""
    session = session_of(file)
    kind: Any = session.get_modelmeta().custom_metadata_map["input"]
    return session.run(["embeddings"], {"images": as_input(pictures, kind)})[0]


def in_32(recognizer: Recognizer, pictures: np.ndarray) -> np.ndarray:
    parts = recognizer.config, recognizer.network, recognizer.preprocessing, recognizer.card
    return Recognizer(*parts, "cpu", "32").embed(pictures)


@pytest.mark.parametrize(("name", "input"), FORMS)
def test_the_file_gives_the_vectors_of_embed_for_any_number(exported: Any, name: str, input: Input) -> None:
    recognizer, facts = exported[name, input, "uneven"]
    assert (facts.batches, facts.input) == ((1, 2, 8), input)
    assert 0 <= facts.deviation <= 1e-5
    for pictures in (noise(5, SIZE), structured(3, SIZE)):
        found = run(facts.path, pictures)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, in_32(recognizer, pictures), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def as_boxmot_does(file: Path, pictures: np.ndarray, batch: int | None) -> np.ndarray:
    """Resized crops to vectors: what boxmot's loader asks of a file, and what it feeds.

    It wants one input of rank 4 with three channels first and reads height and width from its shape; a batch of fixed
    size is asked for under the name ``batch``. Crops are RGB, divided by 255 and normalized by ImageNet's numbers, for
    every network; vectors are the first output, and are normalized once more.
    """
    session = session_of(file, batch)
    (images,) = session.get_inputs()
    assert images.type == "tensor(float)"
    assert images.shape == [batch or "batch", 3, *SIZE]
    crops = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    crops = (crops - mean[:, None, None]) / std[:, None, None]
    vectors = session.run([session.get_outputs()[0].name], {images.name: crops.numpy()})[0]
    assert vectors.ndim == 2
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("normalization", list(NORMALIZATIONS))
def test_boxmot_gets_the_vectors_of_embed_whatever_the_network_wants(exported: Any, normalization: str) -> None:
    recognizer, facts = exported["patches", "normalized", normalization]
    for count in (1, 2, 8):
        for pictures in (noise(count, SIZE), structured(count, SIZE)):
            expected = in_32(recognizer, pictures)
            np.testing.assert_allclose(as_boxmot_does(facts.path, pictures, None), expected, atol=1e-5)
            np.testing.assert_allclose(as_boxmot_does(facts.path, pictures, count), expected, atol=1e-5)


@pytest.mark.parametrize(("normalization", "first"), [("ImageNet's", "Conv"), ("halves", "Mul")])
def test_nothing_is_computed_where_the_network_wants_what_goes_in(
    exported: Any, normalization: str, first: str
) -> None:
    graph = onnx.load(exported["patches", "normalized", normalization][1].path).graph
    assert [node.op_type for node in graph.node if "images" in node.input and node.op_type != "Shape"] == [first]


def test_what_goes_in_is_rgb_in_0_to_1_by_mean_and_deviation() -> None:
    pictures = np.array([[[[0, 255, 51]]]], np.uint8)
    expected = [(0 - 0.485) / 0.229, (1 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    found = as_input(pictures, "normalized")
    assert (found.shape, found.dtype) == ((1, 3, 1, 1), np.float32)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6)
    assert as_input(pictures, "pixels") is pictures


@pytest.mark.parametrize(
    ("input", "kind", "shape", "layout", "normalization"),
    [
        (
            "normalized",
            "tensor(float)",
            ["batch", 3, *SIZE],
            "float32 (batch, 3, height, width)",
            "outside: (RGB / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], ImageNet's, as for any network",
        ),
        (
            "pixels",
            "tensor(uint8)",
            ["batch", *SIZE, 3],
            "uint8 (batch, height, width, 3)",
            "inside; bytes from 0 to 255 go in",
        ),
    ],
)
def test_input_output_and_metadata_say_what_they_are(
    exported: Any, input: Input, kind: str, shape: list[Any], layout: str, normalization: str
) -> None:
    recognizer, facts = exported["patches", input, "uneven"]
    session = session_of(facts.path)
    (images,), (embeddings,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", kind, shape)
    assert (embeddings.name, embeddings.type) == ("embeddings", "tensor(float)")
    assert embeddings.shape == ["batch", recognizer.dim]
    said = session.get_modelmeta().custom_metadata_map
    assert said == facts.metadata
    assert (said["input"], said["layout"], said["color"], said["normalization"]) == (
        input, layout, "RGB", normalization,
    )  # fmt: skip
    assert said["name"] == "patches"
    assert said["license"] == "CC0-1.0"
    assert said["recognizer_fingerprint"] == recognizer.fingerprint
    assert (said["height"], said["width"], said["embedding_size"]) == ("32", "16", str(recognizer.dim))
    assert said["resizing"] == "outside: bicubic, antialiased, as Pillow's Image.resize"
    assert said["camera"] == "not used"
    onnx.checker.check_model(facts.path, full_check=True)
    assert facts.size == facts.path.stat().st_size
    assert facts.opset >= 17


def test_a_camera_table_is_exported_as_its_mean(exported: Any) -> None:
    recognizer, facts = exported["cameras", "normalized", "uneven"]
    assert facts.metadata["camera"] == "unknown: the mean of the camera table"
    images = noise(2, SIZE)
    unknown, known = recognizer.embed(images), recognizer.embed(images, camera=[0, 0])
    found = run(facts.path, images)
    assert np.abs(found - unknown).max() < np.abs(found - known).max()


def test_the_recognizer_stays_as_it_was(exported: Any) -> None:
    recognizer, _ = exported["patches", "normalized", "uneven"]
    assert recognizer.fingerprint == recognizer_of("patches").fingerprint
    assert all(parameter.dtype == torch.float32 for parameter in recognizer.network.parameters())


@pytest.fixture
def translated_before(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever network is exported, its translation is the one of "patches" (which saves two seconds, too)."""
    proto = onnx.load(exported["patches", "normalized", "uneven"][1].path)
    monkeypatch.setattr(onnx_file, "_translated", lambda model, size, where: proto)


@pytest.mark.parametrize(("value", "says"), [(1.002, r"up to 0\.00\d+,"), (torch.nan, "up to nan,")])
def test_a_file_that_differs_from_torch_is_not_kept(
    tmp_path: Path, translated_before: None, value: float, says: str
) -> None:
    recognizer = recognizer_of("patches")
    assert export_onnx(recognizer, tmp_path / "right.onnx").deviation < 1e-5
    with torch.no_grad():
        recognizer.network.neck.weight[0] = value
    with pytest.raises(ExportError, match=rf"vectors that differ from torch's by {says}.*expected at most 0\.0001"):
        export_onnx(recognizer, tmp_path / "wrong.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["right.onnx"]


def of_fixed_batch(batch: Batch) -> Tensor:
    """Vectors from a program that takes the size of the batch for a number."""
    images = batch.images["rgb"]
    return images.mean((2, 3)) * len(images)


def test_a_network_of_fixed_batch_is_refused(tmp_path: Path) -> None:
    recognizer = recognizer_of("patches")
    recognizer.network.forward = of_fixed_batch  # type: ignore[method-assign]
    with pytest.raises(ExportError, match=r"torch cannot translate this VisionTransformer \(.*batch"):
        export_onnx(recognizer, tmp_path / "fixed.onnx")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_text("mine")
    with pytest.raises(ExportError, match="already exists"):
        export_onnx(recognizer_of("patches"), tmp_path / "mine.onnx")
    assert (tmp_path / "mine.onnx").read_text() == "mine"


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong must be said before anything is translated."""

    def translated(*_: Any) -> Any:
        raise AssertionError("worked first")

    monkeypatch.setattr(onnx_file, "_translated", translated)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere/a.onnx", r"there is no folder .*nowhere. Make it first"),
        ("file/a.onnx", r"there is no folder .*file"),
        ("folder", r"is a folder. Name a file in it, such as .*folder.recognizer\.onnx"),
        ("folder.onnx", "is a folder"),
        ("a.pt", r"the name ends in '\.pt'; expected \.onnx.* Name it a\.pt\.onnx"),
        ("osnet_x0", r"the name has no ending; expected \.onnx.* Name it osnet_x0\.onnx"),
        ("link.onnx", "already exists"),
        (300 * "a" + ".onnx", "cannot be written"),
    ],
)
def test_a_bad_place_is_refused_before_the_work(tmp_path: Path, no_work: None, name: str, says: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "link.onnx").symlink_to("gone")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ExportError, match=says):
        export_onnx(recognizer_of("patches"), tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_takes_no_files_is_refused_before_the_work(
    tmp_path: Path, no_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", touch)
    with pytest.raises(ExportError, match=r"cannot be written .*Permission denied.* Check the folder"):
        export_onnx(recognizer_of("patches"), tmp_path / "a.onnx")


def test_an_unknown_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"input: 'pixel'. Did you mean 'pixels'\? Known: normalized, pixels"):
        onnx_file._refuse(recognizer_of("patches"), tmp_path / "a.onnx", "pixel")


def test_weights_beyond_what_one_file_holds_are_refused_before_the_work(
    tmp_path: Path, no_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST_FILE", 20_000)
    with pytest.raises(ExportError, match=r"weights of .* GB in 32 bit; expected at most"):
        export_onnx(recognizer_of("patches"), tmp_path / "a.onnx")


def test_a_network_that_joins_several_spectra_is_refused_before_the_work(tmp_path: Path, no_work: None) -> None:
    config = EditorNetworkConfig(trunk=transformer(), selection=SelectionConfig(head_keep=1, frequency_keep=2))
    recognizer = recognizer_of("patches")
    several = Recognizer(config, config.build(), recognizer.preprocessing, recognizer.card, "cpu", "32")
    with pytest.raises(ExportError, match=r"joins 3 spectra \(rgb, nir, tir\); expected a network that reads one"):
        export_onnx(several, tmp_path / "a.onnx")


def test_a_graph_that_onnxruntime_does_not_take_is_refused(tmp_path: Path, translated_before: None) -> None:
    proto = onnx_file._translated(None, SIZE, tmp_path)
    proto.graph.node[-1].op_type = "Wish"
    with pytest.raises(ExportError, match="ONNX Runtime does not take what torch wrote"):
        export_onnx(recognizer_of("patches"), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'reknow\[export\]'"):
        export_onnx(recognizer_of("patches"), tmp_path / "a.onnx")


def test_structured_pictures_are_as_many_as_asked_for_and_differ() -> None:
    pictures = structured(8, SIZE)
    assert pictures.shape == (8, *SIZE, 3)
    assert len({picture.tobytes() for picture in pictures}) == 8
    assert any(len(np.unique(picture.reshape(-1, 3), axis=0)) == 1 for picture in pictures)  # a flat surface


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a run in it."""
    recognizer = recognizer_of("patches")
    (tmp_path / "run").mkdir()
    recognizer.save(tmp_path / "run" / "recognizer")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_reknow_export(tiny_run: Path, translated_before: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "run", "--to", "onnx", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["format"], facts["file"], facts["batches"]) == ("onnx", "recognizer.onnx", [1, 2, 8])
    assert facts["input"] == "normalized"
    assert facts["bytes"] == (tiny_run / "recognizer.onnx").stat().st_size
    images = noise(3, SIZE)
    expected = load("run", precision="32").embed(images)
    np.testing.assert_allclose(run(tiny_run / "recognizer.onnx", images), expected, atol=1e-5)
    assert cli.main(["export", "run", "--to", "onnx"]) == 2
    assert "already exists" in capsys.readouterr().err


def test_reknow_export_in_words(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"name": "tiny", "camera": "not used"}
    made = Exported(Path("a.onnx"), "normalized", 20, (1, 2, 8), 2e-7, 1_500_000, said)
    asked = []

    def stand_in(recognizer: Recognizer, path: Path, input: Input) -> Exported:
        asked.append(input)
        return replace(made, path=path)

    monkeypatch.setattr(export, "export_onnx", stand_in)
    assert cli.main(["export", "run", "--out", "b.onnx", "--input", "pixels"]) == 0
    assert cli.main(["export", "run", "--out", "b.onnx"]) == 0
    assert asked == ["pixels", "normalized"]
    printed = capsys.readouterr().out
    assert "camera: not used" in printed
    assert "compared with torch in batches of 1, 2, 8: components differ by 2e-07 at most" in printed
    assert "1.5 MB, opset 20: b.onnx" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "no recognizer.json"),
        (["run", "--to", "onxx"], "onnx"),
        (["run", "--input", "bytes"], "pixels"),
        (["run", "--out", "a.pt"], "expected .onnx"),
    ],
)
def test_what_is_wrong_is_exit_code_2(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    try:
        code = cli.main(["export", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert says in capsys.readouterr().err
    assert not (tiny_run / "recognizer.onnx").exists()
