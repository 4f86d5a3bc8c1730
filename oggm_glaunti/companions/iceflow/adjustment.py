"""Generalised least squares for displacements between images: what is wrong with an image is wrong in all its pairs.

In each window an image has an error of its own, which enters all pairs with that image, and each pair one besides::

    d_ab = B_b theta - B_a theta + s_b - s_a + e_b - e_a + r_ab

with the motion B theta (linear in time, with a seasonal cycle if wanted), shifts s of whole images, and e and r of
Student's t. Weighting pairs as if they were independent counts a good date once for every pair that it has with a bad
one. Scales of the errors, one an image and one for all pairs, are found by expectation and maximisation
(Liu and Rubin 1995 for Student's t), so that a hazy image counts for what it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Degrees of freedom of Student's t, and the square of its scale where errors are Gaussian with a variance of 1.
FREEDOM, GAUSSIAN = 4.0, 0.7267476
# Most rounds; px by which shifts may still change at the end.
ROUNDS, SETTLED = 40, 1e-4
# Least variance of an image or of all pairs, in units of what their correlation says.
LEAST_SCALE = 0.05
# Images and pairs are blamed alike to begin with; weight, in images, of the scale of all windows in that of each.
SHARE, PRIOR_IMAGES = 0.5, 4.0


class Problem(NamedTuple):
    """Displacements as the adjustment needs them.

    Attributes
    ----------
    incidence : float (P, K)
        1 for the later, -1 for the earlier image of a pair
    design : float (K, Q)
        Motion of the ice at the time of each image for each of its parameters
    d : float (2, P, N)
        px; NaN where there is none
    sigma : float (P, N)
        Standard error that the correlation says, px
    known : bool (P, N)
        Displacements that are used
    moving : bool (N,)
        Windows with a motion; the others stand still
    ties, wanted : float (C, K), (C, 2)
        Conditions on the shifts
    """

    incidence: Floats
    design: Floats
    d: Floats
    sigma: Floats
    known: Mask
    moving: Mask
    ties: Floats
    wanted: Floats


class Adjusted(NamedTuple):
    """Motion and shifts with their errors.

    Attributes
    ----------
    motion : float (2, N, Q)
        Parameters of the design; 0 where nothing moves
    shifts : float (2, K)
        px
    motion_covariance : float (N, Q, Q)
        Of a component, from the errors of each window for itself
    shift_covariance : float (K, K)
        Of a component, px2
    image_error : float (K,)
        Typical error of each image in a window, px
    pair_error : float
        The same of a pair, besides those of its images
    common : float (Q,)
        Error of the mean motion of all windows that the shifts' errors make
    """

    motion: Floats
    shifts: Floats
    motion_covariance: Floats
    shift_covariance: Floats
    image_error: Floats
    pair_error: float
    common: Floats


class _Scales(NamedTuple):
    """Variances of images (K, N) and pairs (P, N) that the correlation says, and factors and weights found so far."""

    image: Floats
    pair: Floats
    image_factor: Floats
    pair_factor: float
    image_weight: Floats
    pair_weight: Floats


class _Step(NamedTuple):
    """A solution with given weights, and what the next weights need."""

    motion: Floats
    shifts: Floats
    inverse: Floats
    covariance: Floats
    image_square: Floats
    pair_square: Floats
    by_image: Floats


def adjust(problem: Problem) -> Adjusted:
    """Solve for motion, shifts and the scales of errors.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Adjusted

    Examples
    --------
    >>> t, rng = np.array([0.0, 4.0, 9.0, 15.0]), np.random.default_rng(0)
    >>> pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    >>> g = np.array([np.eye(4)[b] - np.eye(4)[a] for a, b in pairs])
    >>> moving = np.arange(60) < 40
    >>> at = 0.3 * t[:, None] * moving + rng.normal(0, 0.01, (4, 60))
    >>> d = np.stack([g @ at, 0 * (g @ at)])
    >>> known = np.ones(d.shape[1:], bool)
    >>> found = adjust(Problem(g, t[:, None], d, 0.01 + 0 * d[0], known, moving, np.eye(4)[:1], np.zeros((1, 2))))
    >>> found.motion[0, :40, 0].mean().round(2), bool(np.abs(found.shifts).max() < 0.03)
    (np.float64(0.3), True)
    """
    scales, shifts = _first_scales(problem), np.zeros((2, problem.design.shape[0]))
    for _ in range(ROUNDS):
        step = _solve(problem, scales)
        moved = np.abs(step.shifts - shifts).max()
        scales, shifts = _next_scales(problem, scales, step), step.shifts
        if moved < SETTLED:
            break
    step = _solve(problem, scales)
    seen = _seen(problem)
    excess = scales.image_weight * step.image_square / (scales.image_factor[:, None] * GAUSSIAN)
    own = ((excess * seen).sum(axis=0) + PRIOR_IMAGES) / (seen.sum(axis=0) + PRIOR_IMAGES)
    by_image = step.by_image[problem.moving].mean(axis=0)
    typical = lambda variance: np.sqrt(variance / GAUSSIAN)
    in_windows = [np.median(row[there]) for row, there in zip(scales.image, seen, strict=True)]
    return Adjusted(
        step.motion,
        step.shifts,
        step.inverse * own[:, None, None] / GAUSSIAN,
        step.covariance / GAUSSIAN,
        typical(scales.image_factor * np.array(in_windows)),
        float(typical(scales.pair_factor * np.median(scales.pair[problem.known]))),
        np.sqrt(np.maximum(np.einsum("qk,kl,ql->q", by_image, step.covariance / GAUSSIAN, by_image), 0.0)),
    )


def _seen(problem: Problem) -> Mask:
    return np.abs(problem.incidence).T @ problem.known.astype(float) > 0


def _first_scales(problem: Problem) -> _Scales:
    touches = np.abs(problem.incidence).T
    variance = np.where(problem.known, problem.sigma, 0.0) ** 2
    of_images = touches @ variance / np.maximum(touches @ problem.known.astype(float), 1.0)
    image, pair = SHARE * of_images, np.where(problem.known, SHARE * variance, 1.0)
    ones = np.ones(len(image))
    return _Scales(np.where(image > 0, image, 1.0), pair, ones, 1.0, np.ones(image.shape), np.ones(pair.shape))


def _solve(problem: Problem, scales: _Scales) -> _Step:
    """Solve with fixed weights: errors of images and motions eliminated window by window, one small system is left."""
    g, b, k = problem.incidence, problem.design, problem.design.shape[0]
    outer = (g[:, :, None] * g[:, None, :]).reshape(len(g), k * k)
    weight = np.where(problem.known, scales.pair_weight / (scales.pair * scales.pair_factor), 0.0)
    precision = scales.image_weight / (scales.image * scales.image_factor[:, None])
    d = np.where(problem.known, problem.d, 0.0)
    pairs = (weight.T @ outer).reshape(-1, k, k)
    pulled = np.stack([(weight * part).T @ g for part in d])
    # Covariance of the images' errors given all pairs; then what the pairs say of the images' positions, these
    # errors included.
    left = np.linalg.inv(pairs + precision.T[:, :, None] * np.eye(k))
    through = pairs @ left
    normal = pairs - through @ pairs
    right = pulled - np.einsum("nkl,cnl->cnk", through, pulled)
    of_motion = normal @ b
    inverse = _inverse(np.swapaxes(of_motion, 1, 2) @ b, problem.moving)
    gain = inverse @ np.swapaxes(of_motion, 1, 2)
    shift_normal = normal.sum(axis=0) - np.einsum("nkq,nql->kl", of_motion, gain)
    of_right = right @ b
    shift_right = right.sum(axis=1) - np.einsum("nql,cnq->cl", gain, of_right)
    shifts, covariance = _tied(shift_normal, shift_right, problem.ties, problem.wanted)
    motion = np.einsum("nqp,cnp->cnq", inverse, of_right) - np.einsum("nqk,ck->cnq", gain, shifts)
    at = motion @ b.T + shifts[:, None, :]
    error = np.einsum("nkl,cnl->cnk", left, pulled - np.einsum("nkl,cnl->cnk", pairs, at))
    rest = d - np.stack([g @ part.T for part in at + error])
    # Mean squares of both components, with the variance that is left of each. Without that of the motion, which is
    # fitted to so few images, those at the ends seem too good, get more weight and are fitted better still.
    taken = np.swapaxes(through, 1, 2) @ b
    of_error = left + taken @ inverse @ np.swapaxes(taken, 1, 2)
    of_place = left + (b - taken) @ inverse @ np.swapaxes(b - taken, 1, 2)
    image_square = ((error**2).mean(axis=0) + np.diagonal(of_error, axis1=1, axis2=2)).T / scales.image
    pair_square = ((rest**2).mean(axis=0) + outer @ of_place.reshape(-1, k * k).T) / scales.pair
    return _Step(motion, shifts, inverse, covariance, image_square, pair_square, gain)


def _inverse(normal: Floats, moving: Mask) -> Floats:
    """Return the inverses of small matrices (N, Q, Q), scaled to a diagonal of 1; 0 where nothing moves."""
    size = np.sqrt(np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1e-30))
    scaled = normal / size[:, :, None] / size[:, None, :]
    use = moving & (np.linalg.eigvalsh(scaled)[:, 0] > 1e-9)
    result = np.zeros(normal.shape)
    result[use] = np.linalg.inv(scaled[use]) / size[use][:, :, None] / size[use][:, None, :]
    return result


def _tied(normal: Floats, right: Floats, ties: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """Return shifts (2, K) and their covariance under conditions."""
    k, c = len(normal), len(ties)
    size = np.trace(normal) / k
    inverse = np.linalg.pinv(np.block([[normal / size, ties.T], [ties, np.zeros((c, c))]]), hermitian=True)
    shifts = np.stack([(inverse @ np.r_[part / size, wanted[:, i]])[:k] for i, part in enumerate(right)])
    return shifts, inverse[:k, :k] / size


def _next_scales(problem: Problem, scales: _Scales, step: _Step) -> _Scales:
    """Return weights by Student's t, and the scales that these errors have."""
    weight = lambda square, factor: (FREEDOM + 2) / (FREEDOM + 2 * square / factor)
    image_weight = weight(step.image_square, scales.image_factor[:, None])
    pair_weight = weight(step.pair_square, scales.pair_factor)
    seen = _seen(problem)
    of_images = (image_weight * step.image_square * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    of_pairs = float((pair_weight * step.pair_square)[problem.known].mean())
    floor = LEAST_SCALE * GAUSSIAN
    return scales._replace(
        image_factor=np.maximum(of_images, floor),
        pair_factor=max(of_pairs, floor),
        image_weight=image_weight,
        pair_weight=pair_weight,
    )
