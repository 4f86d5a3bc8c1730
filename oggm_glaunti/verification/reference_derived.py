"""What a reference file derives from runs: gradients, losses; and the parameters it lists."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np

from oggm_glaunti.core.glaunti import GlaUnTI
from oggm_glaunti.core.parameters import STORED_NAMES, physical_numbers
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.core.weights import leaves_of
from oggm_glaunti.fit.data.date_weights import date_weights
from oggm_glaunti.fit.training import losses
from oggm_glaunti.verification import reference_runs as runs
from oggm_glaunti.verification.recipes import Outputs, Registry, Source
from oggm_glaunti.verification.report import GRADIENT, LOSS, SHARPNESS_GRADIENT, VerificationError

recipe = Registry()

PARAMETER = re.compile(r"(a|classical|singleddf)_param_.+")
SHARPNESS = "t_softplus_sharpness_log"
FORCING_GRADIENTS = "(?P<what>temperature_per_day|temperature_map|precipitation_per_day)"
# Gradients that flow through the corrector's max pooling.
TIED = ("corrector_fields", "corrector_leaf_norms")
GRADIENT_NAMES = "|".join(name for name in STORED_NAMES if name != SHARPNESS)


# How often, and by how many units in the last place, the corrector's inputs are moved to find cells that tie: the sums
# of a convolution differ by some units from machine to machine.
DRAWS, UNITS = 16, 16.0


def gradients_under_rounding(source: Source, m: str) -> Outputs:
    """Lowest and highest derivatives while the corrector's inputs move by rounding: the max pooling takes either cell.

    Everything else in the network is smooth, so that only entries behind cells that tie change by more than rounding.
    """
    _, fields, _ = source.once(runs.corrector_inputs, m=m)
    response, rng = source.once(runs.corrected_annual, m=m)["extra"], np.random.default_rng(0)
    moved = []
    for _ in range(DRAWS):
        inputs = (np.asarray(array) for array in (fields, response))
        moved.append(_gradients(source, m, *(_moved(array, rng) for array in inputs)))
    drawn = [source.once(gradients, m=m), *moved]
    stacked = {name: np.stack([np.asarray(one[name], np.float64) for one in drawn]) for name in TIED}
    return {name: (values.min(axis=0), values.max(axis=0)) for name, values in stacked.items()}


def _moved(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    step = UNITS * np.finfo(values.dtype).eps
    return (values * (1.0 + step * rng.uniform(-1.0, 1.0, values.shape))).astype(values.dtype)


@recipe(f"(?P<m>[acd])_grad_(?P<what>{SHARPNESS})", "gradients: t_softplus sharpness", SHARPNESS_GRADIENT)
@recipe(f"(?P<m>[acd])_grad_(?P<what>{GRADIENT_NAMES})", "gradients of {m}: parameters", GRADIENT)
@recipe(f"(?P<m>[acd])_grad_{FORCING_GRADIENTS}", "gradients of {m}: weather", GRADIENT)
@recipe(r"(?P<m>a)_grad_(?P<what>t_pos_shift)", "gradients of {m}: parameters", GRADIENT)
@recipe(
    f"(?P<m>[cd])_grad_(?P<what>{'|'.join(TIED)})", "gradients of {m}: corrector", GRADIENT, gradients_under_rounding
)
@recipe(r"(?P<m>[cd])_grad_(?P<what>climate_monthly|out_conv_bias)", "gradients of {m}: corrector", GRADIENT)
def gradients(source: Source, m: str) -> Outputs:
    """Compute derivatives of the glacier's annual balance, in reverse mode; none flows through the response fields."""
    if m == "a":
        return _gradients(source, m, None, None)
    _, fields, _ = source.once(runs.corrector_inputs, m=m)
    return _gradients(source, m, fields, source.once(runs.corrected_annual, m=m)["extra"])


def _gradients(source: Source, m: str, fields: Any, response: Any) -> Outputs:
    outline, season = runs.outline_of(source), source.once(runs.seasons_of)["annual"]
    if m == "a":
        model, climate = source.model("A"), None
    else:
        model, _, climate = source.once(runs.corrector_inputs, m=m)
    temp = season.forcing.temp
    shapes = {"temperature_map": temp.shape[1:], "t_pos_shift": ()}
    shapes |= dict.fromkeys(("temperature_per_day", "precipitation_per_day"), temp.shape[:1])
    shifts = {name: jnp.zeros(shape, temp.dtype) for name, shape in shapes.items()}
    found = runs.mean_smb_gradients(model, shifts, fields, climate, response, season, outline)
    of_model, of_shifts, of_fields, of_climate = found
    outputs = {**of_shifts, **{name: getattr(of_model.ti, name) for name in STORED_NAMES}}
    if m != "a":
        norms = [np.linalg.norm(leaf) for leaf in leaves_of(of_model)[: -len(STORED_NAMES)]]
        outputs |= {"out_conv_bias": of_model.corrector.out_bias, "corrector_leaf_norms": norms}
        outputs |= {"corrector_fields": of_fields, "climate_monthly": of_climate}
    return outputs


@recipe(r"loss_(?P<what>weights|a_point_err|a_point_w|a_total)", "losses and regularisers", LOSS)
def loss_terms(source: Source) -> Outputs:
    """Errors of model A's year against points and a glacier-wide balance."""
    smb = source.once(runs.a_annual)["smb"]
    names = ("rows", "cols", "obs", "begin_offset_days", "end_offset_days")
    rows, cols, obs, begin, end = (source.finite(f"loss_{n}", source["loss_rows"].shape) for n in names)
    weights = date_weights(begin, end)
    error, weight = losses.point_error(smb, rows, cols, obs, weights)
    total = losses.glacier_error(smb, runs.outline_of(source), source.finite("loss_total_obs", ()))
    return {"weights": weights, "a_point_err": error, "a_point_w": weight, "a_total": total}


@recipe(r"loss_(?P<what>reg_ti)_a", "losses and regularisers", LOSS)
@recipe(r"loss_(?P<what>reg_ti)_a_finetuned_(?P<glacier>.+)", "losses and regularisers", LOSS)
def regulariser_of_ti(source: Source, glacier: str | None = None) -> Outputs:
    """How far model A's parameters are from their priors."""
    model = source.model("A", None if glacier is None else glacier.replace("_", " "))
    return {"reg_ti": losses.ti_regulariser(model.ti, ti_weights())}


@recipe(r"(?P<m>[cd])_(?P<what>reg_ti_corr)_annual", "losses and regularisers", LOSS)
def regulariser_of_corrections(source: Source, m: str) -> Outputs:
    """How far the corrections of the year go."""
    ds = source.once(runs.corrected_annual, m=m)["ds"]
    return {"reg_ti_corr": losses.corrector_regulariser(ds, runs.outline_of(source))}


def expected_parameters(a: GlaUnTI) -> dict[str, float]:
    """Parameters that a reference file may list: those of model A and the priors of the two variants."""
    prior = ti_weights()
    values = physical_numbers(prior)
    half_length = 2.0 / values["snow_to_rain_steepness"]
    classical = {
        "snow_to_rain_left_bound": values["snow_to_rain_centre"] - half_length,
        "snow_to_rain_length": 2.0 * half_length,
        **{k: values[k] for k in ("ddf_relative_ice", "ddf_snow", "prec_scale", "snow_depletion_centre")},
    }
    kept = ("prec_scale_log", "snow_to_rain_centre", "snow_to_rain_steepness_log", "t_softplus_sharpness_log")
    single = {k: float(getattr(prior, k)) for k in kept}
    single["ddf_log"] = float(np.log(0.5 * values["ddf_snow"] * (1.0 + values["ddf_relative_ice"])))
    listed = {"a": {k: float(getattr(a.ti, k)) for k in STORED_NAMES}, "classical": classical, "singleddf": single}
    return {f"{model}_param_{k}": value for model, of in listed.items() for k, value in of.items()}


def check_parameters(source: Source) -> None:
    """Refuse a file whose listed parameters are not those of the weights in use.

    Raises
    ------
    VerificationError
        naming parameter, file's value and ours
    """
    listed = [name for name in source.arrays if PARAMETER.fullmatch(name)]
    expected = expected_parameters(source.model("A")) if listed else {}
    for name in listed:
        found = source[name]
        if name not in expected or found.shape != () or not np.isclose(found, expected[name], rtol=1e-6, atol=0):
            value = float(found) if found.shape == () else f"shape {found.shape}"
            raise VerificationError(
                f"{source.path}: {name} is {value}, the weights used have {expected.get(name, 'no such parameter')}. "
                "The file was made with other weights: give theirs."
            )
