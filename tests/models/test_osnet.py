"""OSNet: the published ONNX file is the witness of its structure, torchreid's names of its state dict."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reknow.errors import RecipeError
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import Gate, OSNet, OSNetConfig
from reknow.observation import Batch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def graph(shared):
    return onnx.load(shared / "data/osnet/osnet_x0_25_msmt17.onnx")


@pytest.fixture(scope="module")
def trunk(graph) -> OSNet:
    """Our network with the numbers of the ONNX file.

    The export multiplied each batch norm into the convolution before it, so ours is given one that does nothing but
    add the bias: weight 1, mean 0, and a variance that is 1 with its epsilon.
    """
    constants = {one.name: torch.tensor(onnx.numpy_helper.to_array(one)) for one in graph.graph.initializer}
    trunk = OSNetConfig(width=0.25).build().eval()
    state = trunk.state_dict()
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv" and len(node.input) == 3]
    folded = [node for node in convolutions if node.input[2] not in state]
    norms = [name.removesuffix("running_mean") for name in state if name.endswith("bn.running_mean")]
    for norm, node in zip(norms, folded, strict=True):
        weight, bias = (constants[name] for name in node.input[1:])
        before = norm.removesuffix("bn.")
        name = next(name for name in (f"{before}conv.weight", f"{before}conv2.weight") if name in state)
        assert state[name].shape == weight.shape
        ones = torch.ones_like(bias)
        state |= {name: weight, f"{norm}weight": ones, f"{norm}bias": bias}
        state |= {f"{norm}running_mean": 0 * ones, f"{norm}running_var": ones - trunk.conv1.bn.eps}
    trunk.load_state_dict(state | {name: tensor for name, tensor in constants.items() if name in state})
    return trunk


@pytest.mark.parametrize("size", [(256, 128), (128, 64), (160, 64)])
def test_output_equals_the_witness(graph, trunk, size):
    resized = onnx.ModelProto()
    resized.CopyFrom(graph)
    del resized.graph.value_info[:]
    for axis, edge in zip((2, 3), size, strict=True):
        resized.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = edge
    session = onnxruntime.InferenceSession(resized.SerializeToString(), providers=["CPUExecutionProvider"])
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    (expected,) = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        found = trunk.project(trunk(images).cls)
    # The largest of the 512 numbers is about 20; differences up to 7e-5 were measured.
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=3e-4)
    assert found.max() > 5


def test_published_weights_lack_nothing_and_have_only_a_classifier_more(shared):
    state = torch.load(shared / "data/osnet/osnet_x0_25_msmt17.pth", weights_only=True)
    missing, unexpected = OSNetConfig(width=0.25).build().load_state_dict(state, strict=False)
    assert missing == []
    assert unexpected == ["classifier.weight", "classifier.bias"]


@pytest.mark.parametrize(
    ("width", "parameters"), [(0.25, 201_864), (0.5, 630_034), (0.75, 1_285_754), (1.0, 2_169_508)]
)
def test_widths(width, parameters):
    """The paper rounds the four to 0.2, 0.6, 1.3 and 2.2 million."""
    trunk = OSNetConfig(width=width).build()
    assert sum(parameter.numel() for parameter in trunk.parameters()) == parameters
    assert trunk.dim == 512 * width


def test_cls_is_the_mean_of_the_patches_and_there_is_nothing_extra():
    trunk = OSNetConfig(width=0.25).build().eval()
    with torch.inference_mode():
        tokens = trunk(torch.randn(2, 3, 64, 32))
    assert tokens.grid == (4, 2)
    assert tokens.extra.shape == (2, 0, 128)
    assert torch.equal(tokens.cls, tokens.patches.mean(1))


def test_positions_are_where_they_were():
    """A bright spot on the lower right excites the lower right patch."""
    trunk = OSNetConfig(width=0.25).build().eval()
    empty, spot = torch.zeros(1, 3, 64, 32), torch.zeros(1, 3, 64, 32)
    spot[:, :, 56:60, 24:28] = 1
    with torch.inference_mode():
        changed = (trunk(spot).patches - trunk(empty).patches).norm(dim=2)[0]
    assert int(changed.argmax()) == 7


def test_gate_is_between_nothing_and_all_and_depends_on_the_picture():
    gate = Gate(16)
    nn.init.constant_(gate.fc1.weight, 0.1)  # so that its one hidden unit is alive
    maps = torch.rand(2, 16, 3, 3)
    share = gate(maps) / maps
    assert bool(((share > 0) & (share < 1)).all())
    torch.testing.assert_close(share, share[:, :, :1, :1].expand_as(share))  # one weight a channel
    assert not torch.allclose(share[0], share[1])


def test_projected_feature_is_what_torchreid_compares():
    embedder = EmbedderConfig(trunk=OSNetConfig(width=0.25), feature="projected").build().eval()
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        ((before, _),) = embedder.features(Batch.of({"rgb": images}))
        assert torch.equal(before, embedder.trunk.project(embedder.trunk(images).cls))
    assert embedder.dim == 512


@pytest.mark.parametrize("width", [0.3, 0.0, 2.0])
def test_other_widths_are_refused(width):
    with pytest.raises(RecipeError, match=r"width.*0\.25, 0\.5, 0\.75, 1\.0"):
        OSNetConfig(width=width)
