"""The report in a real browser with the network cut: all of it drawn, and it does what it is told."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import pytest
from browsing import opened
from hostile import HOSTILE, TWELVE
from playwright.sync_api import Browser, Page, expect
from records import made, record_of, recorded
from sweeps import configured

from gridsearch.hparams.domain import Discrete, HParam, RealInterval
from gridsearch.record.reader import Record
from gridsearch.report.facts import collect_facts
from gridsearch.report.page import page as page_of
from gridsearch.report.page import write_report
from gridsearch.runner.sweep import sweep
from gridsearch.trials import FailureKind, Outcome, Status, TrialRecord

pytestmark = pytest.mark.slow

SMALL = {
    "learning_rate": {"real_interval": [1e-4, 1e-1], "points": 4, "log": True},
    "optimizer": {"discrete": ["sgd", "adam", "rmsprop"]},
    "units": {"discrete": [64, 16]},
}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with browsing.browser(chromium) as opened_browser:
        yield opened_browser


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """24 combinations, some of which failed, and their report."""
    record = sweep(configured(tmp_path_factory.mktemp("swept") / "logdir", SMALL, "objectives:scored")).record
    assert 0 < record.count(Status.FAILED) < 10
    write_report(record)
    return record


@pytest.fixture
def page(browser: Browser, swept: Record) -> Iterator[Page]:
    with opened(browser, swept.logdir / "report.html") as shown:
        yield shown


def names_of(trials: Any) -> list[str]:
    return [trial.trial.name for trial in trials]


def rows(page: Page) -> list[str]:
    return [
        str(name) for name in page.locator("table.board tbody tr").evaluate_all("all => all.map(r => r.dataset.trial)")
    ]


def painted(page: Page) -> list[str]:
    """What every canvas shows."""
    return list(page.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())"))


BLANK = "c => !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"


def test_every_figure_is_drawn(page: Page, swept: Record) -> None:
    titles = page.locator("h2").all_inner_texts()
    assert titles[:4] == ["Parallel coordinates", "Leaderboard", "Importance and correlation", "Analysis of variance"]
    assert titles[4:8] == ["Effect of each value", "Interaction", "Learning curves", "Time against metric"]
    assert titles[8:] == ["Failures", "Cost", "Recipe", "Provenance"]
    assert page.locator("canvas").count() == 3
    assert not any(page.locator("canvas").nth(i).evaluate(BLANK) for i in range(3))
    axes = page.locator(".parallel .axis")
    assert axes.evaluate_all("all => all.map(a => a.dataset.axis)") == [*SMALL, "accuracy"], "in declared order"
    ticks = axes.nth(0).locator(".tick:not(.none)").evaluate_all("all => all.map(t => t.lastChild.textContent)")
    assert sorted(map(float, ticks)) == [0.0001, 0.001, 0.01, 0.1], "where it was tried"
    heights = sorted(
        float(y) for y in axes.nth(0).locator(".tick:not(.none)").evaluate_all("a => a.map(t => t.getAttribute('y'))")
    )
    assert heights[1] - heights[0] == pytest.approx(heights[3] - heights[2]), "on a logarithmic axis"
    assert page.locator(".importance .bar i").first.bounding_box()["width"] > 50  # type: ignore[index]
    assert page.locator(".effect").count() == 3
    assert page.locator(".heat td").count() >= 6
    assert len(rows(page)) == 24
    assert page.locator(".failure").count() == swept.count(Status.FAILED)


def test_the_best_stand_first_and_the_failed_last(page: Page, swept: Record) -> None:
    ranked = names_of(swept.ranked())
    assert rows(page)[: len(ranked)] == ranked
    assert page.locator(".winner b").first.inner_text() == ranked[0]
    assert set(rows(page)[len(ranked) :]) == {t.trial.name for t in swept.trials if t.status is Status.FAILED}


def test_sorting_by_a_column_and_back(page: Page, swept: Record) -> None:
    def scores(down: bool) -> list[str]:
        with_result = sorted(swept.ranked(), key=lambda t: (t.mean("accuracy") or 0) * (-1 if down else 1))
        return names_of(with_result)

    column = page.locator('button[data-column="metric accuracy"]')
    column.click()
    assert rows(page)[:5] == scores(down=True)[:5]
    column.click()
    assert rows(page)[:5] == scores(down=False)[:5]
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("accuracy")
    column.press("Enter")
    assert rows(page)[:5] == scores(down=True)[:5], "by keyboard, and the column keeps the focus"


def of(trial: TrialRecord, name: str) -> Any:
    return trial.trial.values[name]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("optimizer=adam", lambda t: of(t, "optimizer") == "adam"),
        ("learning_rate<=0.001 units>16", lambda t: of(t, "learning_rate") <= 0.001 and of(t, "units") > 16),
        ("status=failed", lambda t: t.status is Status.FAILED),
        ("exception", lambda t: t.status is Status.FAILED),
        ("accuracy>0.2", lambda t: (t.mean("accuracy") or 0) > 0.2),
        ("rmsprop 64", lambda t: of(t, "optimizer") == "rmsprop" and of(t, "units") == 64),
    ],
)
def test_filtering_changes_what_is_shown(page: Page, swept: Record, words: str, wanted: Any) -> None:
    before = painted(page)
    page.locator("#query").fill(words)
    expected = {trial.trial.name for trial in swept.trials if wanted(trial)}
    assert expected
    assert set(rows(page)) == expected
    expect(page.locator(".count")).to_have_text(f"{len(expected)} of 24 trials selected")
    assert painted(page)[0] != before[0]
    page.get_by_role("button", name="Clear selection").click()
    assert len(rows(page)) == 24
    assert painted(page)[0] == before[0]


def test_a_filter_that_nothing_passes_says_so(page: Page) -> None:
    page.locator("#query").fill("no such thing")
    assert page.locator(".board .none").inner_text() == "No trial passes the filter."


def test_brushing_with_the_mouse(page: Page, swept: Record) -> None:
    before = painted(page)
    grip = page.locator('.axis[data-axis="learning_rate"] .grip').bounding_box()
    assert grip is not None
    x, top, bottom = grip["x"] + 12, grip["y"] + 2, grip["y"] + 8 + 330 * 0.5
    page.mouse.move(x, top)
    page.mouse.down()
    page.mouse.move(x, (top + bottom) / 2)
    page.mouse.move(x, bottom)
    page.mouse.up()
    expected = {trial.trial.name for trial in swept.trials if float(trial.trial.values["learning_rate"]) > 0.005}
    assert set(rows(page)) == expected
    changed = painted(page)
    assert [a != b for a, b in zip(changed, before, strict=True)] == [True, True, True], "lines, curves and times"
    page.mouse.click(x, bottom + 60)
    assert len(rows(page)) == 24


def test_brushing_with_the_keyboard(page: Page, swept: Record) -> None:
    page.locator('.axis[data-axis="optimizer"]').focus()

    def chosen() -> set[object]:
        by_name = {trial.trial.name: trial for trial in swept.trials}
        return {by_name[name].trial.values["optimizer"] for name in rows(page)}

    page.keyboard.press("ArrowUp")
    assert chosen() == {"rmsprop"}, "declared last, drawn at the bottom"
    page.keyboard.press("Shift+ArrowUp")
    assert chosen() == {"rmsprop", "adam"}
    page.keyboard.press("ArrowUp")
    assert chosen() == {"sgd"}
    page.keyboard.press("Escape")
    assert len(rows(page)) == 24
    page.locator('.axis[data-axis="accuracy"]').focus()
    page.keyboard.press("ArrowUp")
    assert set(rows(page)) == {t.trial.name for t in swept.trials if t.status is Status.FAILED}, (
        "no value is a stop, too"
    )


def test_another_metric_colours_and_explains(page: Page) -> None:
    before = painted(page)
    page.locator("#metric").select_option("seconds")
    assert page.locator(".parallel .axis").last.get_attribute("data-axis") == "seconds"
    assert painted(page)[0] != before[0]


def test_hovering_says_which_trial_it_is(page: Page, swept: Record) -> None:
    page.locator("table.board tbody tr").first.hover()
    assert page.locator("tr.lit").get_attribute("data-trial") == swept.ranked()[0].trial.name
    box = page.locator(".parallel svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 78, box["y"] + 52)
    expect(page.locator(".tip")).to_contain_text(swept.ranked()[0].trial.name)
    expect(page.locator(".tip")).to_contain_text("optimizer")


def test_dark_and_light_and_paper(browser: Browser, swept: Record) -> None:
    def ground(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    with opened(browser, swept.logdir / "report.html", color_scheme="dark") as page:
        assert ground(page) == "rgb(21, 24, 28)"
        dark = painted(page)
        page.emulate_media(media="print")
        assert ground(page) == "rgb(255, 255, 255)"
        page.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=dark[0])
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


TOUCHING = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    const outer = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(t => [t.lastChild.textContent, t.getBoundingClientRect()]);
    texts.forEach(([a, r], i) => {
      if (r.left < outer.left - 1 || r.right > outer.right + 1 || r.top < outer.top - 1 || r.bottom > outer.bottom + 1)
        found.push(`${a} is cut`);
      for (const [b, q] of texts.slice(i + 1))
        if (r.left < q.right - 1 && q.left < r.right - 1 && r.top < q.bottom - 2 && q.top < r.bottom - 2)
          found.push(`${a} touches ${b}`);
    });
  }
  const wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth) found.push('the page is wider than the window');
  return found;
}"""


@pytest.mark.parametrize("width", [800, 1400, 1920])
def test_no_label_touches_another_with_twelve_hparams(browser: Browser, logdir: Path, width: int) -> None:
    hparams = {
        name: {**d, "points": 2} if "points" in d else {"discrete": d["discrete"][:2]} for name, d in TWELVE.items()
    }
    write_report(sweep(configured(logdir, hparams, "objectives:scored")).record)
    with opened(browser, logdir / "report.html", viewport={"width": width, "height": 900}) as page:
        assert page.locator(".parallel .axis").count() == 13
        assert page.evaluate(TOUCHING) == []
        assert not page.locator("th button > span").evaluate_all(
            "all => all.filter(t => t.scrollWidth > t.clientWidth + 1 && !t.parentElement.title).length"
        ), "what is shortened can be read in full by its title"


def test_whatever_names_and_values_hold_is_text(browser: Browser, logdir: Path) -> None:
    record = sweep(configured(logdir, HOSTILE, "objectives:scored")).record
    assert record.count(Status.FAILED)
    write_report(record)
    with opened(browser, logdir / "report.html") as page:
        assert page.locator("img, iframe, object, embed").count() == 0
        assert page.locator("script").count() == 2, "the facts and the page's own"
        shown = page.locator(".parallel .axis").evaluate_all("all => all.map(a => a.dataset.axis)")
        assert shown == [*HOSTILE, "accuracy"]
        titles = page.locator("table.board th button").evaluate_all("all => all.map(b => b.title)")
        assert set(HOSTILE) <= set(titles)
        cells = page.locator("table.board td").evaluate_all("all => all.map(c => c.textContent)")
        for hparam in HOSTILE.values():
            assert {value for value in hparam.get("discrete", ()) if value != "constructor"} <= set(cells)
        page.locator(".failure summary").first.click()
        assert "</script><script>window.attacked = 1</script>" in page.locator(".failure pre").first.inner_text()
        assert "<b>no</b> & 'nothing' \"at\" all" in page.locator(".failure summary").first.inner_text()
        page.locator("#rows").select_option("0")
        page.locator("#columns").select_option("4")
        assert page.evaluate(TOUCHING) == []


# Little to show


X = HParam("x", RealInterval(0.0, 1.0, points=2))


def failed(number: int) -> TrialRecord:
    trial = made(number, {"x": number / 10}, [{}])
    outcome = Outcome.failed(FailureKind.DIVERGED, "loss is nan in epoch 1")
    return TrialRecord(
        trial.trial, tuple(type(s)(s.session, outcome, 0.0, 1.0, delivered=True) for s in trial.sessions)
    )


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (record_of([X], []), "No trial has been recorded yet."),
        (record_of([X], [made(1, {"x": 0.5}, [{"accuracy": 0.5, "seconds": 1.0}])]), "too few to explain anything"),
        (record_of([X], [failed(1), failed(2)]), "Every trial has failed; see below why."),
        (record_of([X], [made(n, {"x": n / 10}, [{"seconds": 1.0}]) for n in (1, 2)]), "No trial has this metric yet."),
        (record_of([X], [TrialRecord(made(1, {"x": 0.1}, []).trial, ())]), "No trial has a result yet."),
        (record_of([X], [made(1, {"x": 0.1}, [{"accuracy": 0.1}]), failed(2)]), "No epoch has been reported."),
    ],
)  # fmt: skip
def test_a_page_with_little_to_show_says_so(browser: Browser, tmp_path: Path, record: Record, words: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(page_of(collect_facts(record, {})))
    with opened(browser, file) as page:
        if "metric yet" in words:
            page.locator("#metric").evaluate(
                "s => { s.options[0].value = 'accuracy'; s.dispatchEvent(new Event('change')); }"
            )
        expect(page.locator("main")).to_contain_text(words)


def test_two_thousand_trials_are_no_burden(browser: Browser, tmp_path: Path) -> None:
    """2,000 trials with 8 HParams and 20 epochs each: under 10 MB, all of them drawn, filtered at once."""
    sizes = {"a": 5, "b": 5, "c": 5, "d": 4, "e": 2, "f": 2, "g": 1, "h": 1}
    hparams = [HParam(name, Discrete([float(n) for n in range(count)])) for name, count in sizes.items()]
    record = recorded(hparams, lambda v, r: sum(v.values()) / 20)
    epochs = {
        trial.trial.name: {e: {"accuracy": e / 20, "loss": 1 / (e + 1), "val_loss": 0.3} for e in range(20)}
        for trial in record.trials
    }
    assert len(record.trials) == 2000
    file = tmp_path / "report.html"
    file.write_text(page_of(collect_facts(record, epochs)))
    assert file.stat().st_size < 10e6
    with opened(browser, file) as page:
        assert len(rows(page)) == 100
        page.locator("#query").fill("accuracy>0.7")
        expect(page.locator(".count")).to_contain_text("of 2,000 trials selected")
        page.locator("#query").fill("")
        page.get_by_role("button", name="Show the other 1,900").click()
        assert len(rows(page)) == 2000


def test_a_folder_is_a_place_for_a_page(swept: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_report(swept, Path()) == Path("report.html")
    assert (tmp_path / "report.html").read_bytes()


def test_the_page_leaves_nothing_half_written(swept: Record, tmp_path: Path) -> None:
    write_report(swept, tmp_path / "r.html")
    assert os.listdir(tmp_path) == ["r.html"]
    text = (tmp_path / "r.html").read_text()
    assert not any(word in text for word in ("http://", "https://")) or "http://www.w3.org/2000/svg" in text
    hosts = {part.split("/")[0] for part in itertools.chain(*(text.split(p)[1:] for p in ("http://", "https://")))}
    assert hosts <= {"www.w3.org"}, "a name space, which nothing is loaded from"
