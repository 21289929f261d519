"""The page of a run: one file that needs no other, whatever nodes and tags are called."""

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from picluster.controller.page.lines import STRETCHES, lines_of, spans, thinned, time_use
from picluster.controller.page.page import make_page
from picluster.controller.record.metrics import read_metrics
from picluster.controller.record.report import report_of
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import Recorded, Resources
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.record import to_json
from picluster.schema.run import Failure, Result, Resumption
from picluster.schema.state import Position
from tests.slowness import usual_seconds
from tests.unit.controller.made import RUN_V1, a_step, copy_of_run_v1

HOSTILE = "<script>alert('x')</script>&\"'"
VOID = {"meta"}
EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"


class Elements(HTMLParser):
    """Counts elements, keeps attributes, and holds that what is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile(folder: RunFolder) -> RunFolder:
    """A run with a tag, nodes and a fault of hostile names, taken up once and then failed."""
    names = {node: f"{HOSTILE}{node}"[:60].replace("/", "|") for node in folder.plan().nodes}
    plan = folder.plan()
    stages = tuple(
        StagePlan(layers=stage.layers, nodes=tuple(names[n] for n in stage.nodes), receives=stage.receives)
        for stage in plan.stages
    )
    plan = Plan(strategy=plan.strategy, engine=plan.engine, sampler=(names[plan.sampler[0]],), stages=stages)
    for node, name in names.items():
        folder.log_file(node).parent.rename(folder.log_file(name).parent)
    run = folder.run()
    folder.begin(msgspec.structs.replace(run, tag=HOSTILE), plan, folder.environment())
    fault = Failure(node=HOSTILE, layers=(1,), cause=HOSTILE, fix=HOSTILE, log=None, last_lines=(HOSTILE,))
    leader = run.controller
    position = Position(epoch=2, step=1)
    folder.keep_attempt(
        Resumption(attempt=2, started=run.started + 9, after=fault, position=position, plan=plan, controller=leader)
    )
    folder.end(Result(status="failed", failure=fault, test_accuracy=None, ended=run.started + 20))
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_page(hostile(RunFolder(copy_of_run_v1(tmp_path_factory.mktemp("runs") / "a <run>"))))


def test_nothing_in_a_page_leaves_it_or_runs(page: str) -> None:
    found = Elements(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    references = [value for name, value in found.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(value.startswith("#") for value in references)
    assert "://" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_a_page_has_its_sentences_pictures_tables_and_commands(page: str) -> None:
    words = ("Learnt", "Held back by", "Try", "holds the run back", "launch --rerun", "stage 1: layer 1", "Failure")
    assert [each for each in (*words, "attempt 2 began, from epoch 2, step 1") if each not in page] == []
    assert Elements(page).tags.count("svg") == 6  # this run was made without a sensor of temperature
    assert re.search(r"#0[1-8]0[1-8]0[1-8]", page) is None  # every ink is the page's own


def test_a_run_that_has_made_no_step_has_a_page(tmp_path: Path) -> None:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    folder.events_file.unlink()
    for node in folder.plan().nodes:
        folder.metrics_file(node).unlink(missing_ok=True)
    page = make_page(folder)
    assert "No step was made" in page
    assert "svg" not in Elements(page).tags


@pytest.mark.parametrize("name", ["single", "fault"])
def test_the_examples_have_the_sections_of_a_page_of_today(name: str) -> None:
    """Otherwise: python -m scripts.example_pages."""
    today, example = (
        set(re.findall(r"<h[23]>(.*?)</h[23]>", text))
        - {"Temperature over time", "Clock over time", "What befell it", "Links"}
        for text in (make_page(RunFolder(RUN_V1)), (EXAMPLES / f"{name}.html").read_text())
    )
    assert example == today


def test_a_page_tells_what_passes_over_each_link(tmp_path: Path) -> None:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    folder.metrics_file("local2").unlink()
    folder.record("local2", a_step(sent_payload_to={"local4": 5_120, "local3": 10_240}, sending_ms_to={"local3": 2.0}))
    page = make_page(folder)
    assert "aggregated rows down (5 KiB a step), their gradients up<" in page
    rows = re.findall(r"<td.*?>(.*?)</td>", page[page.index("<h2>Links") :])
    assert rows[:8] == ["local2", "local3", "10.0", "41.0", "local2", "local4", "5.0", "–"]


def test_spans_last_until_the_next_point_of_the_attempt_and_join() -> None:
    told = [(0.0, False), (1.0, True), (2.0, True), (3.0, False), (5.0, True)]
    points = [(1, seconds, holds) for seconds, holds in told]
    assert spans([*points, (2, 9.0, True), (2, 10.0, False)]) == ((1.0, 3.0), (5.0, 5.0), (9.0, 10.0))
    assert spans([]) == ()


def test_a_node_that_its_firmware_held_back_is_shown_with_its_clock(tmp_path: Path) -> None:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    readings = [each.event for each in folder.metrics("local2") if isinstance(each.event, Resources)]
    for mhz, bits in ((1_500.0, 0), (600.0, 4), (600.0, 6), (1_500.0, 0)):
        folder.record("local2", msgspec.structs.replace(readings[0], clock_mhz=mhz, throttled=bits))
    page = make_page(folder)
    assert "Clock over time" in page
    assert "600 to 1,500 MHz, held back for 0:00" in page
    assert report_of(folder, read_metrics(folder)).nodes[1].throttled_share == 0.5


class Counting(RunFolder):
    """A run folder that keeps the names of nodes whose metrics are read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read: list[str] = []

    def all_metrics(self, node: str) -> Iterator[Recorded]:
        self.read.append(node)
        return super().all_metrics(node)


def test_a_page_reads_what_each_node_told_once() -> None:
    folder = Counting(RUN_V1)
    make_page(folder)
    assert sorted(folder.read) == sorted(folder.plan().nodes)


def test_a_thinned_line_keeps_the_lowest_and_the_highest_value() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    line = thinned(list(enumerate(values.tolist())))
    assert len(line.seconds) == 120
    assert (min(line.low), max(line.high)) == (values.min(), values.max())
    assert all(low <= middle <= high for low, middle, high in zip(line.low, line.middle, line.high, strict=True))


def test_a_line_breaks_between_attempts_and_all_of_them_have_no_more_points_than_one() -> None:
    points = [(1 + number // 7_500, float(number), 1.0) for number in range(10_000)]
    first, second = lines_of(points)
    assert first.seconds[-1] < 7_500 <= second.seconds[0]
    assert (len(first.seconds), len(second.seconds)) == (90, 30)


def test_the_use_of_time_adds_up_to_the_steps_and_is_blank_outside_of_them() -> None:
    """Steps end at 2, 4 and 60 s after the run's begin; the last came with a gap before it, and is a long one."""
    times = {2.0: (500.0, 300.0, 200.0), 4.0: (1_000.0, 0.0, 0.0), 60.0: (0.0, 20_000.0, 0.0)}
    steps = [
        Recorded(
            time=1e9 + seconds,
            node="pi1",
            event=a_step(step_ms=sum(parts), compute_ms=parts[0], wait_ms=parts[1], send_ms=parts[2]),
        )
        for seconds, parts in times.items()
    ]
    use = time_use(steps, 1e9, 60.0)
    span = 60.0 / STRETCHES
    assert [sum(each) * span for each in (use.compute, use.wait, use.send)] == pytest.approx([1.5, 20.3, 0.2])
    shares = [sum(each) for each in zip(use.compute, use.wait, use.send, strict=True)]
    assert shares[2:8] == pytest.approx([1, 1, 0, 0, 1, 1])
    assert max(shares[8:-40]) == 0
    assert use.wait[-40:] == (1.0,) * 40


def long_run(folder: RunFolder) -> RunFolder:
    """10,000 steps on 8 nodes, and readings of memory every tenth of them."""
    names = [f"pi{number}" for number in range(1, 9)]
    stages = (StagePlan(layers=(1,), nodes=tuple(names[1:7])), StagePlan(layers=(2,), nodes=(names[7],)))
    plan = Plan(strategy="layer-split", engine="sockets", sampler=(names[0],), stages=stages)
    folder.begin(folder.run(), plan, folder.environment())
    began, noise = folder.run().started, np.random.default_rng(0)
    for name in names:
        folder.node_folder(name)
        lines = []
        for step, ms in enumerate(noise.gamma(9, 30, size=10_000).tolist(), start=1):
            when = began + step / 3
            done = a_step(step, step_ms=ms, compute_ms=ms / 2, wait_ms=ms / 4, send_ms=ms / 4)
            lines.append(to_json(Recorded(time=when, node=name, event=done)))
            if step % 10 == 0:
                used = int(2e8 + 1e6 * noise.normal())
                reading = Resources(
                    rss_bytes=used,
                    anonymous_bytes=used,
                    peak_rss_bytes=used,
                    peak_anonymous_bytes=used,
                    file_bytes=0,
                    limit_bytes=1 << 30,
                    cpu_share=1.0,
                    temperature_celsius=float(50 + noise.normal()),
                )
                lines.append(to_json(Recorded(time=when, node=name, event=reading)))
        folder.metrics_file(name).write_bytes(b"\n".join(lines) + b"\n")
    return folder


@pytest.mark.slow
@pytest.mark.quiet
def test_the_page_of_a_long_run_is_small_and_soon_made(tmp_path: Path) -> None:
    folder = long_run(RunFolder(copy_of_run_v1(tmp_path / "run")))
    make_page(RunFolder(RUN_V1))  # what is imported once is not the page's time
    pages: list[str] = []

    def seconds() -> float:
        began = time.process_time()
        pages.append(make_page(folder))
        return time.process_time() - began

    assert usual_seconds(seconds, rounds=2) < 5
    assert len(pages[0].encode()) < 2_000_000
    assert Elements(pages[0]).tags.count("svg") >= 5
