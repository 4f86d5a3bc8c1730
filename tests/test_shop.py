"""Weights are found in the order promised, checked, and missed with three ways out."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from oggm_glaunti import files, settings, shop

from .downloads.server import serving


@pytest.fixture
def no_env(monkeypatch):
    monkeypatch.delenv(settings.WEIGHTS_ENV, raising=False)


@pytest.fixture
def offline(oggm_env, no_env):
    from oggm import cfg

    cfg.PARAMS["has_internet"] = False
    cfg.PATHS["dl_cache_dir"] = str(oggm_env / "dl_cache")
    return oggm_env


def cache_folder(folder):
    return folder / "dl_cache" / "raw.githubusercontent.com" / shop.WEIGHTS.url.split(".com/")[1]


def test_checksums_are_those_of_the_published_files(weights_dir):
    assert {path.name: shop.sha256_of(path) for path in weights_dir.glob("*.eqx")} == shop.WEIGHTS_SHA256


def test_an_explicit_path_comes_before_the_environment(weights_dir, tmp_path, monkeypatch):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(tmp_path))
    assert shop.find_weights("C", weights_dir) == weights_dir / "c.eqx"
    assert shop.find_weights("C", weights_dir / "c.eqx") == weights_dir / "c.eqx"


def test_the_environment_names_a_folder_or_a_file(weights_dir, monkeypatch):
    for place in (weights_dir, weights_dir / "c.eqx"):
        monkeypatch.setenv(settings.WEIGHTS_ENV, str(place))
        assert shop.find_weights("C") == weights_dir / "c.eqx"


def test_finetuned_files_have_spaces_in_their_names(weights_dir):
    found = shop.find_weights("A", weights_dir, glacier="Grosser Aletsch")
    assert found.name == "a_finetuned_Grosser Aletsch.eqx"
    assert shop.load_model("A", weights_dir, "Grosser Aletsch").name == "A"


def test_the_cache_is_found_without_a_network(offline, weights_dir):
    folder = cache_folder(offline)
    folder.mkdir(parents=True)
    shutil.copy(weights_dir / "c.eqx", folder / "c.eqx")
    assert shop.find_weights("C") == folder / "c.eqx"


def test_a_damaged_file_in_the_cache_is_refused_by_its_checksum(offline, weights_dir):
    folder = cache_folder(offline)
    folder.mkdir(parents=True)
    (folder / "c.eqx").write_bytes((weights_dir / "c.eqx").read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match="expected SHA-256 fd70a9367a43"):
        shop.find_weights("C")


def test_weights_are_downloaded_to_the_cache_and_checked(offline, weights_dir, monkeypatch):
    from oggm import cfg

    from oggm_glaunti.downloads import http

    cfg.PARAMS["has_internet"] = True
    monkeypatch.setattr(http, "RETRIES", 0)
    place = f"{shop.WEIGHTS.place(Path())}/c.eqx"
    content = (weights_dir / "c.eqx").read_bytes()
    with serving({place: content[:-1] + b"\0"}) as server:
        monkeypatch.setenv(settings.MIRROR_ENV, server.address)
        with pytest.raises(shop.WeightsNotFoundError, match=r"hash .* does not match[\s\S]*Three ways out"):
            shop.find_weights("C")
        server.content[place] = content
        assert shop.find_weights("C") == cache_folder(offline) / "c.eqx"
    assert [path.name for path in cache_folder(offline).iterdir()] == ["c.eqx"]


@pytest.mark.parametrize("allow_download", [True, False])
def test_missing_weights_are_one_error_with_three_ways_out(offline, allow_download):
    with pytest.raises(shop.WeightsNotFoundError) as error:
        shop.find_weights("C", allow_download=allow_download)
    message = str(error.value)
    for part in (
        "path of the file",
        settings.WEIGHTS_ENV,
        "internet connection",
        str(offline / "dl_cache"),
        "model='A'",
    ):
        assert part in message


def test_a_path_that_is_wrong_is_named(tmp_path, no_env):
    with pytest.raises(shop.WeightsNotFoundError, match="nowhere"):
        shop.find_weights("C", tmp_path / "nowhere.eqx")


def test_model_a_needs_no_file(monkeypatch, tmp_path):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(tmp_path))
    loaded = shop.load("A")
    assert loaded.source == "embedded"
    assert loaded.model.corrector is None


def test_another_model_and_a_finetuned_c_are_refused():
    with pytest.raises(ValueError, match="expected A, B, C or D, found 'E'"):
        shop.weights_file("E")
    with pytest.raises(ValueError, match="only model A was finetuned"):
        shop.weights_file("C", "Gries")


def test_a_saved_model_is_loaded_again(tmp_path):
    from oggm_glaunti.core.weights import leaves_of, read_model

    path = shop.save_model(shop.load_model("A"), tmp_path / "mine.eqx", training_data="none")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.eqx"]
    _, header = read_model(io.BytesIO(path.read_bytes()), "A")
    assert header["training_data"] == "none"
    assert header["package_version"]
    assert all(
        a == b for a, b in zip(leaves_of(shop.load_model("A", path)), leaves_of(shop.load_model("A")), strict=True)
    )


def test_a_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oggm_glaunti.core.weights.write_model", full)
    with pytest.raises(OSError, match="No space left"):
        shop.save_model(shop.load_model("A"), tmp_path / "mine.eqx", training_data="none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("through", ["path", "environment"])
def test_another_models_published_file_is_refused(weights_dir, monkeypatch, through):
    given = weights_dir / "d.eqx"
    if through == "environment":
        monkeypatch.setenv(settings.WEIGHTS_ENV, str(given))
    with pytest.raises(ValueError, match=r"holds the published d\.eqx, expected c\.eqx"):
        shop.load("C", given if through == "path" else None)


def test_a_damaged_file_under_a_published_name_is_refused(weights_dir, tmp_path):
    content = bytearray((weights_dir / "c.eqx").read_bytes())
    content[-3] ^= 1
    (tmp_path / "c.eqx").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        shop.load("C", tmp_path)


def test_a_finetuned_a_is_a_model_a(weights_dir):
    found = shop.load("A", weights_dir / "a_finetuned_Grosser Aletsch.eqx")
    assert found.sha256 == shop.WEIGHTS_SHA256["a_finetuned_Grosser Aletsch.eqx"]


def test_a_folder_without_the_file_leads_on_to_the_cache(offline, weights_dir, monkeypatch):
    folder = cache_folder(offline)
    folder.mkdir(parents=True)
    shutil.copy(weights_dir / "c.eqx", folder / "c.eqx")
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(offline))
    assert shop.find_weights("C") == folder / "c.eqx"
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(offline / "nowhere"))
    with pytest.raises(shop.WeightsNotFoundError, match="nowhere"):
        shop.find_weights("C")


def test_weights_of_our_own_in_float64_are_used_in_float32(tmp_path):
    import numpy as np

    from oggm_glaunti.core.weights import leaves_of, model_from_leaves

    double = model_from_leaves("A", [leaf.astype(np.float64) for leaf in leaves_of(shop.load_model("A"))])
    path = shop.save_model(double, tmp_path / "mine.eqx", training_data="none")
    assert all(leaf.dtype == np.float32 for leaf in leaves_of(shop.load_model("A", path)))


def test_a_file_rewritten_to_the_same_size_and_time_has_its_own_checksum(tmp_path, monkeypatch):
    path = tmp_path / "mine.eqx"
    for i in range(20):  # one after the other, within a step of the file system's clock
        path.write_bytes(b"%03d" % i)
        assert shop.sha256_of(path) == hashlib.sha256(b"%03d" % i).hexdigest()
    monkeypatch.setattr(files, "unsettled_for", lambda state: 0.0)  # as if it had been there for long
    before = path.stat()
    shop.sha256_of(path)
    time.sleep(0.02)
    path.write_bytes(b"new")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shop.sha256_of(path) == hashlib.sha256(b"new").hexdigest()


def test_a_damaged_number_in_weights_of_our_own_is_noticed(tmp_path):
    path = shop.save_model(shop.load_model("A"), tmp_path / "mine.eqx", training_data="none")
    content = bytearray(path.read_bytes())
    content[-2] ^= 1  # another finite number
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.eqx: the header says SHA-256 .* the file is damaged or was edited"):
        shop.load("A", path)


def test_weights_of_an_earlier_version_have_no_checksum_and_are_read(tmp_path):
    path = shop.save_model(shop.load_model("A"), tmp_path / "mine.eqx", training_data="none")
    head, _, records = path.read_bytes().partition(b"\n")
    assert json.loads(head)["sha256"] == hashlib.sha256(records).hexdigest()
    old = {name: value for name, value in json.loads(head).items() if name != "sha256"}
    path.write_bytes(json.dumps(old).encode() + b"\n" + records)
    assert shop.load("A", path).model.name == "A"


def test_a_file_too_large_for_weights_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "mine.eqx"
    with path.open("wb") as stream:
        stream.truncate(3 * 2**30)
    monkeypatch.setattr(shop, "sha256_of", None)
    for name in ("A", "C"):
        with pytest.raises(ValueError, match=rf"mine\.eqx: 3,221,225,472 bytes are no weights of model {name}"):
            shop.load(name, path)


def test_a_letter_may_be_small(weights_dir):
    assert shop.load("a").model.name == shop.load_model("a", weights_dir).name == "A"
    assert shop.find_weights("c", weights_dir) == weights_dir / "c.eqx"
