from __future__ import annotations

import io
import json

import equinox as eqx
import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.core.parameters import BY_NAME, STORED_NAMES
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.core.weight_records import FORMAT
from oggm_glaunti.core.weights import (
    embedded_a,
    leaf_shapes,
    leaves_of,
    model_from_leaves,
    physical_values,
    read_model,
    ti_from_physical,
    write_model,
)

from .worlds import model

NAMES = "ABCD"


def npy(*leaves: np.ndarray, allow_pickle: bool = False) -> bytes:
    """A published file: one record after the other."""
    stream = io.BytesIO()
    for leaf in leaves:
        np.lib.format.write_array(stream, np.asarray(leaf), allow_pickle=allow_pickle)
    return stream.getvalue()


def saved(which, header: dict | None = None) -> bytes:
    stream = io.BytesIO()
    write_model(stream, which, header)
    return stream.getvalue()


def read(data: bytes, name: str, source: str = "weights"):
    return read_model(io.BytesIO(data), name, source)


def with_header(**changes) -> bytes:
    """A file of ours of model A with some of its header changed; None takes a key away."""
    line, _, leaves = saved(embedded_a()).partition(b"\n")
    header = {**json.loads(line), **changes}
    return json.dumps({k: v for k, v in header.items() if v is not None}).encode() + b"\n" + leaves


def same(one, two) -> bool:
    return eqx.tree_equal(one, two) is True


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_load_save_is_byte_equal(name, dtype):
    original = model(name, dtype)
    data = saved(original, {"training": "made up", "version": 3})
    again, header = read(data, name)
    assert same(again, original)
    assert saved(again, header) == data
    assert (header["training"], header["version"]) == ("made up", 3)


@pytest.mark.parametrize("name", NAMES)
def test_leaves_make_the_model_they_came_from(name):
    leaves = leaves_of(model(name))
    assert [leaf.shape for leaf in leaves] == leaf_shapes(name)
    assert same(model_from_leaves(name, leaves), model(name))
    assert len(jax.tree.leaves(model(name))) == len(leaves)


def test_the_header_says_what_the_file_holds():
    header = json.loads(saved(embedded_a()).partition(b"\n")[0])
    assert header["format"] == FORMAT
    assert (header["model"], header["dtype"]) == ("A", "float32")
    assert set(header["units"]) == set(BY_NAME)
    assert {name.removesuffix("_log").removesuffix("_minus_one") for name in STORED_NAMES} == set(BY_NAME)


def test_a_header_cannot_lie_about_the_model():
    _, header = read(saved(embedded_a(), {"model": "C", "format": "other", "dtype": "int8"}), "A")
    assert (header["model"], header["format"], header["dtype"]) == ("A", FORMAT, "float32")


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_loads(name, weights_dir):
    data = (weights_dir / f"{name.lower()}.eqx").read_bytes()
    found, header = read(data, name)
    assert header == {}
    assert npy(*leaves_of(found)) == data
    own = saved(found, {"source": "published"})
    assert own.endswith(data)
    assert same(read(own, name)[0], found)


def test_a_finetuned_file_loads_as_model_a(weights_dir):
    files = sorted(weights_dir.glob("a_finetuned_*.eqx"))
    assert files
    for path in files:
        with path.open("rb") as stream:
            assert read_model(stream, "A")[0].name == "A"


def test_the_embedded_model_a_is_the_published_one_bit_for_bit(weights_dir):
    assert npy(*leaves_of(embedded_a())) == (weights_dir / "a.eqx").read_bytes()


def test_published_corrector_files_end_with_model_a(weights_dir):
    for name in "CD":
        with (weights_dir / f"{name.lower()}.eqx").open("rb") as stream:
            assert same(read_model(stream, name)[0].ti, embedded_a().ti)


def test_one_c_file_read_as_d_is_a_d():
    # Published C and D files look the same, which is why the name must be said.
    assert read(npy(*leaves_of(model("C"))), "D")[0].name == "D"


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="expected A, B, C or D, found 'E'"):
        leaf_shapes("E")


def test_the_file_is_named_in_every_error():
    with pytest.raises(ValueError, match=r"^my/c\.eqx: model C has 56 leaves, the file has 9"):
        read(npy(*leaves_of(embedded_a())), "C", "my/c.eqx")


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_too_many_or_too_few_is_refused(name):
    leaves = leaves_of(model(name))
    for wrong in ([*leaves, leaves[-1]], leaves[:-1]):
        with pytest.raises(ValueError, match=f"has {len(leaves)} leaves, the file has {len(wrong)}"):
            read(npy(*wrong), name)


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_of_another_shape_is_refused_with_its_place(name):
    leaves = leaves_of(model(name))
    for index in (0, len(leaves) - 1):
        wrong = list(leaves)
        wrong[index] = np.zeros((*leaves[index].shape, 2), np.float32)
        with pytest.raises(ValueError, match=f"leaf {index} of model {name} has shape"):
            read(npy(*wrong), name)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", ">f4", "complex64", "bool"])
def test_a_published_file_of_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match=r"leaf 0 of model A is .*expected float32"):
        read(npy(*(leaf.astype(dtype) for leaf in leaves_of(embedded_a()))), "A")


def test_leaves_of_mixed_dtype_are_refused():
    leaves = leaves_of(embedded_a())
    leaves[4] = leaves[4].astype("float64")
    with pytest.raises(ValueError, match="leaf 4 of model A is float64, expected float32"):
        read(npy(*leaves), "A")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_leaf_that_is_not_finite_is_refused(bad):
    leaves = leaves_of(model("B"))
    leaves[1] = leaves[1].copy()
    leaves[1][3, 3] = bad
    with pytest.raises(ValueError, match="leaf 1 of model B holds NaN"):
        read(npy(*leaves), "B")


class Explosive:
    """Says so where it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


@pytest.mark.parametrize("place", [0, 4])
def test_pickled_content_is_refused_and_never_unpickled(place):
    leaves = leaves_of(embedded_a())
    pickled = np.empty((), object)
    pickled[()] = Explosive()
    data = npy(*leaves[:place]) + npy(pickled, allow_pickle=True) + npy(*leaves[place + 1 :])
    with pytest.raises(ValueError, match=f"leaf {place} cannot be read"):
        read(data, "A")


@pytest.mark.parametrize("data", [b"", b"not weights at all", b"\x80\x04\x95"])
def test_what_is_no_weight_file_is_refused(data):
    with pytest.raises(ValueError, match=r"damaged"):
        read(data, "A")


@pytest.mark.parametrize("make", [lambda: npy(*leaves_of(embedded_a())), lambda: saved(embedded_a())])
def test_a_file_cut_anywhere_is_refused(make):
    data = make()
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"^weights: "):
            read(data[:length], "A")


@settings(max_examples=400)
@given(ours=st.booleans(), place=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_damaged_byte_ends_in_an_error_that_names_the_file_or_in_another_number(ours, place, byte):
    data = bytearray(saved(embedded_a()) if ours else npy(*leaves_of(embedded_a())))
    data[place % len(data)] = byte
    try:
        found, _ = read(bytes(data), "A", "a.eqx")
    except ValueError as err:
        assert str(err).startswith("a.eqx: ")  # noqa: PT017
    else:
        assert all(np.isfinite(leaf).all() for leaf in leaves_of(found))


def test_a_broken_record_header_is_refused():
    # NumPy's reader has a second parser for old headers, with errors of its own.
    data = npy(*leaves_of(embedded_a())).replace(b"(), }", b"(((((", 1)
    with pytest.raises(ValueError, match="leaf 0 cannot be read"):
        read(data, "A")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "oggm-glaunti-weights-9"}, "expected format"),
        ({"format": None}, "expected format"),
        ({"model": "C"}, "holds model 'C', asked for 'A'"),
        ({"model": None}, "holds model None"),
        ({"dtype": "float64"}, "leaf 0 of model A is float32, expected float64"),
        ({"dtype": "gloat32"}, "gloat32"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        read(with_header(**changes), "A")


def test_a_header_that_is_no_json_is_refused():
    with pytest.raises(ValueError, match="the header is no JSON"):
        read(b'{"format": \n' + npy(*leaves_of(embedded_a())), "A")


def test_a_failing_header_writes_nothing():
    stream = io.BytesIO()
    with pytest.raises(TypeError):
        write_model(stream, embedded_a(), {"training": object()})
    assert stream.getvalue() == b""


def test_any_stream_can_be_read(tmp_path):
    path = tmp_path / "a.weights"
    path.write_bytes(saved(embedded_a()))
    with path.open("rb") as buffered, path.open("rb", buffering=0) as raw:
        assert same(read_model(buffered, "A")[0], embedded_a())
        assert same(read_model(raw, "A")[0], embedded_a())


def test_weights_trained_elsewhere_can_be_written():
    trained = jax.tree.map(jax.numpy.asarray, model_from_leaves("A", leaves_of(embedded_a())))
    assert saved(trained) == saved(embedded_a())


def test_parameters_of_ones_own_make_a_model():
    own = ti_weights(ddf_snow=0.006)
    found, _ = read(saved(eqx.tree_at(lambda m: m.ti, embedded_a(), own)), "A")
    assert float(found.ti.resolve().ddf_snow) == pytest.approx(0.006)


def physical(ti) -> dict[str, float]:
    return {name: entry["value"] for name, entry in physical_values(ti).items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_physical_values_and_back_is_the_same_to_the_last_bit(dtype):
    own = embedded_a().ti
    same = ti_from_physical(physical(own), dtype)
    for name in STORED_NAMES:
        assert getattr(same, name).dtype == dtype
        if dtype == "float32":
            np.testing.assert_array_equal(getattr(same, name), getattr(own, name), err_msg=name)
    assert physical(same) == pytest.approx(physical(own), rel=1e-12 if dtype == "float64" else 1e-15)


@given(
    st.fixed_dictionaries(
        {name: st.floats(1e-4, 50.0) for name in BY_NAME if name not in ("ddf_relative_ice", "snow_to_rain_centre")}
        | {"ddf_relative_ice": st.floats(1.01, 10.0), "snow_to_rain_centre": st.floats(-10.0, 10.0)}
    )
)
def test_physical_values_come_back_whatever_they_are(values):
    assert physical(ti_from_physical(values, np.float64)) == pytest.approx(values, rel=1e-12)
    assert physical(ti_from_physical(values)) == pytest.approx(values, rel=2e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ddf_relative_ice": 1.0}, "ddf_relative_ice: expected a finite number above 1, found 1"),
        ({"ddf_snow": 0.0}, "ddf_snow: expected a finite number above 0, found 0"),
        ({"snow_to_rain_centre": np.nan}, "snow_to_rain_centre: expected a finite number, found nan"),
        ({"prec_scale": np.inf}, "prec_scale: expected a finite number above 0, found inf"),
        ({"albedo": 0.3}, r"missing: \[\], unknown: \['albedo'\]"),
    ],
)
def test_physical_values_that_cannot_be_stored_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        ti_from_physical(physical(embedded_a().ti) | changed)


def test_a_missing_physical_value_is_named():
    values = physical(embedded_a().ti)
    del values["prec_scale"]
    with pytest.raises(ValueError, match=r"missing: \['prec_scale'\]"):
        ti_from_physical(values)
