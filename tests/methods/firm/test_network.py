"""FIRM's network: open_clip is the witness at the first step, and text enters as the config says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from reknow.data.transforms import Preprocessing
from reknow.errors import DataError, RecipeError, WeightsError
from reknow.methods.firm.network import FirmNetwork, FirmNetworkConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.text import TextTowerConfig
from reknow.models.tokenization import ClipTokens
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import fill_network, options_of, read_weights
from reknow.observation import Batch
from reknow.recognizer import Card, Recognizer, load
from reknow.values import from_plain, to_plain
from tiny_clip import SIZE, TEXT, tiny_clip

TRUNK = TransformerConfig(
    image_size=SIZE, width=16, depth=4, heads=2, patch_size=8, stride=8, stems=("rgb", "nir", "tir")
)
CLIP_TRUNK = replace(TRUNK, width=32, heads=4, norm_pre=True, activation="quick_gelu", layer_norm_eps=1e-5)
CLIP_TEXT = TextTowerConfig(
    tokens=ClipTokens(), width=24, heads=TEXT["heads"], activation="quick_gelu", trained_layers=2
)
PLACES = {"gated": (1, 2), "attended": (3, 4), "aligned": (1, 2, 3, 4)}
CAPTIONS = ["a man in a red coat", "a woman with a bag", None, "a boy", "赤い服 в красном пальто"]


def config(**changes: object) -> FirmNetworkConfig:
    text = TextTowerConfig(width=12, heads=2)
    settings = {"trunk": TRUNK, "spectra": ("rgb", "nir", "tir"), "text": text, **PLACES, **changes}
    return FirmNetworkConfig(**settings)


def built(settings: FirmNetworkConfig, open_scales: bool = True) -> FirmNetwork:
    torch.manual_seed(0)
    network = settings.build().eval()
    if open_scales:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.endswith("scale"):
                    parameter.fill_(0.5)
                if name.endswith("gate.bias"):
                    parameter.zero_()
    return network


def columns(
    captions: list[str | None], network: FirmNetwork, reworded: str | None = None
) -> dict[str, list[str | None]]:
    return {name: captions if name == "caption" else [reworded] * len(captions) for name in network.columns}


def batch(network: FirmNetwork, spectra: str = "rnttr", captions: list[str | None] | None = None) -> Batch:
    """One picture a row: r, n or t."""
    names = {"r": "rgb", "n": "nir", "t": "tir"}
    pictures = torch.randn(len(spectra), 3, *SIZE, generator=torch.Generator().manual_seed(1))
    present = {name: torch.tensor([names[letter] == name for letter in spectra]) for name in names.values()}
    images = {name: pictures * here[:, None, None, None] for name, here in present.items()}
    cells = columns((captions or CAPTIONS)[: len(spectra)], network)
    return Batch.of(images, present, annotations=network.annotations(cells))


def save(tmp_path: Path, witness: nn.Module, kind: str) -> Path:
    state = {name: tensor.contiguous() for name, tensor in witness.state_dict().items()}
    if kind == "safetensors":
        save_file(state, tmp_path / "clip.safetensors")
    else:
        torch.save(state, tmp_path / "clip.pth")
    return next(tmp_path.glob("clip.*"))


def filled(path: Path | str, **changes: object) -> FirmNetwork:
    network = built(config(trunk=CLIP_TRUNK, text=CLIP_TEXT, **changes), open_scales=False)
    fill_network(network, read_weights(path, options_of(network.config.trunk)))
    return network.eval()


@pytest.mark.parametrize("kind", ["safetensors", "state dict"])
@pytest.mark.parametrize("join", ["tokens", "vector", "concatenation"])
def test_at_the_first_step_the_tokens_are_open_clip_s(tmp_path, kind, join) -> None:
    witness = tiny_clip()
    network = filled(save(tmp_path, witness, kind), join=join)
    rows = batch(network)
    images = sum(rows.images.values(), start=torch.zeros(()))
    with torch.inference_mode():
        visual = network.outputs(rows).visual
        torch.testing.assert_close(visual @ witness.visual.proj, witness.encode_image(images), rtol=1e-4, atol=1e-4)
        last = witness.visual.forward_intermediates(images, indices=1, output_fmt="NLC", output_extra_tokens=True)
        cls = last["image_intermediates_prefix"][-1][:, 0]
        torch.testing.assert_close(network.outputs(rows).cls[:, -1], cls, rtol=1e-4, atol=1e-4)


def test_a_larger_grid_is_interpolated(tmp_path) -> None:
    path = save(tmp_path, tiny_clip({"image_size": 32}), "state dict")
    network = built(config(trunk=CLIP_TRUNK, text=CLIP_TEXT), open_scales=False)
    report = fill_network(network, read_weights(f"{path}?heads=4&size=32x32&stride=8"))
    assert report.resized == ("pos_embed from 4 x 4 to 4 x 2 patches",)
    assert report.parts == ("text tower of a CLIP",)
    lines = "\n".join(report.sentences())
    assert "the stems of rgb, nir, tir begin alike" in lines and "the text tower of a CLIP came with them" in lines
    assert {"text.prefix", "fusion.to_visual.weight"} <= set(report.fresh)


@pytest.mark.parametrize(
    ("image", "text", "message"),
    [
        ({"width": 40}, {}, r"tensor 'norm_pre.weight'|tensor '.*': size .*40"),
        ({}, {"width": 48}, r"text tower of a CLIP, tensor '.*': size \(.*48.*\); expected \(.*24.*\), the network's"),
        ({}, {"layers": 4}, r"tensor 'blocks\.3\..*': .*; expected none, since the network has fewer layers"),
        ({}, {"context_length": 40}, r"tensor 'positional_embedding': size \(40, 24\); expected \(77, 24\)"),
        ({}, {"vocab_size": 99}, r"tensor 'token_embedding.weight': size \(99, 24\); expected \(49408, 24\)"),
    ],
    ids=["image", "width", "layers", "context", "vocabulary"],
)
def test_a_clip_of_another_size_is_refused(tmp_path, image, text, message) -> None:
    path = save(tmp_path, tiny_clip(image, text), "state dict")
    network = built(config(trunk=CLIP_TRUNK, text=CLIP_TEXT))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        fill_network(network, read_weights(path, options_of(CLIP_TRUNK)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_an_image_tower_alone_does_not_fill_a_text_tower_that_stands_still(tmp_path) -> None:
    witness = tiny_clip()
    torch.save(witness.visual.state_dict(), tmp_path / "clip.pth")
    with pytest.raises(WeightsError, match=r"text tower of a CLIP, tensor 'positional_embedding': none in CLIP"):
        filled(tmp_path / "clip.pth")
    network = built(config(trunk=CLIP_TRUNK), open_scales=False)  # the small tower is trained along
    report = fill_network(network, read_weights(tmp_path / "clip.pth", options_of(CLIP_TRUNK)))
    assert report.parts == ()


def test_a_clip_s_towers_have_one_activation() -> None:
    gelu = replace(CLIP_TRUNK, activation="gelu")
    with pytest.raises(RecipeError, match=r"network\.text\.activation: quick_gelu; expected the image tower's, gelu"):
        config(trunk=gelu, text=CLIP_TEXT)
    assert config(trunk=CLIP_TRUNK, text=CLIP_TEXT).around(gelu, "cls").text.activation == "gelu"


@pytest.mark.parametrize(("join", "learns"), [("tokens", True), ("vector", False)])
def test_queries_learn_after_the_first_step(join, learns) -> None:
    """Two steps: the first one opens the scales."""
    network = built(config(join=join), open_scales=False).train()
    rows = batch(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        network.outputs(rows).visual[:, :4].square().sum().backward()
        queries, values = (
            torch.stack([part.get_submodule(name).weight.grad.abs().max() for part in network.fusion.attended])
            for name in ("query", "value")
        )
        optimizer.step()
    assert bool((queries / values > 1e-5).all()) == bool((queries / values > 1e-5).any()) == learns
    assert all(part.scale.abs() > 0 for part in (*network.fusion.attended, *network.fusion.gated))


@pytest.mark.parametrize(
    "changes", [{}, {"join": "vector"}, {"join": "concatenation"}, {"gated": ()}, {"gated": (), "attended": (4,)}]
)
def test_every_part_learns(changes) -> None:
    network = built(config(**changes)).train()
    network.clusters.begin(torch.randn(2, 16), torch.randn(2, 3, 16), torch.tensor([True, True]))
    outputs = network.outputs(batch(network))
    fused = network.fused(outputs, torch.tensor([0, 1, 0, 1, -1]))
    (fused.square() @ torch.randn(16) + outputs.cls.sum((1, 2)) + outputs.texts.square().sum((1, 2))).sum().backward()
    still = {
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    queries = {f"fusion.attended.{number}.{part}" for number in range(2) for part in ("query.weight", "query.bias")}
    norms = {f"fusion.attended.{number}.norm.{part}" for number in range(2) for part in ("weight", "bias")}
    biases = {f"fusion.attended.{number}.key.bias" for number in range(2)}  # one number for all keys: no difference
    allowed = biases | queries | norms | {f"fusion.attended.{number}.key.weight" for number in range(2)}
    assert still <= (allowed if changes.get("join") == "vector" else biases)


def test_each_picture_is_read_in_its_own_spectrum() -> None:
    network = built(config())
    with torch.no_grad():
        for spectrum in ("nir", "tir"):
            network.trunk.patch_embed[spectrum].proj.weight.mul_(2)
    rows = batch(network, "rntrt")
    with torch.inference_mode():
        whole = network.outputs(rows)
        for row in range(5):
            alone = network.outputs(rows[torch.tensor([row])])
            torch.testing.assert_close(whole.visual[row], alone.visual[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(whole.texts[row], alone.texts[0], rtol=1e-4, atol=1e-5)
    assert whole.infrared.tolist() == [False, True, True, False, True]
    several = Batch.of({name: torch.rand(2, 3, *SIZE) for name in ("tir", "rgb")})
    torch.testing.assert_close(network(several), network(Batch.of({"rgb": several.images["rgb"]})))


def test_a_batch_without_any_spectrum_is_refused() -> None:
    network = built(config(trunk=replace(TRUNK, stems=()), spectra=("rgb", "tir")))
    nothing = torch.zeros(2, dtype=torch.bool)
    pictures = torch.rand(2, 3, *SIZE)
    for images, present in (({"nir": pictures}, None), ({"rgb": pictures}, {"rgb": nothing})):
        with pytest.raises(DataError, match="2 observations of a batch have none of rgb, tir"):
            network(Batch.of(images, present))


def test_text_enters_and_only_the_caption_s() -> None:
    network = built(config())
    rows = batch(network)
    longer = batch(network, captions=[*CAPTIONS[:4], "coat " * 10_000])
    with torch.inference_mode():
        before, after = network.outputs(rows), network.outputs(longer)
        torch.testing.assert_close(before.visual[:4], after.visual[:4], rtol=1e-4, atol=1e-5)  # more words behind END
        assert not torch.allclose(before.visual[4], after.visual[4], rtol=1e-3)
        other = network.outputs(batch(network, captions=["a man in a blue coat", *CAPTIONS[1:]]))
        assert not torch.allclose(before.visual[0], other.visual[0], rtol=1e-3)
    assert before.captioned.tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("changes", [{"gated": ()}, {"attended": ()}, {"gated": (1,)}, {"join": "vector"}])
def test_text_enters_where_the_config_says(changes) -> None:
    network, settings = built(config(**changes)), config(**changes)
    rows = batch(network)
    other = batch(network, captions=["a dog", *CAPTIONS[1:]])
    with torch.inference_mode():
        difference = (network.outputs(rows).cls[0] - network.outputs(other).cls[0]).abs().amax(1) > 1e-6
    first = min((*settings.gated, *settings.attended))
    assert difference.tolist() == [block >= first for block in (1, 2, 3, 4)]


def test_without_text_it_is_the_trunk() -> None:
    network = built(config(text=None))
    rows = batch(network)
    assert (network.columns, dict(rows.annotations), network.needed) == ((), {}, ())
    with torch.inference_mode():
        outputs = network.outputs(rows)
        images = sum(rows.images.values(), start=torch.zeros(()))
        tokens = network.trunk(images, None, ["rgb", "nir", "tir", "tir", "rgb"])
        torch.testing.assert_close(outputs.visual, tokens.cls)
        for inference in ("image", "image and text", "ensemble"):
            torch.testing.assert_close(
                network.embedding(outputs, inference), nn.functional.normalize(tokens.cls, dim=1)
            )
    assert outputs.texts.shape == (5, 0, 16) and outputs.cls.shape == (5, 4, 16)


def test_without_captions_the_prefix_speaks_alone() -> None:
    network = built(config(column=None))
    assert network.columns == ()
    rows = batch(network)
    with torch.inference_mode():
        outputs = network.outputs(rows)
        assert not outputs.captioned.any()
        before = outputs.visual.clone()
        torch.testing.assert_close(outputs.texts[0], outputs.texts[4])
        empty = built(config())
        torch.testing.assert_close(empty.outputs(batch(empty, captions=[None] * 5)).visual, before)
        network.text.prefix.normal_()
        assert not torch.allclose(network.outputs(rows).visual, before)


def test_the_three_kinds_of_inference() -> None:
    network = built(config())
    network.clusters.begin(torch.randn(3, 16), torch.randn(3, 3, 16), torch.tensor([True, True, True]))
    rows = batch(network)

    def unit(vectors: Tensor) -> Tensor:
        return vectors / vectors.norm(dim=1, keepdim=True)

    with torch.inference_mode():
        outputs = network.outputs(rows)
        image, text = unit(outputs.visual), unit(outputs.texts[:, 2])
        fused = unit(network.fused(outputs, (image @ network.clusters.centers.T).argmax(1)))
        for row, captioned in enumerate(outputs.captioned):
            own = text[row : row + 1] * captioned
            wanted = {
                "image": image[row : row + 1],
                "image and text": unit(image[row : row + 1] + own),
                "ensemble": unit(image[row : row + 1] + own + fused[row : row + 1]),
            }
            for kind, vector in wanted.items():
                torch.testing.assert_close(network.embedding(outputs, kind)[row : row + 1], vector)
        assert not torch.allclose(fused[1], image[1]) and torch.allclose(fused[0], image[0])
        network.inference = "image"
        torch.testing.assert_close(network(rows), image)


def test_paraphrases_are_read_in_training_alone() -> None:
    network = built(config(paraphrase_share=1.0))
    cells = columns(["a man"] * 4, network, "a tall person")
    pictures = torch.rand(4, 3, *SIZE)
    rows = Batch.of({"rgb": pictures}, annotations=network.annotations(cells))
    assert rows.annotations["paraphrases"].shape[:2] == (4, 3)
    reworded = Batch.of({"rgb": pictures}, annotations=network.annotations(columns(["a tall person"] * 4, network)))
    with torch.inference_mode():
        captioned, wanted = network.outputs(rows).texts, network.outputs(reworded).texts
        torch.testing.assert_close(network.train().outputs(rows).texts, wanted)
        assert not torch.allclose(captioned, wanted, rtol=1e-3)
        # A row without paraphrases keeps its caption.
        lone = Batch.of({"rgb": pictures}, annotations=network.annotations(columns(["a man"] * 4, network)))
        torch.testing.assert_close(network.outputs(lone).texts, captioned)


@pytest.mark.parametrize("freeze", [False, True])
def test_how_much_of_the_text_tower_is_trained(freeze) -> None:
    network = built(config(trunk=CLIP_TRUNK, text=CLIP_TEXT, freeze_text=freeze))
    learning = {name for name, parameter in network.text.named_parameters() if parameter.requires_grad}
    assert "prefix" in learning and "token_embedding.weight" not in learning
    assert any(name.startswith("blocks.1") for name in learning) == (not freeze)
    assert network.needed == ("text tower of a CLIP",)


def test_a_recognizer_keeps_captions_and_clusters(tmp_path) -> None:
    settings = config()
    network = built(settings)
    network.clusters.begin(torch.randn(7, 16), torch.randn(7, 3, 16), torch.ones(7, dtype=torch.bool))
    saved = Recognizer(settings, network, Preprocessing(size=SIZE), Card(name="firm"), "cpu", "32")
    saved.save(tmp_path / "firm")
    loaded = load(tmp_path / "firm", "cpu", "32")
    assert loaded.config == settings and len(loaded.network.clusters.centers) == 7
    rows = batch(network)
    with torch.inference_mode():
        assert torch.equal(loaded.network(rows), network(rows))
    larger = loaded.at_size((64, 32))
    assert larger.embed(torch.rand(2, 3, 64, 32)).shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(loaded.embed(torch.rand(2, 3, *SIZE)), axis=1), 1, atol=1e-5)
    # From picture size to picture size, a network brings its text tower and its fusion along.
    assert set(network.fillable()) == {"trunk", "text tower of hashed words", "fusion of text and picture"}


def test_the_config_is_kept_and_moves_with_its_trunk() -> None:
    wide = FirmNetworkConfig(trunk=TransformerConfig(stems=("rgb", "tir")))
    for settings in (config(), wide, config(text=None), config(trunk=CLIP_TRUNK, text=CLIP_TEXT)):
        assert from_plain(to_plain(settings), "recipe.yaml") == settings
    around = wide.around(TRUNK, "cls")
    assert (around.gated, around.attended, around.aligned) == ((1, 2), (3, 4), (1, 2, 3, 4))
    shallow = wide.around(replace(TRUNK, depth=2), "cls")
    assert (shallow.gated, shallow.attended) == ((1, 1), (2, 2))
    network = built(shallow)
    assert network.outputs(batch(network, "rtttr")).cls.shape == (5, 4, 16)
    with pytest.raises(RecipeError, match="a transformer, since text enters behind its blocks"):
        wide.around(OSNetConfig(), "cls")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"attended": (5,)}, "attended"),
        ({"gated": (2, 1)}, "gated"),
        ({"gated": (1, 2, 3)}, "gated"),
        ({"heads": 3}, "heads"),
        ({"spectra": ("rgb", "rgb")}, "spectra"),
        ({"trunk": replace(TRUNK, stems=("rgb",))}, "spectra"),
    ],
)
def test_nonsense_is_refused(changes, field) -> None:
    with pytest.raises(RecipeError, match=rf"network\.{field}"):
        config(**changes)
