"""The report in a browser, used as a person does, and its numbers compared with those of the dataset."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.graphics import report
from tests.graphics.report.browser import browser, why_not
from tests.graphics.report.region import make_working_dir

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a browser")]

YEARS = range(2001, 2009)
N, FAILED = 7, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    ds = make_working_dir(folder, N, YEARS, failed=[FAILED])
    return report(folder, folder / "report.html"), ds


@pytest.fixture(scope="module")
def opened(made):
    with browser() as opened:
        opened.open(made[0])
        opened.wait_for_all()
        print(f"opened in {opened.seconds:.1f} s, {made[0].stat().st_size / 1e6:.1f} MB")
        yield opened


@pytest.fixture
def page(opened):
    """The page as it is at first, but for the chosen glacier."""
    page = opened.page
    page.fill("#search", "")
    if not page.is_checked("#mean"):
        page.check("#mean")
    page.click("#zoom-all")
    return page


def number(text: str) -> float:
    return float("nan") if text == "–" else float(text.replace("−", "-"))


def column(page, name: str) -> list[float]:
    return [number(text) for text in page.locator(f'#glaciers td[data-of="{name}"]').all_inner_texts()]


def ids(page) -> list[str]:
    """Ids of the rows of the table, from top to bottom."""
    rows = page.eval_on_selector_all("#glaciers tbody tr", "rows => rows.map((row) => Number(row.dataset.row))")
    return [f"RGI60-11.{row + 1:05d}" for row in rows]


def numbers_by_year(page, name: str) -> list[float]:
    return [number(text) for text in page.locator(f'#numbers td[data-of="{name}"]').all_text_contents()]


def choose(page, row: int) -> None:
    page.locator(f'#glaciers tr[data-row="{row}"] button').click()
    page.wait_for_selector(f'#glacier[data-row="{row}"]')


def place_on_screen(page, row: int) -> tuple[float, float]:
    """Where a glacier lies on the map, px."""
    return tuple(
        page.evaluate(
            """(row) => {
        const map = Bokeh.documents.map((d) => d.get_model_by_name("map")).find(Boolean);
        const discs = map.document.get_model_by_name("discs"), at = [...discs.data.row].indexOf(row);
        const view = Bokeh.index.find_one(map), frame = view.frame.bbox, box = view.el.getBoundingClientRect();
        const x = view.frame.x_scale.compute(discs.data.x[at]), y = view.frame.y_scale.compute(discs.data.y[at]);
        return [box.x + x, box.y + y];
    }""",
            row,
        )
    )


def test_it_opens_without_a_network_or_complaints(opened, made):
    assert opened.complaints() == []
    assert opened.asked_beyond(made[0]) == []


def test_the_table_holds_the_numbers_of_the_dataset(page, made):
    in_order = made[1].sel(rgi_id=ids(page))
    assert len(ids(page)) == N
    np.testing.assert_allclose(column(page, "area"), in_order["rgi_area"], atol=0.00501)
    mean = in_order["specific_mb"].mean("time", skipna=False)
    np.testing.assert_allclose(column(page, "mean"), mean, atol=0.00501)
    np.testing.assert_allclose(column(page, "volume"), in_order["volume"][:, -1], atol=0.000501)
    assert column(page, "warnings") == [1.0] * N


def test_the_slider_shows_the_year_in_the_table_and_on_the_map(page, made):
    page.focus("#year")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert page.inner_text("#shown-year") == "2003"
    assert page.get_attribute("#year", "aria-valuetext") == "2003"
    assert not page.is_checked("#mean")
    of_year = made[1]["specific_mb"][:, 2]
    np.testing.assert_allclose(column(page, "year"), of_year.sel(rgi_id=ids(page)), atol=0.00501)
    coloured = page.evaluate(
        """() => {
        const found = Bokeh.documents.map((d) => d.get_model_by_name("outlines")).find(Boolean);
        return [[...found.data.row], [...found.data.value].map((v) => Number.isFinite(v) ? v : null), found.data.label];
    }"""
    )
    for row, value, label in zip(*coloured, strict=True):
        if row == FAILED:
            assert value is None
            assert label.endswith("no value, 2003")
        else:
            assert value == pytest.approx(float(of_year[row]), rel=1e-6)
            assert label.endswith(f"{float(of_year[row]):.2f} m w.e. a⁻¹, 2003".replace("-", "−"))


def test_a_click_on_the_map_chooses_a_glacier_and_its_numbers_are_those_of_the_dataset(page, made):
    choose(page, 0)
    target = 6
    page.locator("#map").scroll_into_view_if_needed()
    page.mouse.click(*place_on_screen(page, target))
    page.wait_for_selector(f'#glacier[data-row="{target}"]')
    assert page.inner_text("#glacier-title") == "RGI60-11.00007"
    for name, atol in (("specific_mb", 5.1e-4), ("winter_mb", 5.1e-4), ("summer_mb", 5.1e-4), ("ela", 0.51)):
        np.testing.assert_allclose(numbers_by_year(page, name), made[1][name][target], atol=atol)
    drawn = page.evaluate(
        'Bokeh.documents.map((d) => d.get_model_by_name("line_specific_mb")).filter(Boolean)'
        ".map((source) => [...source.data.y])"
    )
    assert any(np.allclose(line, made[1]["specific_mb"][target], atol=1e-5) for line in drawn)


def test_a_glacier_that_failed_says_why(page):
    choose(page, FAILED)
    said = page.locator("#glacier-warnings li").all_inner_texts()
    assert said == ["failed in the run, climate: no weather <b>there</b>"]
    assert page.is_visible("#no-profile")
    assert np.isnan(numbers_by_year(page, "specific_mb")).all()


def test_the_table_is_sorted_and_missing_values_are_last(page):
    header = page.get_by_role("button", name="Balance, mean")
    header.click()
    down = column(page, "mean")
    assert page.locator("th[aria-sort='descending']").inner_text().startswith("Balance, mean")
    assert down[:-1] == sorted(down[:-1], reverse=True)
    assert np.isnan(down[-1])
    header.click()
    assert column(page, "mean")[:-1] == down[-2::-1]
    page.get_by_role("button", name="Area", exact=True).click()


@pytest.mark.parametrize(
    ("typed", "found"),
    [("nothing", []), ("großer", [1]), ("JOKULS", [2]), ("00005", [5]), ("<script", [5]), ("ледн", [3])],
)
def test_it_is_searched_by_id_and_name_whatever_the_accents(page, typed, found):
    page.fill("#search", typed)
    assert ids(page) == [f"RGI60-11.{k:05d}" for k in found]
    assert page.inner_text("#found").startswith(f"{len(found)} of {N} glaciers")


def test_it_works_without_a_mouse(page):
    page.fill("#search", "00001")
    page.keyboard.press("Enter")
    page.wait_for_selector('#glacier[data-row="0"]')
    assert page.evaluate("document.activeElement.id") == "glacier-title"
    page.fill("#search", "")
    page.focus("#year")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        style = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        if reached[-1] == "search":
            break
        assert style == "3px", reached[-1]
    assert {"map", "zoom-in", "zoom-all", "search"} <= set(reached)
    page.focus("#map")
    ends = 'Bokeh.documents.map((d) => d.get_model_by_name("map")).find(Boolean).x_range'
    before = page.evaluate(f"{ends}.end - {ends}.start")
    page.keyboard.press("+")
    assert page.evaluate(f"{ends}.end - {ends}.start") == pytest.approx(before / 2)
    page.keyboard.press("0")
    assert page.evaluate(f"{ends}.end - {ends}.start") == pytest.approx(before)


def test_a_hover_shows_a_name_as_text(page):
    page.locator("#map").scroll_into_view_if_needed()
    page.mouse.move(*place_on_screen(page, 4))
    # Bokeh puts it beside the figures, into a shadow tree of its own.
    page.wait_for_function(
        """() => [...document.querySelectorAll("*")].some((node) => node.shadowRoot
            && [...node.shadowRoot.querySelectorAll("div")].some((one) => one.textContent.includes("<script>alert(1)")
                && one.querySelector("script") === null))"""
    )
    assert page.locator("img").count() == 0


def test_a_narrow_page_is_not_wider_than_the_screen(opened, made):
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    plots = page.eval_on_selector_all(".plot", "all => all.map((one) => one.getBoundingClientRect().right)")
    assert max(plots) <= 390
    page.set_viewport_size({"width": 1280, "height": 900})


def test_nothing_has_complained_at_the_end(opened, made):
    assert opened.complaints() == []
    assert opened.asked_beyond(made[0]) == []
