"""MassBalanceMachine: point balances in the WGMS's newer layout (https://github.com/ODINN-SciML/MassBalanceMachine)."""

from __future__ import annotations

from pathlib import Path

from oggm_glaunti.fit.observations import Read
from oggm_glaunti.fit.readers.wgms import read_fog_points


def read_mass_balance_machine(path: str | Path, default_dates: bool = False, hemisphere: str = "nh") -> Read:
    """Read a regional file of points, balances in m w.e.; `glacier` is the name given in the file.

    Parameters
    ----------
    path : path
        such as ``01_Alaska.csv``: ``glacier_name;year;begin_date;end_date;latitude;longitude;elevation;balance;...``
    default_dates, hemisphere
        see :func:`~oggm_glaunti.fit.readers.read_fog_points`

    Raises
    ------
    InvalidParamsError
        if the file is not such a table
    """
    points = read_fog_points(path, unit="m", default_dates=default_dates, hemisphere=hemisphere)
    points.observations["source"] = points.observations["source"].replace("WGMS points", "MassBalanceMachine")
    return points
