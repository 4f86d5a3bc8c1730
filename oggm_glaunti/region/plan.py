"""Assignment of glaciers to batches: plain data, planned from sizes alone.

Programs are compiled for shapes, so sizes are rounded up to a few shapes, and batches of one shape hold a fixed number
of glaciers; the last one may have empty places. Glaciers arrive one by one, in any number: a batch is returned as soon
as it is full.
"""

from dataclasses import dataclass

from oggm_glaunti.core.units import LANE, N_CORRECTIONS
from oggm_glaunti.coupling.table.table import round_up

SIDES = (36, 40, 48, 64, 96, 128, 192, 256)
SIDES_BEYOND = 64  # larger maps are rounded up to multiples of this
# Numbers of nodes, of a table's heights and of its years are rounded up to multiples of these.
NODES_ROUNDED = 32
HEIGHTS_ROUNDED = 64
YEARS_ROUNDED = 10
FEWEST_BANDS = 32

# Columns that a CPU runs at a time: the state of a scan stays in the cache, and below about 1,500 it stays on one core.
CPU_COLUMNS = 1024
# Map cells of a batch: on a CPU the network's maps of 32 channels should stay in the cache; a GPU wants many.
CPU_CELLS = 8 * 40 * 40
GPU_CELLS = 512 * 40 * 40
GPU_COLUMNS = 65_536

FLOAT = 4
LONGEST_YEAR = 366
MEGABYTE = 1e6
CHANNELS = 32  # of the network's widest maps
# Measured: copies of the widest map that the network's program holds at once (a GPU's convolutions need room to work),
# and of the inputs' maps (host, device).
CPU_NETWORK_COPIES, GPU_NETWORK_COPIES = 4, 8
INPUT_COPIES = 3


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a glacier and a batch have in common, see :class:`Size` and :class:`Batch`; 0 if not needed.

    Attributes
    ----------
    heights, table_years, periods : int
        Shape of a table; `periods` is the number of years with corrections of their own (1 for none or their mean)
    channels, nodes, bands, years : int
        Numbers of the corrector's fields, heights of the uncorrected runs, bands with cells, full mass-balance years
    """

    heights: int = 0
    table_years: int = 0
    periods: int = 1
    channels: int = 0
    nodes: int = 0
    bands: int = 0
    years: int = 0


@dataclass(frozen=True)
class Size(Shape):
    """Sizes of a glacier, from which batches are planned.

    Attributes
    ----------
    key : str
        Identifier of the glacier, chosen by the caller
    model : str
        Digest of the weights; glaciers of different weights never share a batch
    rows, cols, cells : int
        Shape of the corrector's maps and number of the glacier's cells; 0 if only a table is wanted
    held : int
        Size of its inputs, which are kept while it waits for its batch, bytes
    day : str
        Day of the temperature index; glaciers of different days never share a batch of tables
    """

    key: str
    model: str
    rows: int = 0
    cols: int = 0
    cells: int = 0
    held: int = 0
    day: str = "smooth"


@dataclass(frozen=True)
class Batch(Shape):
    """Glaciers to be run together, and the shape to which they are padded.

    Attributes
    ----------
    stage : {'corrections', 'tables'}
    keys : tuple of str
        Identifiers of the glaciers, at most `slots`
    model : str
        Digest of the weights
    slots : int
        Number of places for glaciers
    memory : int
        Estimated peak memory, bytes
    side, lanes : int
        Of stage 'corrections': side of the maps, lanes of cells of all glaciers together
    """

    stage: str
    keys: tuple[str, ...]
    model: str
    slots: int
    memory: int
    side: int = 0
    lanes: int = 0


def bucket_side(rows: int, cols: int) -> int:
    """Return the side of the smallest bucket that holds a map.

    Examples
    --------
    >>> bucket_side(33, 41), bucket_side(256, 100), bucket_side(257, 100)
    (48, 256, 320)
    """
    longest = max(rows, cols)
    return next((side for side in SIDES if side >= longest), round_up(longest, SIDES_BEYOND))


class Planner:
    """Collect glaciers and return batches: full ones, and others if too many glaciers wait.

    Parameters
    ----------
    memory : float
        Bytes for one batch at its peak, and for the inputs of all waiting glaciers; a single glacier may need more and
        is then run alone
    gpu : bool
        Whether to run many glaciers at once instead of few

    Examples
    --------
    >>> planner = Planner(1e9)
    >>> sizes = [Size(str(i), "C", heights=100, table_years=20) for i in range(9)]
    >>> [batch.keys for batch in map(planner.add_table, sizes) if batch]
    [('0', '1', '2', '3', '4', '5', '6', '7')]
    >>> [batch.keys for batch in planner.flush()]
    [('8',)]
    """

    def __init__(self, memory: float, gpu: bool = False):
        self.memory, self.gpu = memory, gpu
        self._waiting: dict[tuple, list[Size]] = {}

    def add(self, size: Size) -> Batch | None:
        """Add a glacier that needs corrections; return the batch that is then to be run, if any."""
        side, years = bucket_side(size.rows, size.cols), round_up(size.years, YEARS_ROUNDED)
        return self._put(("corrections", size.model, side, size.channels, years), size)

    def add_table(self, size: Size) -> Batch | None:
        """Add a glacier with known corrections or none; return the batch that is then to be run, if any."""
        years, periods = round_up(size.table_years, YEARS_ROUNDED), size.periods
        periods = periods if periods == 1 else round_up(periods, YEARS_ROUNDED)
        heights = round_up(size.heights, HEIGHTS_ROUNDED)
        return self._put(("tables", size.model, heights, years, periods, size.day), size)

    def flush(self) -> list[Batch]:
        """Return the waiting glaciers in batches with empty places."""
        batches = [self._batch(key, sizes) for key, sizes in self._waiting.items()]
        self._waiting.clear()
        return batches

    def _put(self, key: tuple, size: Size) -> Batch | None:
        waiting = self._waiting.setdefault(key, [])
        waiting.append(size)
        if len(waiting) == self.slots(key):
            return self._batch(key, self._waiting.pop(key))
        held = {key: sum(size.held for size in sizes) for key, sizes in self._waiting.items()}
        if sum(held.values()) <= self.memory:
            return None
        most = max(held, key=held.__getitem__)
        return self._batch(most, self._waiting.pop(most))

    def memory_alone(self, size: Size) -> int:
        """Estimate the peak memory of the corrector for one glacier, bytes."""
        side, years = bucket_side(size.rows, size.cols), round_up(size.years, YEARS_ROUNDED)
        return corrections_memory(side, size.channels, years, self.gpu)

    def slots(self, key: tuple) -> int:
        """Return the number of places in a batch: as many as suit the device and fit the memory, at least one."""
        if key[0] == "tables":
            wanted, each = (GPU_COLUMNS if self.gpu else CPU_COLUMNS) // key[2], table_memory(*key[2:5])
        else:
            _, _, side, channels, years = key
            wanted = (GPU_CELLS if self.gpu else CPU_CELLS) // side**2
            each = corrections_memory(side, channels, years, self.gpu)
        return max(1, min(wanted, int(self.memory // each)))

    def _batch(self, key: tuple, sizes: list[Size]) -> Batch:
        slots, keys = self.slots(key), tuple(size.key for size in sizes)
        if key[0] == "tables":
            _, model, heights, years, periods, _ = key
            memory = slots * table_memory(heights, years, periods)
            shape = {"heights": heights, "table_years": years, "periods": periods}
            return Batch("tables", keys, model, slots, memory, **shape)
        _, model, side, channels, years = key
        memory = slots * corrections_memory(side, channels, years, self.gpu)
        shape = {"side": side, "channels": channels, "years": years}
        shape["nodes"] = round_up(max(size.nodes for size in sizes), NODES_ROUNDED)
        shape["lanes"] = power_of_two(sum(-(-size.cells // LANE) for size in sizes), fewest=slots * side**2 // 400)
        shape["bands"] = power_of_two(max(size.bands for size in sizes), fewest=FEWEST_BANDS)
        return Batch("corrections", keys, model, slots, memory, **shape)


def power_of_two(n: int, fewest: int) -> int:
    """Return the next power of two that is at least `n` and `fewest`.

    Examples
    --------
    >>> power_of_two(17, fewest=16), power_of_two(3, fewest=16)
    (32, 16)
    """
    return 1 << (max(n, fewest) - 1).bit_length()


def corrections_memory(side: int, channels: int, years: int, gpu: bool = False) -> int:
    """Estimate the peak memory of one place in a batch of the corrector from measurements, bytes."""
    cells = side * side
    network = (GPU_NETWORK_COPIES if gpu else CPU_NETWORK_COPIES) * CHANNELS * cells
    maps = INPUT_COPIES * (channels + 10) * cells
    weather = INPUT_COPIES * 3 * LONGEST_YEAR * years
    on_cells = 8 * N_CORRECTIONS * cells  # of one year, at most all cells are glacier
    return FLOAT * (network + maps + weather + on_cells)


def table_memory(heights: int, years: int, periods: int) -> int:
    """Estimate the peak memory of one place in a batch of tables (float32 sums, tables in float64), bytes."""
    sums, weather = 3 * 12 * heights * years, 3 * 12 * 31 * years
    return FLOAT * (sums * 5 + weather * INPUT_COPIES + N_CORRECTIONS * heights * periods * INPUT_COPIES)
