"""Files after a bad copy, a spreadsheet or a careless hand: seeded mutations of texts and of binary files."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Rng = np.random.Generator
ODD_CELLS = (
    *("", " ", "NaN", "nan", "inf", "-inf", "1e400", "-1e-400", "---", "Tr", "NA", "None", "null", "#REF!", "TRUE"),
    *(
        "1,5",
        "1.234,5",
        "1,234.5",
        "1 234",
        "0x1F",
        "1_000",
        "\u0661\u0662",
        "\uff11",
        "\u22125",
        "1e",
        "--5",
        "5-",
        "+",
        "-",
    ),
    *(
        "9" * 400,
        "-999",
        "-9999",
        "9999999",
        "2015-02-30",
        "31.11.2015",
        "03/04/2015",
        "20151301",
        "0000-00-00",
        "24:00",
    ),
)


class Mutated(NamedTuple):
    """Contents of a file, what was done to it, and how many numbers may have changed by that.

    Attributes
    ----------
    content : bytes
    what : str
    touched : int
        lines of a text whose cells are others than before, bytes of a binary file; 0 where only the form has changed
    """

    content: bytes
    what: str
    touched: int


def mutate_text(content: bytes, rng: Rng) -> Mutated:
    """Mutate a table in UTF-8 with a header."""
    if rng.random() < 0.3:
        made, what, _ = mutate_binary(content, rng)
    else:
        change = TEXT_CHANGES[rng.integers(len(TEXT_CHANGES))]
        made, what = change(content, rng), change.__name__.strip("_")
        if change in FORMS:
            return Mutated(made, what, 0)
    return Mutated(made, what, _touched_lines(content, made))


def _touched_lines(before: bytes, after: bytes) -> int:
    """Lines of the new text that the old one did not hold, the header's apart."""
    split = re.compile(rb"\r\n|\r|\n").split
    old, new = (split(text)[1:] for text in (before, after))
    return (Counter(new) - Counter(old)).total()


def mutate_binary(content: bytes, rng: Rng) -> Mutated:
    """Mutate a file of any kind."""
    kind = rng.choice(["cut", "flip", "flip", "flip", "zero", "remove", "insert", "repeat", "swap", "empty", "other"])
    size, out = len(content), bytearray(content)
    start = int(rng.integers(size))
    stop = min(size, start + 1 + int(rng.choice([1, 8, 64, 512, 4096]) * rng.random()))
    if kind == "cut":
        return Mutated(content[:start], f"cut at byte {start} of {size}", 0)
    if kind == "flip":
        places = rng.integers(size, size=int(rng.integers(1, 9)))
        for place in places:
            out[place] ^= int(rng.integers(1, 256))
        return Mutated(bytes(out), f"bytes changed: {sorted(places.tolist())}", len(places))
    if kind == "zero":
        out[start:stop] = bytes(stop - start)
        return Mutated(bytes(out), f"zeros from {start} to {stop}", stop - start)
    if kind == "remove":
        return Mutated(bytes(out[:start] + out[stop:]), f"bytes {start} to {stop} removed", stop - start)
    if kind == "insert":
        extra = rng.bytes(stop - start)
        return Mutated(bytes(out[:start] + extra + out[start:]), f"{len(extra)} bytes inserted at {start}", len(extra))
    if kind == "repeat":
        return Mutated(bytes(out[:stop] + out[start:]), f"bytes {start} to {stop} twice", stop - start)
    if kind == "swap":
        middle = (start + stop) // 2
        turned = out[:start] + out[middle:stop] + out[start:middle] + out[stop:]
        return Mutated(bytes(turned), f"halves of {start} to {stop} exchanged", stop - start)
    if kind == "empty":
        return Mutated(b"", "empty", 0)
    return Mutated(rng.bytes(int(rng.integers(1, 2000))), "random bytes", 0)


# --- texts ------------------------------------------------------------------------------------------------------------


def _lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")


def _some_line(lines: list[bytes], rng: Rng) -> int:
    return int(rng.integers(1, max(2, len(lines) - 1)))


def _separator(content: bytes) -> bytes:
    header = content.partition(b"\n")[0]
    return max((b",", b";", b"\t"), key=header.count)


def _line_removed(content: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    del lines[_some_line(lines, rng)]
    return b"\n".join(lines)


def _line_twice(content: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    row = _some_line(lines, rng)
    return b"\n".join([*lines[: row + 1], *lines[row:]])


def _lines_exchanged(content: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    one, other = _some_line(lines, rng), _some_line(lines, rng)
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _line_cut(content: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    row = _some_line(lines, rng)
    lines[row] = lines[row][: int(rng.integers(len(lines[row]) + 1))]
    return b"\n".join(lines)


def _header_gone(content: bytes, rng: Rng) -> bytes:
    del rng
    return content.partition(b"\n")[2]


def _only_header(content: bytes, rng: Rng) -> bytes:
    del rng
    return content.partition(b"\n")[0] + b"\n"


def _header_twice(content: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    lines.insert(_some_line(lines, rng), lines[0])
    return b"\n".join(lines)


def _cell_replaced(content: bytes, rng: Rng) -> bytes:
    lines, by = _lines(content), _separator(content)
    row = _some_line(lines, rng)
    cells = lines[row].split(by)
    cells[int(rng.integers(len(cells)))] = str(rng.choice(ODD_CELLS)).encode()
    lines[row] = by.join(cells)
    return b"\n".join(lines)


def _cell_too_many(content: bytes, rng: Rng) -> bytes:
    lines, by = _lines(content), _separator(content)
    lines[_some_line(lines, rng)] += by + str(rng.choice(["", "7", "x"])).encode()
    return b"\n".join(lines)


def _cell_missing(content: bytes, rng: Rng) -> bytes:
    lines, by = _lines(content), _separator(content)
    row = _some_line(lines, rng)
    lines[row] = lines[row].rpartition(by)[0]
    return b"\n".join(lines)


def _quote_left_open(content: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    row = _some_line(lines, rng)
    lines[row] = b'"' + lines[row]
    return b"\n".join(lines)


def _columns(content: bytes, order: list[int]) -> bytes:
    by, text, out = _separator(content).decode(), content.decode("utf-8-sig"), io.StringIO()
    writer = csv.writer(out, delimiter=by, lineterminator="\n")
    for row in csv.reader(io.StringIO(text), delimiter=by):
        writer.writerow([row[k] for k in order if k < len(row)])
    return out.getvalue().encode()


def _n_columns(content: bytes) -> int:
    return content.partition(b"\n")[0].count(_separator(content)) + 1


def _column_removed(content: bytes, rng: Rng) -> bytes:
    n = _n_columns(content)
    gone = int(rng.integers(n))
    return _columns(content, [k for k in range(n) if k != gone])


def _column_twice(content: bytes, rng: Rng) -> bytes:
    n = _n_columns(content)
    return _columns(content, [*range(n), int(rng.integers(n))])


def _columns_in_another_order(content: bytes, rng: Rng) -> bytes:
    return _columns(content, rng.permutation(_n_columns(content)).tolist())


def _other_separator(content: bytes, rng: Rng) -> bytes:
    return content.replace(_separator(content), bytes(rng.choice([b",", b";", b"\t"])))


def _other_line_ends(content: bytes, rng: Rng) -> bytes:
    return content.replace(b"\n", bytes(rng.choice([b"\r\n", b"\r", b"\n\n", b" \n"])))


def _other_encoding(content: bytes, rng: Rng) -> bytes:
    text = content.decode("utf-8-sig")
    encoding = str(rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]))
    return text.encode(encoding, errors="replace")


def _with_lines(content: bytes, line: bytes, rng: Rng) -> bytes:
    lines = _lines(content)
    for _ in range(int(rng.integers(1, 4))):
        lines.insert(int(rng.integers(0, len(lines))), line)
    return b"\n".join(lines)


def _comments(content: bytes, rng: Rng) -> bytes:
    return _with_lines(content, b"# a remark, with a comma; and 5.0", rng)


def _quoted(content: bytes, rng: Rng) -> bytes:
    del rng
    by = _separator(content)
    if b'"' in content:
        return content
    return b"\n".join(
        by.join(b'"' + cell + b'"' for cell in line.split(by)) if line else line for line in _lines(content)
    )


def _header_in_capitals(content: bytes, rng: Rng) -> bytes:
    head, line_end, rest = content.partition(b"\n")
    return (head.upper() if rng.random() < 0.5 else head.title()) + line_end + rest


def _no_last_line_end(content: bytes, rng: Rng) -> bytes:
    del rng
    return content.rstrip(b"\n")


def _blank_lines(content: bytes, rng: Rng) -> bytes:
    return _with_lines(content, b"", rng)


def _numbers_with_decimal_commas(content: bytes, rng: Rng) -> bytes:
    del rng
    if _separator(content) == b",":
        content = content.replace(b",", b";")
    return re.sub(rb"(?<=[;\t\n])(-?\d+)\.(\d+)(?=[;\t\n])", rb"\1,\2", content)


def _dates_of_another_form(content: bytes, rng: Rng) -> bytes:
    form = rng.choice([rb"\3.\2.\1", rb"\1\2\3", rb"\1/\2/\3", rb"\3/\2/\1", rb"\2/\3/\1"])
    return re.sub(rb"\b(\d{4})-(\d\d)-(\d\d)\b", bytes(form), content)


def _times_of_day(content: bytes, rng: Rng) -> bytes:
    ending = rng.choice([b"T00:00:00", b" 07:00", b"T12:00:00Z", b"T00:00:00+05:00", b" 00:00 CET"])
    return re.sub(rb"\b(\d{4}-\d\d-\d\d)\b", rb"\1" + bytes(ending), content)


# The same table in another form: its numbers are read as they were, or it is refused.
FORMS: tuple[Callable[[bytes, Rng], bytes], ...] = (
    _column_removed,
    _column_twice,
    _columns_in_another_order,
    _other_separator,
    _other_line_ends,
    _other_encoding,
    _comments,
    _quoted,
    _header_in_capitals,
    _no_last_line_end,
    _blank_lines,
    _numbers_with_decimal_commas,
    _dates_of_another_form,
    _times_of_day,
    _header_gone,
    _only_header,
    _header_twice,
    _line_removed,
    _line_twice,
    _lines_exchanged,
)
TEXT_CHANGES = (*FORMS, _line_cut, _cell_replaced, _cell_replaced, _cell_replaced, _cell_too_many, _cell_missing)
TEXT_CHANGES += (_quote_left_open,)
