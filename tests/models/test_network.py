"""Networks built from specs: what they return, what trains, what they refuse."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from inception.models import create_model, get_spec
from inception.models.build import build, build_empty, build_layers
from inception.models.cost import Position, Shape, cost, end, trace
from inception.models.network import Normalise
from inception.models.spec import Conv, Linear, Norm, Pool, Residual, Spec, separable
from inception.preprocessing import Preprocessing


def inputs(name: str, size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("head", ["inception_4a", "inception_4d"])
def test_an_aux_head_trains_only_the_stages_before_it(head: str) -> None:
    model = create_model("googlenet_small", num_classes=3).train()
    model(inputs("googlenet_small", 16), aux=True)[1][head].sum().backward()
    stages = list(model.spec.stages)
    reached = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    weighted = {s for s in stages if any(True for _ in model.get_submodule(s).parameters())}
    before = set(stages[: stages.index(head) + 1])
    assert reached - {"aux"} == before & weighted


def test_features_are_named_in_the_order_of_the_stages() -> None:
    model = create_model("googlenet", num_classes=3).eval()
    with torch.no_grad():
        features = model.features(inputs("googlenet", 64))
    assert list(features) == list(model.spec.stages)
    assert features["inception_3b"].shape == (2, 480, 8, 8)


def test_parameters_are_named_by_stage_branch_layer_and_part() -> None:
    names = dict(create_model("googlenet_bn", num_classes=3).named_parameters())
    for name in (
        "conv1.conv.weight",
        "inception_4a.conv1x1.norm.bias",
        "inception_4a.conv3x3.reduce.conv.weight",
        "inception_4a.pool.proj.norm.weight",
        "aux.inception_4d.hidden.linear.weight",
        "classifier.logits.linear.bias",
    ):
        assert name in names


def test_the_same_seed_draws_the_same_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create_model("googlenet_small", num_classes=3).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


def test_caffe_initialisation_is_uniform_by_fan_in_with_biases_of_a_fifth() -> None:
    model = create_model("googlenet", num_classes=3)
    weight = model.get_parameter("inception_3b.conv3x3.conv.conv.weight")  # fan-in 128 * 9
    bound = (3 / (128 * 9)) ** 0.5
    assert float(weight.detach().abs().max()) <= bound
    assert float(weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.01)
    assert torch.all(model.get_parameter("inception_3b.conv3x3.conv.conv.bias") == 0.2)
    assert torch.all(model.get_parameter("aux.inception_4a.hidden.linear.bias") == 0.2)
    assert torch.all(model.get_parameter("classifier.logits.linear.bias") == 0)


def test_aux_pool_is_5x5_by_3_where_that_gives_4x4_and_adaptive_elsewhere() -> None:
    pool = build_layers(Pool("average", kernel=5, stride=3, grid=4), Position(Shape(8, 14, 14)))
    for side in (14, 15, 16):
        x = torch.randn(1, 8, side, side)
        assert torch.equal(pool(x), nn.functional.avg_pool2d(x, 5, 3))
    for side in (2, 6, 13, 17):
        x = torch.randn(1, 8, side, side)
        assert torch.equal(pool(x), nn.functional.adaptive_avg_pool2d(x, 4))


def test_same_padding_puts_the_odd_pixel_at_the_bottom_right() -> None:
    start = Position(Shape(3, 224, 224))
    layer = Conv(8, kernel=7, stride=2, padding="same", activation=None, bias=False)
    built = build_layers(layer, start)
    with torch.no_grad():
        built.conv.weight.normal_()
    x = torch.randn(1, 3, 224, 224)
    padded = nn.functional.pad(x, (2, 3, 2, 3))
    expected = nn.functional.conv2d(padded, built.conv.weight, stride=2)
    torch.testing.assert_close(built(x), expected)
    assert end(layer, start).shape == (8, 112, 112)


def test_a_separable_convolution_is_depthwise_then_pointwise() -> None:
    start = Position(Shape(6, 10, 10))
    layers = separable(16, norm=Norm())
    built = build_layers(layers, start)
    assert built.depthwise.conv.groups == 6
    assert [row.weights for row in trace(layers, start)] == [6 * 9, 6 * 16]
    assert built(torch.randn(2, 6, 10, 10)).shape == (2, 16, 10, 10)


def test_a_residual_adds_its_scaled_body_to_its_shortcut() -> None:
    layer = Residual(Conv(4, activation=None), scale=0.5, activation="relu")
    built = build_layers(layer, Position(Shape(4, 5, 5)))
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(built(x), torch.relu(x + 0.5 * built.body(x)))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("rgb", [10, 20, 30]),
        ("bgr", [30, 20, 10]),
        ("grey", [0.299 * 10 + 0.587 * 20 + 0.114 * 30]),
    ],
)
def test_normalisation_takes_uint8_pictures_in_the_network_s_channel_order(
    order: str, expected: list[float]
) -> None:
    channels = len(expected)
    normalise = Normalise(
        Preprocessing(size=2, channel_order=order, mean=(4.0,) * channels, std=(2.0,) * channels)
    )
    picture = torch.tensor([10, 20, 30], dtype=torch.uint8).expand(1, 2, 2, 3)
    x = normalise(picture)
    assert x.shape == (1, channels, 2, 2)
    assert x[0, :, 0, 0].tolist() == pytest.approx([(v - 4) / 2 for v in expected])


@pytest.mark.parametrize("name", ["googlenet_small", "xception_small", "nin_small"])
def test_checkpointed_activations_give_the_same_gradients_and_statistics(name: str) -> None:
    torch.manual_seed(1)
    plain = create_model(name, num_classes=3).train()
    thrifty = copy.deepcopy(plain)
    thrifty.checkpoint_activations = True
    for model in (plain, thrifty):
        torch.manual_seed(2)  # of the dropout
        logits, aux = model(inputs(name, 32), aux=True)
        (logits.square().sum() + sum(a.square().sum() for a in aux.values())).backward()
    pairs = zip(plain.named_parameters(), thrifty.parameters(), strict=True)
    for (parameter, p), q in pairs:
        torch.testing.assert_close(p.grad, q.grad, msg=lambda m, n=parameter: f"{n}: {m}")
    buffers = zip(plain.buffers(), thrifty.buffers(), strict=True)
    assert all(torch.equal(a, b) for a, b in buffers)


def bytes_held(model: nn.Module, x: torch.Tensor) -> int:
    """What a forward pass leaves in memory for the gradients."""
    made: list[StorageWeakRef] = []
    sizes: list[int] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, f, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = f(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple | list) else [out]:
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    made.append(StorageWeakRef(storage))
                    sizes.append(storage.nbytes())
            return out

    with Watch():
        logits = model(x)
    held = {ref.cdata: n for ref, n in zip(made, sizes, strict=True) if not ref.expired()}
    del logits
    return sum(held.values())


def test_checkpointed_activations_hold_far_less() -> None:
    model = create_model("googlenet_small", num_classes=3).train()
    x = inputs("googlenet_small", 32)
    plain = bytes_held(model, x)
    model.checkpoint_activations = True
    assert bytes_held(model, x) < plain / 4


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_of_any_number_of_channels_are_taken(channels: int) -> None:
    model = create_model("googlenet_small", num_classes=3, in_channels=channels).eval()
    pixels = torch.zeros(2, 32, 32, 3 if channels == 1 else channels, dtype=torch.uint8)
    assert model(Normalise(model.spec.preprocessing)(pixels)).shape == (2, 3)
    assert build_empty(Spec.from_json(model.spec.to_json())).spec == model.spec


def test_network_in_network_embeds_its_maps_whole() -> None:
    model = create_model("nin_small", num_classes=3).eval()
    assert model.num_features == 192 * 8 * 8
    assert model.embed(inputs("nin_small", 16)).shape == (2, 192 * 4 * 4)
    assert create_model("nin_small").classifier[0].conv.weight.shape[0] == 10


def test_facenet_embeds_512_numbers() -> None:
    model = build_empty(get_spec("inception_resnet_v1_facenet"))
    assert model.num_features == 512
    body = cost(model.spec)
    assert sum(stage.parameters for stage in body.stages[:-1]) == 23_482_624


def test_alexnet_s_biases_are_1_where_the_paper_says() -> None:
    torch.manual_seed(0)
    spec = get_spec("alexnet")
    hidden = {"fc6": Linear(16, activation="relu"), "fc7": Linear(16, activation="relu")}
    model = build(replace(spec, classifier={**spec.classifier, **hidden}))
    ones = {n for n, p in model.named_parameters() if n.endswith("bias") and bool((p == 1).all())}
    assert ones == {
        "conv2.conv.conv.bias",
        "conv4.conv.bias",
        "conv5.conv.bias",
        "classifier.fc6.linear.bias",
        "classifier.fc7.linear.bias",
    }


def test_lenet_is_drawn_as_its_paper_says() -> None:
    weights = create_model("lenet5").state_dict()
    assert float(weights["c1.conv.weight"].abs().max()) <= 2.4 / 25
    assert float(weights["classifier.logits.linear.bias"].abs().max()) <= 2.4 / 84


@pytest.mark.parametrize("name", ["googlenet", "googlenet_small", "inception_resnet_v2_small"])
def test_activations_that_write_over_their_input_leave_every_gradient_as_it_is(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, num_classes=3).train()
    x = inputs(name, max(32, model.smallest_size))
    gradients = []
    for inplace in (True, False):
        written = [m for m in model.modules() if isinstance(m, nn.ReLU) and m.inplace]
        for m in written:
            m.inplace = inplace
        assert written
        torch.manual_seed(1)
        model.zero_grad()
        logits, aux = model(x, aux=True)
        sum([logits.square().mean(), *(a.square().mean() for a in aux.values())]).backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
