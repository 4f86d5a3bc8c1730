"""Files made by calling the numerics directly, of other size and length than the published reference; then damaged."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti import shop
from oggm_glaunti.core import corrector
from oggm_glaunti.core.forcing import GriddedForcing, monthly_climate
from oggm_glaunti.core.glaunti import Season, geometry_fields, run_year
from oggm_glaunti.core.gru import run_gru
from oggm_glaunti.core.run import initial_swe, run_ti, season_weights
from oggm_glaunti.core.temperature_index import ti_weights, with_day
from oggm_glaunti.core.weights import embedded_a, leaf_shapes, model_from_leaves
from oggm_glaunti.verification import VerificationError, print_report, reference_runs, scores_against_bands, verify_file
from oggm_glaunti.verification.recipes import Source
from oggm_glaunti.verification.reference_derived import gradients
from oggm_glaunti.verification.report import GRADIENT, allow_for_ties, compare

SHAPE, DAYS, MID = (17, 19), 45, 20


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights A to D in a folder: A is the published one, the others are random."""
    folder, rng = tmp_path_factory.mktemp("weights"), np.random.default_rng(3)
    a = embedded_a()
    for glacier in (None, "Two Words"):
        shop.save_model(a, folder / shop.weights_file("A", glacier), training_data="none")
    for name in "BCD":
        leaves = [rng.normal(0.0, 0.2, shape).astype(np.float32) for shape in leaf_shapes(name)]
        if name != "B":
            leaves[-9:] = [np.asarray(leaf) for leaf in jax.tree.leaves(a)]
        shop.save_model(model_from_leaves(name, leaves), folder / f"{name.lower()}.eqx", training_data="none")
    return folder


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    f32 = np.float32
    facies = rng.random((9, *SHAPE)).astype(f32)
    return {
        "in_dates": np.arange("2018-10-01", "2018-11-15", dtype="datetime64[D]").astype(str),
        "in_mid_index": np.int32(MID),
        "in_temperature": rng.normal(1.0, 5.0, (DAYS, *SHAPE)).astype(f32),
        "in_precipitation": rng.gamma(0.5, 0.01, (DAYS, *SHAPE)).astype(f32),
        "in_outlines": (rng.random(SHAPE) > 0.5).astype(f32),
        "in_elevation": rng.uniform(2000, 3500, SHAPE).astype(f32),
        "in_elevation_std": rng.uniform(2, 8, SHAPE).astype(f32),
        "in_facies": facies,
        "in_climate_monthly": rng.normal(0, 0.3, (2, 13)).astype(f32),
        "in_initial_swe": rng.random(SHAPE).astype(f32),
        "in_series_pixels": rng.integers(0, 17, (5, 2)).astype(np.int32),
        "loss_rows": np.array([1, 16], np.int32),
        "loss_cols": np.array([18, 2], np.int32),
        "loss_obs": np.array([-1, 0.5], f32),
        "loss_begin_offset_days": np.array([0, 3]),
        "loss_end_offset_days": np.array([-5, 0]),
        "loss_total_obs": f32(-0.3),
    }


def seasons_of(x: dict[str, np.ndarray]) -> dict[str, Season]:
    days = {"annual": slice(None), "winter": slice(0, MID + 1), "summer": slice(MID, None)}
    forcing = {
        name: GriddedForcing(x["in_temperature"][part], x["in_precipitation"][part]) for name, part in days.items()
    }
    return {name: Season(f, season_weights(len(f.temp))) for name, f in forcing.items()}


@jax.jit
def outputs_of_a(x: dict[str, jax.Array]) -> dict[str, jax.Array]:
    ti, seasons, outline = embedded_a().ti, seasons_of(x), x["in_outlines"]
    params = ti.resolve()
    rows, cols = x["in_series_pixels"].T
    start = initial_swe(params, SHAPE)
    out = {}
    swe, smb, daily = run_ti(params, start, *seasons["annual"], observe=lambda day: day)
    out |= {"a_annual_smb": smb, "a_annual_swe_end": swe, "a_annual_series_px": daily[:, rows, cols]}
    out["a_annual_series_glacier_mean"] = (daily * outline).sum((1, 2)) / outline.sum()
    out["a_mean_smb"] = (smb * outline).sum() / outline.sum()
    out["a_finetuned_Two_Words_annual_smb"] = smb
    swe, out["a_winter_smb"], _ = run_ti(params, start, *seasons["winter"])
    out["a_summer_swe_end"], out["a_summer_smb"], _ = run_ti(params, swe, *seasons["summer"])
    out["a_annual_initswe_smb"] = run_ti(params, x["in_initial_swe"], *seasons["annual"])[1]
    prior = ti_weights().resolve()
    names = {"classical_annual_smb": "classical", "singleddf_annual_smb": "single_factor"}
    for name, variant in names.items():
        out[name] = run_ti(with_day(prior, variant), initial_swe(prior, SHAPE), *seasons["annual"])[1]
    misfit = out["a_annual_smb"][x["loss_rows"], x["loss_cols"]] - x["loss_obs"]
    scale = 6.355375070295649**2
    out["loss_weights"] = jnp.exp(-(x["loss_begin_offset_days"] ** 2 + x["loss_end_offset_days"] ** 2) / scale)
    out["loss_a_point_err"] = (out["loss_weights"] * misfit**2).sum()
    out["loss_a_total"] = (out["a_mean_smb"] - x["loss_total_obs"]) ** 2
    return out


def finite_differences(x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Derivatives of model A's glacier mean: forward mode along single directions, not the reverse mode under test."""
    ti, outline = embedded_a().ti, x["in_outlines"]
    weight = season_weights(DAYS)

    def mean(temp, log_ddf):
        params = dict(vars(ti))
        params["ddf_snow_log"] = log_ddf
        params = type(ti)(**params).resolve()
        smb = run_ti(params, initial_swe(params, SHAPE), GriddedForcing(temp, x["in_precipitation"]), weight)[1]
        return (smb * outline).sum() / outline.sum()

    @jax.jit
    def derivatives(temp, log_ddf):
        along = lambda day: jax.jvp(lambda t: mean(t, log_ddf), (temp,), (jnp.zeros_like(temp).at[day].set(1.0),))[1]
        return {
            "a_grad_temperature_per_day": jax.vmap(along)(jnp.arange(DAYS)),
            "a_grad_ddf_snow_log": jax.jvp(lambda p: mean(temp, p), (log_ddf,), (jnp.ones_like(log_ddf),))[1],
        }

    return derivatives(x["in_temperature"], ti.ddf_snow_log)


def outputs_of_b_c_d(x: dict[str, np.ndarray], weights: Path) -> dict[str, np.ndarray]:
    seasons, out = seasons_of(x), {}
    b = shop.load_model("B", weights)
    run_b = jax.jit(run_gru, static_argnames="first_day_seen")
    hidden, out["b_winter_smb"], _ = run_b(b, b.initial_state(SHAPE), *seasons["winter"])
    out["b_summer_h_end"], out["b_summer_smb"], _ = run_b(b, hidden, *seasons["summer"], first_day_seen=True)
    run = jax.jit(run_year)
    for name, facies in (("C", None), ("D", x["in_facies"])):
        # One name: models C and D differ in their weights alone, so one compiled program serves both.
        model = dataclasses.replace(shop.load_model(name, weights), name="C")
        fields = geometry_fields(x["in_outlines"], x["in_elevation"], x["in_elevation_std"], facies)
        start = initial_swe(model.ti.resolve(), SHAPE)
        year = run(model, start, (seasons["winter"], seasons["summer"]), fields, x["in_climate_monthly"])
        k = name.lower()
        out |= {f"{k}_winter_smb": year.smb[0], f"{k}_summer_smb": year.smb[1], f"{k}_summer_swe_end": year.swe}
        out |= {f"{k}_seasonal_ds": year.ds, f"{k}_seasonal_extra": year.response}
    return out


@pytest.fixture(scope="module")
def of_a() -> dict[str, np.ndarray]:
    x = inputs()
    numbers = {name: value for name, value in x.items() if name != "in_dates"}
    return x | {name: np.asarray(value) for name, value in outputs_of_a(numbers).items()}


@pytest.fixture
def save(tmp_path: Path):
    def to_file(arrays: dict[str, np.ndarray], name: str = "file.npz") -> Path:
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return to_file


def printed(report) -> str:
    stream = io.StringIO()
    print_report(report, stream)
    return stream.getvalue()


@pytest.mark.slow
def test_every_model_of_a_file_of_another_size_and_length_is_recomputed(weights, of_a, save):
    x = inputs()
    made = of_a | finite_differences(x) | outputs_of_b_c_d(x, weights)
    report = verify_file(save(made), weights)
    assert report.ok, printed(report)
    assert {a.name for a in report.arrays} == made.keys() - x.keys()
    lines = printed(report).splitlines()
    assert f"jax {jax.__version__}, cpu" in lines[0]
    assert "float32" in lines[0]
    assert len(lines) == 2 + len(report.groups)
    assert lines[-1] == f"verified {len(made) - len(x)} arrays, 0 outside tolerance"


def test_an_output_changed_by_more_than_the_tolerance_is_named(weights, of_a, save):
    smb = of_a["a_winter_smb"].copy()
    smb[3, 4] += 3e-5
    report = verify_file(save(of_a | {"a_winter_smb": smb}), weights)
    assert [a.name for a in report.outside] == ["a_winter_smb"]
    assert report.outside[0].absolute == pytest.approx(3e-5, rel=0.1)
    text = printed(report)
    assert "OUTSIDE" in text
    assert "a_winter_smb: differs by 3.0" in text
    assert text.splitlines()[-1].endswith("arrays, 1 outside tolerance")


def test_a_change_within_the_tolerance_passes(weights, of_a, save):
    assert verify_file(save(of_a | {"a_winter_smb": of_a["a_winter_smb"] + np.float32(1e-5)}), weights).ok


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_nan_or_infinity_in_an_output_is_outside(weights, of_a, save, damage):
    smb = of_a["a_winter_smb"].copy()
    smb[0, 0] = damage
    assert [a.name for a in verify_file(save(of_a | {"a_winter_smb": smb}), weights).outside] == ["a_winter_smb"]


def test_infinity_in_a_gradient_does_not_widen_its_tolerance(weights, save):
    assert not verify_file(save(inputs() | {"a_grad_ddf_snow_log": np.float32(np.inf)}), weights).ok


@pytest.mark.slow
def test_gradients_are_compared_in_relation_to_the_largest(weights, of_a, save):
    exact = finite_differences(inputs())
    for factor, ok in ((1 + 5e-5, True), (1 + 5e-4, False)):
        name = "a_grad_temperature_per_day"
        made = inputs() | {name: np.asarray(exact[name]) * np.float32(factor)}
        assert verify_file(save(made), weights).ok is ok


def test_the_sharpness_gradient_has_a_tolerance_of_its_own(weights, save):
    made = inputs() | {"a_grad_t_softplus_sharpness_log": np.float32(1.0), "a_grad_prec_scale_log": np.float32(1.0)}
    sharpness, other = verify_file(save(made), weights).arrays
    assert (sharpness.limit, other.limit) == pytest.approx((1e-3, 1e-4))


@pytest.mark.parametrize("name", ["e_annual_smb", "a_annual_albedo", "a_winter_h_end", "loss_unheard_of"])
def test_an_output_without_a_recipe_counts_as_outside(weights, of_a, save, name):
    report = verify_file(save(of_a | {name: np.zeros(SHAPE)}), weights)
    assert [(a.name, a.group) for a in report.outside] == [(name, "not recomputed")]


def test_an_output_of_another_shape_is_outside(weights, of_a, save):
    report = verify_file(save(of_a | {"a_mean_smb": np.zeros((2, 2), np.float32)}), weights)
    assert "a_mean_smb: shape (2, 2) in the file, recomputed ()" in printed(report)
    assert not report.ok


def test_parameters_of_other_weights_are_refused(weights, of_a, save):
    with pytest.raises(VerificationError, match=r"a_param_ddf_snow_log is -5\.0, the weights used have -5\.3055"):
        verify_file(save(of_a | {"a_param_ddf_snow_log": np.float32(-5.0)}), weights)
    with pytest.raises(VerificationError, match=r"classical_param_albedo is 0\.5, .* no such parameter"):
        verify_file(save(of_a | {"classical_param_albedo": np.float32(0.5)}), weights)


def test_nan_in_an_input_is_an_error_that_names_field_and_place(weights, of_a, save):
    temp = of_a["in_temperature"].copy()
    temp[7, 1, 2] = np.nan
    with pytest.raises(VerificationError, match=r"in_temperature: 1 of .* the first at index \(7, 1, 2\)"):
        verify_file(save(of_a | {"in_temperature": temp}), weights)


def test_a_missing_input_is_named(weights, of_a, save):
    with pytest.raises(VerificationError, match="no array 'in_initial_swe'"):
        verify_file(save({k: v for k, v in of_a.items() if k != "in_initial_swe"}), weights)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("in_series_pixels", np.array([[0, 19]]), "row 0, column 19"),
        ("in_series_pixels", np.zeros((3, 3), np.int32), r"in_series_pixels: expected shape \(3, 2\)"),
        ("in_mid_index", np.int32(44), "a season needs at least 2 days"),
        ("in_outlines", np.ones((4, 4), np.float32), r"in_outlines: expected shape \(17, 19\), found \(4, 4\)"),
        ("loss_obs", np.zeros(3), r"loss_obs: expected shape \(2,\), found \(3,\)"),
    ],
)
def test_inputs_that_do_not_fit_are_errors_that_say_how(weights, of_a, save, name, value, message):
    with pytest.raises(VerificationError, match=message):
        verify_file(save(of_a | {name: value}), weights)


def test_a_grid_too_small_for_the_corrector_is_an_error(weights, save):
    x = inputs()
    small = {name: value[..., :12, :12] for name, value in x.items() if value.shape[-2:] == SHAPE}
    small |= {"in_series_pixels": np.zeros((1, 2), np.int32), "c_annual_smb": np.zeros((12, 12), np.float32)}
    with pytest.raises(VerificationError, match=r"c_annual_smb cannot be recomputed: .* at least 16 x 16 cells"):
        verify_file(save(x | small), weights)


def test_a_file_of_inputs_only_verifies_nothing(weights, save):
    with pytest.raises(VerificationError, match="nothing to verify"):
        verify_file(save(inputs()), weights)


def test_files_that_are_none_of_the_layouts_are_refused(weights, save, tmp_path):
    with pytest.raises(VerificationError, match="unknown layout, found smb"):
        verify_file(save({"smb": np.zeros(3)}), weights)
    with pytest.raises(FileNotFoundError, match=r"gone\.npz: no such file"):
        verify_file(tmp_path / "gone.npz", weights)
    (tmp_path / "text.npz").write_text("smb")
    with pytest.raises(VerificationError, match=r"not an \.npz"):
        verify_file(tmp_path / "text.npz", weights)
    with pytest.raises(VerificationError, match=r"cannot be read as \.npz"):
        verify_file(save({"in_temperature": np.array([{}], object)}), weights)


def test_weights_that_are_missing_or_damaged_are_named(weights, of_a, save, tmp_path):
    with pytest.raises(VerificationError, match="nowhere: no such folder"):
        verify_file(save(of_a), tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"a\.eqx"):
        verify_file(save(of_a), empty)
    (empty / "a.eqx").write_bytes((weights / "a.eqx").read_bytes()[:-3])
    with pytest.raises(VerificationError, match=r"a\.eqx: leaf 8 cannot be read"):
        verify_file(save(of_a), empty)


# --- a real glacier ---------------------------------------------------------------------------------------------------


def real_glacier(weights: Path) -> dict[str, np.ndarray]:
    """A leap year after another year; weather as full fields, without padding."""
    rng, f32 = np.random.default_rng(5), np.float32
    dates = np.arange("2018-10-01", "2020-10-01", dtype="datetime64[D]")
    elevation = np.linspace(2400, 3300, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(f32)
    outline = (rng.random(SHAPE) > 0.4).astype(f32)
    temp = -4 + 8 * np.sin(np.arange(dates.size) / 58.0) + rng.normal(size=dates.size)
    prcp = rng.gamma(0.4, 0.01, dates.size)
    x = {"elevation": elevation, "outlines": outline, "years": np.array([2019, 2020]), "elevation_std": 3.0}
    x |= {"forcing_dates": dates.astype(str), "forcing_temp": temp, "forcing_prcp_m": prcp}
    x |= {"ref_hgt": 2900.0, "lapse_rate": -0.006, "initial_swe": 0.03}
    a, c = embedded_a(), shop.load_model("C", weights)
    fields = geometry_fields(outline, elevation, np.full(SHAPE, 3.0, f32))
    swe_a = swe_c = np.full(SHAPE, 0.03, f32)
    run_a, run_c = jax.jit(run_ti), jax.jit(run_year)
    years = []
    for year in (2019, 2020):
        inside = (dates >= np.datetime64(f"{year - 1}-10-01")) & (dates < np.datetime64(f"{year}-10-01"))
        grid = (temp[inside, None, None] - 0.006 * (elevation - 2900.0)).astype(f32)
        forcing = GriddedForcing(grid, np.broadcast_to(prcp[inside, None, None], grid.shape).astype(f32))
        season = Season(forcing, season_weights(int(inside.sum())))
        mean_temp = (grid * outline).sum((1, 2), dtype=np.float64) / outline.sum()
        climate = monthly_climate(dates[inside], mean_temp, prcp[inside])
        swe_a, smb_a, _ = run_a(a.ti.resolve(), swe_a, *season)
        made = run_c(c, swe_c, (season,), fields, climate)
        swe_c = made.swe
        years.append((smb_a, made.smb[0], swe_a, swe_c, made.ds, climate))
    names = ("smb_a", "smb_c", "swe_a", "swe_c", "ds", "climate_monthly")
    return x | {name: np.stack(maps) for name, maps in zip(names, zip(*years, strict=True), strict=True)}


@pytest.fixture(scope="module")
def real(weights: Path) -> dict[str, np.ndarray]:
    return real_glacier(weights)


@pytest.mark.slow
def test_a_real_glacier_is_recomputed_year_by_year(weights, real, save):
    report = verify_file(save(real), weights)
    assert report.ok, printed(report)
    assert [(g.name, len(g.arrays)) for g in report.groups] == [
        ("balance", 2),
        ("snow", 2),
        ("corrections", 1),
        ("monthly climate", 1),
    ]
    changed = real["swe_c"].copy()
    changed[1, 2, 3] += 1e-3
    assert [a.name for a in verify_file(save(real | {"swe_c": changed}), weights).outside] == ["swe_c"]


def test_weather_that_misses_a_day_is_named(weights, real, save):
    kept = np.arange(len(real["forcing_dates"])) != 400
    gap = {name: real[name][kept] for name in ("forcing_dates", "forcing_temp", "forcing_prcp_m")}
    with pytest.raises(VerificationError, match="forcing_dates has 365 days of 2019-10-01 to 2020-09-30, expected 366"):
        verify_file(save(real | gap), weights)


@pytest.mark.slow
def test_years_with_a_gap_are_refused(weights, real, save):
    with pytest.raises(VerificationError, match=r"\[2019, 2021\] are not consecutive"):
        verify_file(save(real | {"years": np.array([2019, 2021])}), weights)


def write_rows(path: Path, rows: list[tuple]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("g", "y", "z", "obs"), *rows])
    return path


def test_band_scores_are_means_of_cells_within_25_m(tmp_path):
    elevation = np.array([[2975.0, 3000.0, 3025.0, 3026.0], [3100.0, 3100.0, 3100.0, 3100.0]])
    outline = np.array([[1, 1, 1, 1], [1, 0, 1, 0]])
    smb = np.array([[[1.0, 2.0, 6.0, 99.0], [-1.0, 99.0, -3.0, 99.0]]])
    rows = [("HEF", 2019, 3000, 2.0), ("HEF", 2019, 3100, -1.0), ("other", 2019, 3100, 5.0), ("HEF", 2018, 3000, 7.0)]
    scores = scores_against_bands(smb, smb - 1, elevation, outline, write_rows(tmp_path / "rows.csv", rows), [2019])
    found = {name: (s.r, s.rmse, s.bias, s.n) for name, s in scores.items()}
    assert found["A"] == pytest.approx((1.0, 1.0, 0.0, 2))
    assert found["C"] == pytest.approx((1.0, np.sqrt(2.0), -1.0, 2))


def test_band_rows_that_cannot_be_used_say_why(tmp_path):
    smb, grid = np.zeros((1, 2, 2)), np.full((2, 2), 3000.0)
    rows = write_rows(tmp_path / "rows.csv", [("HEF", 2019, 3000, 2.0), ("HEF", 2019, 2000, 2.0)])
    with pytest.raises(VerificationError, match=r"no cell of the outline within 25 m of the band at 2000 m"):
        scores_against_bands(smb, smb, grid, np.ones((2, 2)), rows, [2019])
    with pytest.raises(VerificationError, match=r"no rows of glacier 'HEF' and the years \[2011\]"):
        scores_against_bands(smb, smb, grid, np.ones((2, 2)), rows, [2011])
    (tmp_path / "bad.csv").write_text("g,y\n")
    with pytest.raises(VerificationError, match="no column obs, z"):
        scores_against_bands(smb, smb, grid, np.ones((2, 2)), tmp_path / "bad.csv", [2019])


def test_bands_beside_the_file_are_scored_and_never_cost_the_report(weights, real, save, tmp_path):
    heights = np.arange(2450, 3300, 50)
    rows = [("HEF", year, z, z / 1000 - 3) for year, z in itertools.product((2019, 2020), heights)]
    write_rows(tmp_path / "hef_rows.csv", rows)
    report = verify_file(save(real, "hef.npz"), weights)
    assert [line.split(":")[0] for line in report.remarks] == ["elevation bands, model A", "elevation bands, model C"]
    assert report.remarks[0].endswith(f"n = {len(rows)}")
    assert printed(report).splitlines()[-2] == report.remarks[1]
    write_rows(tmp_path / "hef_rows.csv", [("HEF", 2019, 9000, 0.0)])
    report = verify_file(tmp_path / "hef.npz", weights)
    assert report.ok
    assert report.remarks[0].startswith("no scores against elevation bands")


# --- the published reference ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_119_outputs_of_the_published_code_are_reproduced(shared: Path, weights_dir: Path):
    report = verify_file(shared / "reference" / "glaunti_reference.npz", weights_dir)
    print_report(report)
    assert report.ok
    assert len(report.arrays) == 119


@pytest.mark.slow
def test_hintereisferner_of_the_published_code_is_reproduced(shared: Path, weights_dir: Path):
    report = verify_file(shared / "reference" / "hef_real.npz", weights_dir)
    print_report(report)
    assert report.ok
    assert len(report.arrays) == 6
    assert report.remarks == (
        "elevation bands, model A: r 0.899, RMSE 0.997 m w.e., bias -0.400 m w.e., n = 148",
        "elevation bands, model C: r 0.879, RMSE 1.016 m w.e., bias -0.148 m w.e., n = 148",
    )


# --- cells that tie in a max pooling ---------------------------------------------------------------------------------


def test_only_entries_between_both_choices_are_explained_by_a_tie():
    found, expected = np.array([2.0, 0.5, -0.1]), np.array([2.0, 0.2, -0.1])
    lowest, highest = np.array([2.0, 0.0, -0.1]), np.array([2.0, 0.5, -0.1])
    plain = compare("fields", "gradients", found, expected, GRADIENT)
    tied = allow_for_ties(plain, found, expected, lowest, highest)
    assert not plain.ok
    assert tied.ok
    assert tied.ties.startswith("1 of 3 entries differ by up to 3.00e-01, as cells tie in a max pooling; all others by")
    for beyond in (-0.01, 0.51):  # neither choice gives that
        away = np.array([2.0, beyond, -0.1])
        assert not allow_for_ties(compare("fields", "g", found, away, GRADIENT), found, away, lowest, highest).ok
    another = np.array([2.0, 0.2, -0.099])
    both = allow_for_ties(compare("fields", "g", found, another, GRADIENT), found, another, lowest, highest)
    assert not both.ok
    assert both.absolute == pytest.approx(1e-3)
    assert not allow_for_ties(plain, found, expected * np.nan, lowest, highest).ok


class PoolingTie:
    """A window of the first max pooling in which two cells tie; the height of `cell` says which is larger."""

    def __init__(self, weights: Path):
        self.model = shop.load_model("C", weights)
        self.x = inputs()
        self.response = np.asarray(self.source(self.x).once(reference_runs.corrected_annual, m="c")["extra"])
        cells = self.windows(self.x)
        order = np.argsort(cells, axis=-1)
        gap = np.diff(np.take_along_axis(cells, order[..., 2:], -1), axis=-1)[..., 0]
        self.at = np.unravel_index(gap.argmin(), gap.shape)
        self.pair, self.cell = order[self.at][2:], (2 * self.at[0], 2 * self.at[1])
        self.gradients = functools.cache(self.gradients)

    def source(self, x):
        return Source("test", x, lambda name, glacier=None: self.model if name == "C" else embedded_a())

    def windows(self, x) -> np.ndarray:
        """Cells (h, w, channel, 4) from which the first max pooling takes the largest."""
        fields = self.source(x).once(reference_runs.corrector_inputs, m="c")[1]
        channels = jnp.moveaxis(jnp.concatenate([self.response, fields]), 0, -1)[None]
        branch = self.model.corrector.branch_2d
        kernel = corrector.first_kernel(branch, channels.shape[-1])
        (found,) = corrector._double_conv(branch.downs[0], corrector.first_channels(channels, None), None, kernel)
        h, w = found.shape[0] // 2, found.shape[1] // 2
        pairs = found[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1)
        return np.asarray(pairs.transpose(0, 2, 4, 1, 3).reshape(h, w, -1, 4))

    def with_height(self, height) -> dict[str, np.ndarray]:
        elevation = self.x["in_elevation"].copy()
        elevation[self.cell] = height
        return self.x | {"in_elevation": elevation}

    def gap(self, height) -> float:
        first, second = self.windows(self.with_height(height))[self.at][self.pair]
        return float(first - second)

    def gradients(self, height) -> np.ndarray:
        return np.asarray(self.source(self.with_height(height)).once(gradients, m="c")["corrector_fields"])

    def both_sides(self) -> tuple[np.float32, np.float32]:
        """Neighbouring heights with different gradients."""
        heights = np.linspace(1500.0, 4000.0, 26, dtype=np.float32)
        signs = np.sign([self.gap(height) for height in heights])
        k = int(np.flatnonzero(np.diff(signs))[0])
        low, high = bisected(heights[k], heights[k + 1], lambda height: np.sign(self.gap(height)) == signs[k])
        # The program of the gradients rounds otherwise.
        low, high = low - 1024 * np.spacing(low), high + 1024 * np.spacing(high)
        first = self.gradients(low)
        # Between both choices cells are equal, and each has half of the gradient.
        same = lambda height: np.abs(self.gradients(height) - first).max() < 1e-4 * np.abs(first).max()
        return bisected(low, high, same)


def bisected(low: np.float32, high: np.float32, is_low) -> tuple[np.float32, np.float32]:
    """Neighbouring numbers, the first of which is still like `low`."""
    while np.nextafter(low, high) < high:
        middle = np.float32((low + high) / 2)
        low, high = (middle, high) if is_low(middle) else (low, middle)
    return low, high


@pytest.mark.slow
def test_a_gradient_that_jumps_where_two_cells_tie_is_said_apart_and_all_else_keeps_its_bound(weights, save):
    tie = PoolingTie(weights)
    low, high = tie.both_sides()
    here, ours, theirs = tie.with_height(low), tie.gradients(low), tie.gradients(high)
    largest = np.abs(theirs).max()
    jump = np.abs(ours - theirs) > 1e-4 * largest
    assert 0 < jump.sum() < jump.size
    report = verify_file(save(here | {"c_grad_corrector_fields": theirs}), weights)
    assert report.ok, printed(report)
    assert f"c_grad_corrector_fields: {jump.sum()} of {jump.size} entries differ by up to" in printed(report)
    calm = np.unravel_index(np.abs(ours - theirs).argmin(), ours.shape)
    for change in (1e-3, np.nan):
        damaged = theirs.copy()
        damaged[calm] += change * largest
        assert not verify_file(save(here | {"c_grad_corrector_fields": damaged}), weights).ok
    assert not verify_file(save(here | {"c_grad_corrector_fields": 1.01 * theirs}), weights).ok
