"""TensorFlow's files in their real layout, written field by field: checkpoints, frozen graphs.

TensorFlow 2.21 wrote checkpoints of both forms and a graph that were read to the last bit when the
readers were made; it is too large to install for a test.
"""

import struct
from pathlib import Path

import numpy as np
from foreign import message, varint

Arrays = dict[str, np.ndarray]
FLOAT, INT32 = 1, 3
MAGIC = 0xDB4775248B80FB57
RESTART_INTERVAL, BLOCK_BYTES = 16, 4096


def shape_proto(shape: tuple[int, ...]) -> bytes:
    return message(*((2, message((1, side))) for side in shape))


def table(entries: dict[bytes, bytes]) -> bytes:
    """A table: blocks of sorted entries, an index of them, a footer."""
    out, index, waiting = bytearray(), {}, {}

    def flush(block: dict[bytes, bytes]) -> bytes:
        data = _block(block)
        handle = varint(len(out)) + varint(len(data))
        out.extend(data + b"\0" + bytes(4))  # uncompressed; a checksum that nobody checks
        return handle

    for key in sorted(entries):
        waiting[key] = entries[key]
        if sum(map(len, waiting.values())) > BLOCK_BYTES:
            index[key] = flush(waiting)
            waiting = {}
    if waiting:
        index[max(waiting)] = flush(waiting)
    return table_of(index, bytes(out))


def block(entries: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """A block at the start of a file, and the handle to it."""
    data = _block(entries)
    return data + b"\0" + bytes(4), varint(0) + varint(len(data))


def table_of(index: dict[bytes, bytes], blocks: bytes) -> bytes:
    """A table of written blocks, whose index has a handle for each."""
    out = bytearray(blocks)
    handles = b""
    for block in ({}, index):
        data = _block(block)
        handles += varint(len(out)) + varint(len(data))
        out += data + b"\0" + bytes(4)
    return bytes(out) + handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def _block(entries: dict[bytes, bytes]) -> bytes:
    out, restarts, last = bytearray(), [], b""
    for i, (key, value) in enumerate(entries.items()):
        shared = 0
        if i % RESTART_INTERVAL == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    numbers = [*(restarts or [0]), len(restarts or [0])]
    return bytes(out) + struct.pack(f"<{len(numbers)}I", *numbers)


def first_form(arrays: Arrays) -> bytes:
    """``.ckpt`` of the year 2016: one table of SavedTensorSlices."""
    metas = [
        (1, message((1, name), (2, shape_proto(a.shape)), (3, FLOAT))) for name, a in arrays.items()
    ]
    step = (1, message((1, "global_step"), (2, b""), (3, 9)))  # an int64
    entries = {b"": message((1, message(*metas, step, (2, message((1, 21))))))}
    for name, array in arrays.items():
        saved = message((1, name), (2, b""), (3, message((5, array.tobytes()))))
        entries[b"\0\1" + name.encode() + b"\0\1\1\2"] = message((2, saved))
    saved = message((1, "global_step"), (2, b""), (3, message((10, varint(7)))))
    entries[b"\0\1global_step\0\1\1\2"] = message((2, saved))
    return table(entries)


def second_form(arrays: Arrays, prefix: Path, *, shards: int = 1, overlap: bool = False) -> Path:
    """An index and its data, in one shard or several, each or all at the start; gives the index."""
    data = [bytearray() for _ in range(shards)]
    entries = {b"": message((1, shards), (3, message((1, 1))))}
    for i, (name, array) in enumerate(arrays.items()):
        shard = i % shards
        place = [(3, shard), (4, 0 if overlap else len(data[shard])), (5, array.nbytes)]
        shape = (2, shape_proto(array.shape))
        entries[name.encode()] = message((1, FLOAT), shape, *place, (6, 0.0))
        if overlap:
            data[shard].clear()
        data[shard] += array.tobytes()
    step = message((1, 9), (2, b""), (5, 8))  # an int64
    entries[b"global_step"] = step
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    index = prefix.with_name(f"{prefix.name}.index")
    index.write_bytes(table(entries))
    return index


MODULES = {  # inception5h's: inputs, then 1x1, 3x3 reduced and full, 5x5 reduced and full, pool
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 204, 16, 48, 64),
    "4b": (508, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 48, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class Graph:
    """A frozen graph that grows node by node, with random constants."""

    def __init__(self) -> None:
        self.nodes: list[tuple[int, bytes]] = []
        self.random = np.random.default_rng(0)

    def add(self, name: str, op: str, inputs: list[str], **attributes: bytes) -> str:
        ins = [(3, node) for node in inputs]
        entries = [(5, message((1, key), (2, value))) for key, value in attributes.items()]
        self.nodes.append((1, message((1, name), (2, op), *ins, *entries)))
        return name

    def constant(self, name: str, array: np.ndarray) -> str:
        kind, data = FLOAT, (4, array.tobytes())
        if array.dtype == np.int32:  # one by one; OpenCV falls over raw integers
            kind, data = INT32, (7, b"".join(varint(n % 2**64) for n in array.flatten().tolist()))
        tensor = message((1, kind), (2, shape_proto(array.shape)), data)
        return self.add(name, "Const", [], dtype=message((6, kind)), value=message((8, tensor)))

    def weights(self, name: str, shape: tuple[int, ...]) -> str:
        drawn = self.random.standard_normal(shape, dtype=np.float32)
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.1
        return self.constant(name, drawn * np.float32(scale))

    def conv(self, name: str, x: str, ins: int, out: int, kernel: int = 1, stride: int = 1) -> str:
        w, b = self.weights(f"{name}_w", (kernel, kernel, ins, out)), f"{name}_b"
        self.weights(b, (out,))
        conv = self.add(f"{name}_pre_relu/conv", "Conv2D", [x, w], **_windows(None, stride))
        biased = self.add(f"{name}_pre_relu", "BiasAdd", [conv, b], T=message((6, FLOAT)))
        return self.add(name, "Relu", [biased], T=message((6, FLOAT)))

    def linear(self, name: str, x: str, ins: int, out: int, *, relu: bool = False) -> str:
        w, b = self.weights(f"{name}_w", (ins, out)), self.weights(f"{name}_b", (out,))
        before = f"{name}_pre_relu" if relu else f"{name}_pre_activation"
        self.add(f"{before}/matmul", "MatMul", [x, w], T=message((6, FLOAT)))
        self.add(before, "BiasAdd", [f"{before}/matmul", b], T=message((6, FLOAT)))
        return self.add(name, "Relu", [before], T=message((6, FLOAT))) if relu else before

    def pool(
        self,
        name: str,
        x: str,
        kernel: int,
        stride: int,
        op: str = "MaxPool",
        padding: str = "SAME",
    ) -> str:
        return self.add(name, op, [x], **_windows(kernel, stride, padding))

    def flat(self, name: str, x: str, size: int) -> str:
        shape = self.constant(f"{name}/shape", np.array([-1, size], np.int32))
        return self.add(name, "Reshape", [x, shape], T=message((6, FLOAT)))

    def norm(self, name: str, x: str, radius: int, alpha: float, beta: float, bias: float) -> str:
        values = {"alpha": alpha, "beta": beta, "bias": bias}
        attributes = {key: message((4, value)) for key, value in values.items()}
        return self.add(name, "LRN", [x], depth_radius=message((3, radius)), **attributes)

    def module(self, name: str, x: str, widths: tuple[int, ...]) -> str:
        ins, one, reduce3, three, reduce5, five, proj = widths
        bottleneck3 = self.conv(f"{name}_3x3_bottleneck", x, ins, reduce3)
        bottleneck5 = self.conv(f"{name}_5x5_bottleneck", x, ins, reduce5)
        branches = [
            self.conv(f"{name}_1x1", x, ins, one),
            self.conv(f"{name}_3x3", bottleneck3, reduce3, three, 3),
            self.conv(f"{name}_5x5", bottleneck5, reduce5, five, 5),
            self.conv(f"{name}_pool_reduce", self.pool(f"{name}_pool", x, 3, 1), ins, proj),
        ]
        axis = self.constant(f"{name}/concat_dim", np.array(3, np.int32))
        return self.add(name, "Concat", [axis, *branches], N=message((3, 4)), T=message((6, FLOAT)))

    def head(self, number: int, x: str, ins: int, classes: int) -> str:
        pooled = self.pool(f"head{number}_pool", x, 5, 3, "AvgPool", "VALID")
        reduced = self.conv(f"head{number}_bottleneck", pooled, ins, 128)
        flat = self.flat(f"head{number}_bottleneck/reshape", reduced, 2048)
        hidden = self.linear(f"nn{number}", flat, 2048, 1024, relu=True)
        return self.linear(f"softmax{number}", hidden, 1024, classes)

    @property
    def bytes(self) -> bytes:
        return message(*self.nodes)


def _windows(kernel: int | None, stride: int, padding: str = "SAME") -> dict[str, bytes]:
    def sides(n: int) -> bytes:
        return message((1, message((3, b"".join(map(varint, (1, n, n, 1)))))))

    ksize = {} if kernel is None else {"ksize": sides(kernel)}
    return {
        "T": message((6, FLOAT)),
        "strides": sides(stride),
        "padding": message((2, padding)),
        **ksize,
    }


def inception5h(classes: int, *, radius: int = 5, padding: str = "SAME") -> bytes:
    """``tensorflow_inception_graph.pb``'s nodes, with random constants."""
    graph = Graph()
    constants = (radius, 1e-4, 0.5, 2.0)
    x = graph.add("input", "Placeholder", [], dtype=message((6, FLOAT)))
    x = graph.conv("conv2d0", x, 3, 64, 7, 2)
    x = graph.norm(
        "localresponsenorm0", graph.pool("maxpool0", x, 3, 2, padding=padding), *constants
    )
    x = graph.conv("conv2d2", graph.conv("conv2d1", x, 64, 64), 64, 192, 3)
    x = graph.pool("maxpool1", graph.norm("localresponsenorm1", x, *constants), 3, 2)
    for module, widths in MODULES.items():
        x = graph.module(f"mixed{module}", x, widths)
        if module in ("4a", "4d"):
            graph.head(0 if module == "4a" else 1, x, 508 if module == "4a" else 528, classes)
        if module in ("3b", "4e"):
            x = graph.pool("maxpool4" if module == "3b" else "maxpool10", x, 3, 2)
    x = graph.flat("avgpool0/reshape", graph.pool("avgpool0", x, 7, 1, "AvgPool", "VALID"), 1024)
    graph.linear("softmax2", x, 1024, classes)
    return graph.bytes
