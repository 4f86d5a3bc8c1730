"""A table beyond its ends, where an advancing glacier or a search for the equilibrium line may ask for balances.

Precipitation stays that of the end. Above the table rain and melt fade to nothing, below it snowfall fades and melt
grows, each with the slope that it has at the end in the mean of the record: the balance is never more than the
snowfall, nor snowfall more than precipitation, whatever days are summed. All of this is linear between a few heights,
so that a table with these heights added is read by the same linear interpolation as inside.
"""

from dataclasses import dataclass, replace

import numpy as np

from oggm_glaunti.coupling.table.table import Days, Table

FAR = 1e5  # m, beyond every height that is asked for
Ends = tuple[np.ndarray, np.ndarray]  # values below and above


@dataclass(frozen=True)
class Continuation:
    """Heights beyond both ends of a table, and the shares of the amounts at its ends that are left there.

    Attributes
    ----------
    below, above : float64 arrays (B,), (A,)
        heights added, ascending, m
    snow_below, rain_above : float64 arrays (B,), (A,)
        share of the end's snowfall and rain, 0 to 1
    melt_below, melt_above : float64 arrays (B,), (A,)
        multiple of the end's melt
    """

    below: np.ndarray
    above: np.ndarray
    snow_below: np.ndarray
    rain_above: np.ndarray
    melt_below: np.ndarray
    melt_above: np.ndarray

    @classmethod
    def of(cls, table: Table) -> "Continuation":
        """Find how the amounts at the ends of a table change away from it."""
        ends = np.array([0, 1, -1, -2])
        prcp = (table.prec_scale[..., ends] * table.prcp[..., None]).astype(np.float64)
        snow = np.clip(table.solid_prcp[..., ends], 0.0, prcp)
        melt = np.maximum(snow - table.smb[..., ends], 0.0)
        snow_total, rain_total, melt_total = (amount.sum(axis=(0, 1)) for amount in (snow, prcp - snow, melt))
        low, after, high, before = table.heights[ends]
        snow_fades = _fading(snow_total[:2], after - low)
        rain_fades, melt_fades = (_fading(total[2:], high - before) for total in (rain_total, melt_total))
        melt_grows = max(-_change(melt_total[:2], after - low), 0.0)
        below = np.unique([-FAR, max(low - 1.0 / snow_fades, -FAR) if snow_fades else -FAR])
        above = np.unique([min(high + 1.0 / fades, FAR) if fades else FAR for fades in (rain_fades, melt_fades, 0.0)])
        return cls(
            below,
            above,
            np.maximum(1.0 - snow_fades * (low - below), 0.0),
            np.maximum(1.0 - rain_fades * (above - high), 0.0),
            1.0 + melt_grows * (low - below),
            np.maximum(1.0 - melt_fades * (above - high), 0.0),
        )

    def amounts(self, smb: np.ndarray, snow: np.ndarray, prcp: np.ndarray) -> tuple[Ends, Ends]:
        """Return balance and snowfall of days or months below (..., B) and above (..., A) the table.

        Parameters
        ----------
        smb, snow, prcp : arrays (..., N)
            balance, snowfall and precipitation at the table's heights (at least at both ends), m w.e.
        """
        smb, snow, prcp = (amount[..., [0, -1]].astype(np.float64) for amount in (smb, snow, prcp))
        snow = np.clip(snow, 0.0, prcp)
        melt, rain = np.maximum(snow - smb, 0.0), prcp - snow
        snow_below = snow[..., [0]] * self.snow_below
        snow_above = prcp[..., [1]] - rain[..., [1]] * self.rain_above
        smb_ends = snow_below - melt[..., [0]] * self.melt_below, snow_above - melt[..., [1]] * self.melt_above
        return smb_ends, (snow_below, snow_above)


def continued_annual_smb(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return heights (K,) and annual balances (Y, K) of a table with heights beyond both of its ends."""
    beyond = Continuation.of(table)
    (below, above), _ = beyond.amounts(table.smb, table.solid_prcp, _end_prcp(table))
    annual = (smb.astype(np.float64).sum(axis=1) for smb in (below, table.smb, above))
    return _joined(beyond.below, table.heights, beyond.above), _joined(*annual)


def continued(table: Table) -> Table:
    """Return the table with heights beyond both of its ends."""
    beyond = Continuation.of(table)
    smb, snow = beyond.amounts(table.smb, table.solid_prcp, _end_prcp(table))
    counts = beyond.below.size, beyond.above.size
    scale, swe = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [counts], mode="edge") for x in (table.prec_scale, table.swe))
    return replace(
        table,
        heights=_joined(beyond.below, table.heights, beyond.above),
        smb=_joined(smb[0], table.smb, smb[1]),
        solid_prcp=_joined(snow[0], table.solid_prcp, snow[1]),
        pdd=np.maximum(with_end_slopes(table.pdd, table.heights, beyond.below, beyond.above), 0.0),
        prec_scale=scale,
        swe=swe,
    )


def continued_days(days: Days, table: Table) -> Days:
    """Return days of a table with heights beyond both of its ends."""
    beyond = Continuation.of(table)
    smb, snow = beyond.amounts(days.smb, days.solid_prcp, days.prcp)
    return Days(
        _joined(smb[0], days.smb, smb[1]),
        _joined(snow[0], days.solid_prcp, snow[1]),
        np.pad(days.prcp, [(0, 0), (beyond.below.size, beyond.above.size)], mode="edge"),
        np.maximum(with_end_slopes(days.pdd, table.heights, beyond.below, beyond.above), 0.0),
        _joined(
            days.snow_melt[:, [0]] * beyond.melt_below, days.snow_melt, days.snow_melt[:, [-1]] * beyond.melt_above
        ),
        days.temp,
    )


def _end_prcp(table: Table) -> np.ndarray:
    return table.prec_scale[..., [0, -1]] * table.prcp[..., None]


def _joined(below: np.ndarray, inside: np.ndarray, above: np.ndarray) -> np.ndarray:
    return np.concatenate([below, inside, above], axis=-1)


def with_end_slopes(values: np.ndarray, heights: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Continue values (..., N) at the heights (N,) linearly to heights below (B,) and above (A,)."""
    low = (values[..., [1]] - values[..., [0]]) / (heights[1] - heights[0]) * (below - heights[0])
    high = (values[..., [-1]] - values[..., [-2]]) / (heights[-1] - heights[-2]) * (above - heights[-1])
    return _joined(values[..., [0]] + low, values, values[..., [-1]] + high)


def _change(totals: np.ndarray, step: float) -> float:
    """Relative change per metre away from the table, of an amount at its end and at the height `step` inside."""
    end, inside = totals
    return float((inside - end) / (end * step)) if end > 0 else 0.0


def _fading(totals: np.ndarray, step: float) -> float:
    """Share of the end's amount that is lost per metre away from the table, m-1; at most all of it in a metre."""
    return min(max(_change(totals, step), 0.0), 1.0)
