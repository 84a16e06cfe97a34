"""SavedModels: the signature, its meaning, and the graphs that are refused before they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop_export import source
from strop_export.errors import SourceError
from strop_export.formats import quiet
from strop_export.source import header, keras_model, saved_model
from strop_export.source.functional import Loaded
from strop_export.source.saved_model import Signature
from tests.unit.export import source_kit as kit

with quiet():
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

SPEC = tf.TensorSpec([None, 4], tf.float32, name="x")


class Plain(tf.Module):  # type: ignore[misc]
    """Two outputs of one weight, and a table of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3) / 10)

    @tf.function(input_signature=[SPEC])  # type: ignore[untyped-decorator]
    def call(self, x: Any) -> dict[str, Any]:
        y = x @ self.w
        return {"p": tf.nn.softmax(y), "side": tf.sigmoid(y[:, :1]), "raw": y}


def written(folder: Path, act: Callable[[Any], Any], **options: Any) -> Path:
    """Write a SavedModel of a function of a float32 (N, 4)."""
    module = tf.Module()
    module.call = tf.function(act, input_signature=[SPEC])
    tf.saved_model.save(module, str(folder / "sm"), signatures=options or module.call)
    return folder / "sm"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    module = Plain()
    tf.saved_model.save(module, str(folder / "sm"), signatures=module.call)
    return folder / "sm"


def load(loading: source.Loading, samples: dict[str, Any]) -> Loaded:
    return keras_model.load(loading, header.check(loading), samples)


def check(path: Path, **options: Any) -> Signature:
    return saved_model.check(source.Loading(path, **options))


def changed(path: Path, folder: Path, change: Callable[[Any], None]) -> Path:
    """Copy a SavedModel with another graph."""
    content = saved_model_pb2.SavedModel()
    content.ParseFromString((path / "saved_model.pb").read_bytes())
    change(content.meta_graphs[0])
    (folder / "other").mkdir()
    (folder / "other/saved_model.pb").write_bytes(content.SerializeToString())
    return folder / "other"


def test_the_signature_tells_names_shapes_and_heads(plain: Path) -> None:
    found = check(plain)
    assert [(each.name, each.shape, each.dtype) for each in found.inputs] == [
        ("x", (None, 4), "float32")
    ]
    assert [each.name for each in found.outputs] == ["p", "raw", "side"]
    assert found.heads == ("softmax", "linear", "sigmoid")


def test_the_model_gives_what_the_signature_answers(plain: Path) -> None:
    samples = kit.floats(4)
    loaded = load(source.Loading(plain), {"x": samples})
    assert (loaded.inputs, loaded.outputs, loaded.structure) == (
        ("x",),
        ("p", "raw", "side"),
        "dict",
    )
    wanted = tf.saved_model.load(str(plain)).signatures["serving_default"](x=tf.constant(samples))
    for name, answer in zip(
        loaded.outputs, keras_model.predict(loaded.model, [samples]), strict=True
    ):
        assert np.array_equal(answer, wanted[name])


def test_free_sizes_come_from_the_samples(tmp_path: Path) -> None:
    module = tf.Module()
    spec = tf.TensorSpec([None, None, 2], tf.float32, name="x")
    module.call = tf.function(lambda x: {"y": tf.nn.relu(x)}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "sm"), signatures=module.call)
    loading = source.Loading(tmp_path / "sm")
    model = load(loading, {"x": kit.floats(7, 2)}).model
    assert (model.inputs[0].shape, model.outputs[0].shape) == ((None, 7, 2), (None, 7, 2))
    loading = source.Loading(tmp_path / "sm", shapes={"x": (9, 2)})
    assert load(loading, {"x": kit.floats(7, 2)}).model.outputs[0].shape == (None, 9, 2)
    with pytest.raises(SourceError, match="takes .*give one that fits with --shape"):
        load(source.Loading(tmp_path / "sm", shapes={"x": (9, 3)}), {})


def reads(x: Any) -> Any:
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


def writes(x: Any) -> Any:
    tf.io.write_file("/tmp/strop-written", "x")
    return x + 1


def python(x: Any) -> Any:
    return tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), (None, 4))


def prints(x: Any) -> Any:
    tf.print(x)
    return x + 1


def globs(x: Any) -> Any:
    return x + tf.cast(tf.size(tf.io.matching_files("/*")), tf.float32)


def inside(x: Any) -> Any:
    return tf.while_loop(lambda v: tf.reduce_sum(v) < 0, lambda v: [reads(v)], [x])[0]


@pytest.mark.parametrize(
    ("act", "operator"),
    [
        (reads, "ReadFile"),
        (writes, "WriteFile"),
        (python, "PyFunc"),
        (prints, "PrintV2"),
        (globs, "MatchingFiles"),
        (inside, "ReadFile"),
    ],
)
def test_operators_that_touch_files_or_run_code_are_refused(
    tmp_path: Path, act: Callable[[Any], Any], operator: str
) -> None:
    path = written(tmp_path, act)
    with pytest.raises(SourceError, match=f"holds .*{operator}.*, which can run code.*--trust"):
        check(path)
    check(path, trust=True)


class Counting(tf.Module):  # type: ignore[misc]
    """A model whose answers grow, by less than what a comparison can see."""

    def __init__(self) -> None:
        super().__init__()
        self.n = tf.Variable(0.0)

    @tf.function(input_signature=[SPEC])  # type: ignore[untyped-decorator]
    def call(self, x: Any) -> Any:
        return tf.nn.softmax(x) + tf.cond(x[0, 0] > 0, self.grow, self.n.read_value)

    @tf.function  # type: ignore[untyped-decorator]
    def grow(self) -> Any:
        return self.n.assign_add(1e-7)


def test_a_signature_that_keeps_state_is_refused(tmp_path: Path) -> None:
    module = Counting()
    tf.saved_model.save(module, str(tmp_path / "sm"), signatures=module.call)
    for trust in (False, True):
        with pytest.raises(SourceError, match="keeps state, with AssignAddVariableOp: its answer"):
            check(tmp_path / "sm", trust=trust)


def noise(x: Any) -> Any:
    return x + 1e-7 * tf.random.normal(tf.shape(x), seed=1)


def drawn(x: Any) -> Any:
    return x + tf.cast(tf.random.categorical(x, 4), tf.float32)


@pytest.mark.parametrize(
    ("act", "operator"), [(noise, "RandomStandardNormal"), (drawn, "Multinomial")]
)
def test_a_random_signature_is_refused(
    tmp_path: Path, act: Callable[[Any], Any], operator: str
) -> None:
    with pytest.raises(SourceError, match=f"draws random numbers, with .*{operator}: no device"):
        check(written(tmp_path, act))


def test_what_another_function_changes_is_no_state(tmp_path: Path) -> None:
    """Training, say, beside the signature; and numbers that a constant determines are the same."""
    module = Counting()
    fixed = tf.random.stateless_normal([4], seed=[1, 2])
    module.answer = tf.function(
        lambda x: x * module.n + fixed + tf.random.stateless_normal([4], seed=[3, 4]),
        input_signature=[SPEC],
    )
    tf.saved_model.save(module, str(tmp_path / "sm"), signatures=module.answer)
    check(tmp_path / "sm")


def test_a_table_from_a_file_is_refused_and_one_of_numbers_is_not(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\nb\n", encoding="ascii")
    keys = tf.constant([1, 2], tf.int64)
    values = tf.constant([3.0, 4.0])
    for name, kind in (
        ("numbers", tf.lookup.KeyValueTensorInitializer(keys, values)),
        (
            "file",
            tf.lookup.TextFileInitializer(
                *(str(tmp_path / "words"), tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
                *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
            ),
        ),
    ):
        module = tf.Module()
        module.table = tf.lookup.StaticHashTable(kind, values[0] if name == "numbers" else "")
        spec = tf.TensorSpec([None], tf.int64, name="x")
        module.call = tf.function(module.table.lookup, input_signature=[spec])
        tf.saved_model.save(module, str(tmp_path / name), signatures=module.call)
    check(tmp_path / "numbers")
    with pytest.raises(SourceError, match="holds InitializeTableFromTextFileV2"):
        check(tmp_path / "file")


def test_the_saver_s_functions_count_if_anything_else_runs_them(
    plain: Path, tmp_path: Path
) -> None:
    def misuse(graph: Any) -> None:
        names = [each.signature.name for each in graph.graph_def.library.function]
        (saver,) = (name for name in names if "traced_restore" in name)
        node = graph.object_graph_def.nodes.add()
        node.bare_concrete_function.concrete_function_name = saver

    check(plain)
    with pytest.raises(SourceError, match="holds .*RestoreV2"):
        check(changed(plain, tmp_path, misuse))


def unknown(graph: Any) -> None:
    graph.graph_def.library.function[0].node_def[0].op = "Stolen"


def shadowed(graph: Any) -> None:
    """Name a function like an operator that reads files."""
    node = graph.graph_def.node.add()
    node.name, node.op = "n", "ReadFile"
    graph.graph_def.library.function.add().signature.name = "ReadFile"


def vast(graph: Any) -> None:
    node = graph.graph_def.node.add()
    node.name, node.op = "n", "Const"
    node.attr["value"].tensor.tensor_shape.dim.add().size = 2**40


def outside(graph: Any) -> None:
    graph.asset_file_def.add().filename = "../../secret"


def old(graph: Any) -> None:
    graph.ClearField("object_graph_def")


def batched(graph: Any) -> None:
    graph.signature_def["serving_default"].inputs["x"].tensor_shape.dim[0].size = 1


def typeless(graph: Any) -> None:
    graph.signature_def["serving_default"].inputs["x"].dtype = 9999


def renamed(graph: Any) -> None:
    own = graph.signature_def
    own["a"].CopyFrom(own["serving_default"])
    own["b"].CopyFrom(own["serving_default"])
    del own["serving_default"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unknown, "holds the operator Stolen, which TensorFlow does not have"),
        (shadowed, "holds ReadFile, which can run code"),
        (vast, "holds a constant that is too large"),
        (outside, "names the file '../../secret', which is not in its assets"),
        (old, "was written by TensorFlow 1, or holds several graphs"),
        (batched, r"input 'x' of .* has the shape \(1, 4\), without a free batch"),
        (typeless, "saved_model.pb is damaged; write the SavedModel again"),
        (renamed, "has no signature 'serving_default'; it has a, b; "),
    ],
)
def test_graphs_that_export_cannot_take_are_refused(
    plain: Path, tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        check(changed(plain, tmp_path, change))


def test_a_single_signature_needs_no_default(plain: Path, tmp_path: Path) -> None:
    def single(graph: Any) -> None:
        renamed(graph)
        del graph.signature_def["b"]

    assert check(changed(plain, tmp_path, single)).name == "a"


@pytest.mark.parametrize("name", ["saved_model.cpb", "saved_model.pbtxt"])
def test_a_second_graph_is_refused(plain: Path, tmp_path: Path, name: str) -> None:
    """TensorFlow would load that one."""
    path = changed(plain, tmp_path, lambda _: None)
    (path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=f"is not a SavedModel, it has .*{name}"):
        check(path)


def test_half_a_graph_is_refused(plain: Path, tmp_path: Path) -> None:
    path = changed(plain, tmp_path, lambda _: None)
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="saved_model.pb is damaged; write the SavedModel again"):
        check(path)


def test_a_link_out_of_the_folder_is_refused(plain: Path, tmp_path: Path) -> None:
    path = changed(plain, tmp_path, lambda _: None)
    (path / "assets").symlink_to("/etc")
    with pytest.raises(SourceError, match="assets is a link, a device or a pipe"):
        check(path)


def test_the_digest_of_a_folder_is_of_all_names_and_bytes(tmp_path: Path) -> None:
    folder, samples = tmp_path / "sm", tmp_path / "c.npz"
    (folder / "variables").mkdir(parents=True)
    samples.write_bytes(b"")
    files = source.Files("m", folder, samples)
    digests = []
    for act in (
        lambda: (folder / "a").write_bytes(b"x"),
        lambda: (folder / "a").write_bytes(b"y"),
        lambda: (folder / "a").rename(folder / "b"),
        lambda: (folder / "b").rename(folder / "variables/b"),
    ):
        act()
        digests.append(files.digests()["model"])
    assert len(set(digests)) == len(digests)
    assert files.digests()["model"] == digests[-1]
