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
from reknow.export import Exported, export_onnx, noise, structured
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
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
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet", "osnet")]


def recognizer_of(name: str) -> Recognizer:
    torch.manual_seed(0)
    config = CONFIGS[name]
    network = config.build()
    network.neck.running_mean.normal_()  # as after training; in a new network the neck does nothing
    preprocessing = Preprocessing(size=SIZE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    card = Card(name=name, license="CC0-1.0", trained_on="folder:crops", data_fingerprint="0123")
    return Recognizer(config, network, preprocessing, card, "cpu", "bf16")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Recognizer, Exported]]:
    """Made when first asked for, once per network."""
    folder = tmp_path_factory.mktemp("exported")

    class Made(dict[str, tuple[Recognizer, Exported]]):
        def __missing__(self, name: str) -> tuple[Recognizer, Exported]:
            recognizer = recognizer_of(name)
            self[name] = recognizer, export_onnx(recognizer, folder / f"{name}.onnx")
            return self[name]

    return Made()


def run(file: Path, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return session.run(["embeddings"], {"images": images})[0]


@pytest.mark.parametrize("name", ["patches", "small", "cameras", *LARGE])
def test_the_file_gives_the_vectors_of_embed_for_any_number(exported: Any, name: str) -> None:
    recognizer, facts = exported[name]
    assert facts.batches == (1, 2, 8)
    assert 0 <= facts.deviation <= 1e-5
    in_32 = Recognizer(recognizer.config, recognizer.network, recognizer.preprocessing, recognizer.card, "cpu", "32")
    for images in (noise(5, SIZE), structured(3, SIZE)):
        found = run(facts.path, images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, in_32.embed(images), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_input_output_and_metadata_say_what_they_are(exported: Any) -> None:
    recognizer, facts = exported["small"]
    session = onnxruntime.InferenceSession(facts.path, providers=["CPUExecutionProvider"])
    (images,), (embeddings,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["batch", *SIZE, 3])
    assert (embeddings.name, embeddings.type) == ("embeddings", "tensor(float)")
    assert embeddings.shape == ["batch", recognizer.dim]
    said = session.get_modelmeta().custom_metadata_map
    assert said == facts.metadata
    assert said["name"] == "small"
    assert said["license"] == "CC0-1.0"
    assert said["recognizer_fingerprint"] == recognizer.fingerprint
    assert (said["height"], said["width"], said["embedding_size"]) == ("32", "16", "32")
    assert "bicubic" in said["resizing"]
    assert said["camera"] == "not looked at"
    onnx.checker.check_model(facts.path, full_check=True)
    assert facts.size == facts.path.stat().st_size
    assert facts.opset >= 17


def test_a_camera_table_is_exported_as_its_mean(exported: Any) -> None:
    recognizer, facts = exported["cameras"]
    assert facts.metadata["camera"] == "unknown: the mean of the camera table"
    images = noise(2, SIZE)
    unknown, known = recognizer.embed(images), recognizer.embed(images, camera=[0, 0])
    found = run(facts.path, images)
    assert np.abs(found - unknown).max() < np.abs(found - known).max()


def test_the_recognizer_stays_as_it_was(exported: Any) -> None:
    recognizer, _ = exported["patches"]
    assert recognizer.fingerprint == recognizer_of("patches").fingerprint
    assert all(parameter.dtype == torch.float32 for parameter in recognizer.network.parameters())


@pytest.fixture
def translated_before(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever network is exported, its translation is the one of "patches" (which saves two seconds, too)."""
    proto = onnx.load(exported["patches"][1].path)
    monkeypatch.setattr(export, "_translated", lambda model, size, where: proto)


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


def of_fixed_batch(images: Tensor, camera: Tensor | None = None) -> Tensor:
    """Vectors from a program that takes the size of the batch for a number."""
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


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path, translated_before: None) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ExportError, match="it cannot be written"):
            export_onnx(recognizer_of("patches"), folder / "a.onnx")


def test_a_graph_that_onnxruntime_does_not_take_is_refused(tmp_path: Path, translated_before: None) -> None:
    proto = export._translated(None, SIZE, tmp_path)
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
    assert facts["bytes"] == (tiny_run / "recognizer.onnx").stat().st_size
    images = noise(3, SIZE)
    in_32 = load("run", precision="32").embed(images)
    np.testing.assert_allclose(run(tiny_run / "recognizer.onnx", images), in_32, atol=1e-5)
    assert cli.main(["export", "run", "--to", "onnx"]) == 2
    assert "already exists" in capsys.readouterr().err


def test_reknow_export_in_words(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Exported(Path("a.onnx"), 20, (1, 2, 8), 2e-7, 1_500_000, {"name": "tiny", "camera": "not looked at"})
    monkeypatch.setattr(export, "export_onnx", lambda recognizer, path: replace(made, path=path))
    assert cli.main(["export", "run", "--out", "b.onnx"]) == 0
    printed = capsys.readouterr().out
    assert "camera: not looked at" in printed
    assert "1.5 MB, opset 20; in batches of 1, 2, 8 it differs from torch by 2e-07: b.onnx" in printed


@pytest.mark.parametrize(
    ("arguments", "says"), [(["nowhere"], "no recognizer.json"), (["run", "--to", "onxx"], "onnx")]
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
