"""A bundle of `picluster probe` as text at 80 columns."""

from rich.table import Table

from picluster.cli.show.health_tables import show_health
from picluster.cli.show.run_tables import show_report
from picluster.cli.show.screen import Screen, plain_table
from picluster.cli.show.words import NOTHING, listed, plain
from picluster.schema.bundle import Bench, Bundle, ProbedNode
from picluster.wording import counted


def show_bundle(bundle: Bundle) -> None:
    """Print what nodes are, what was measured of them, the doctor's tables, and the report of the run."""
    screen = Screen()
    screen.tell(f"bundle     of {plain(bundle.made)}, by picluster {plain(bundle.picluster)}")
    for node in bundle.nodes:
        screen.tell(f"{plain(node.name):<10} {plain(_described(node, bundle))}")
    for each in bundle.missing:
        screen.tell(f"missing    {plain(each.what)} of {plain(listed(each.nodes))}: {plain(each.why)}")
    if any(node.bench for node in bundle.nodes):
        screen.show(
            _bench_table(bundle), "bench: GFLOP/s on one core and all, thousand rows gathered in a second, disk"
        )
    show_health(bundle.health)
    if bundle.report:
        screen.print()
        show_report(bundle.report)


def _described(node: ProbedNode, bundle: Bundle) -> str:
    """Board, system, kernel and firmware in a sentence."""
    facts = next((each.facts for each in bundle.health.nodes if each.name == node.name), None)
    if facts is None:
        return "could not be examined"
    cores = counted(node.facts.cores, "core") if node.facts and node.facts.cores else ""
    clock = f"to {facts.most_mhz} MHz" if facts.most_mhz else ""
    pages = f"pages of {facts.page_bytes >> 10} KiB" if facts.page_bytes else ""
    board = facts.board or (node.facts and node.facts.processor) or facts.machine
    firmware = f"firmware {facts.firmware}" if facts.firmware else ""
    bootloader = f"bootloader {facts.bootloader}" if facts.bootloader else ""
    kernel = f"kernel {facts.kernel}" if facts.kernel else ""
    words = (board, cores, clock, facts.system, kernel, pages, firmware, bootloader, facts.disk or "")
    return ", ".join(filter(None, words))


def _bench_table(bundle: Bundle) -> Table:
    table = plain_table(["node"], ("1 core", "all", "fp32 rows", "fp16 rows", "MB/s", "reads/s"))
    for node in bundle.nodes:
        table.add_row(plain(node.name), *(_cells(node.bench) if node.bench else [NOTHING] * 6))
    return table


def _cells(bench: Bench) -> list[str]:
    if bench.step != "done":
        return [plain(bench.signal or bench.error or bench.step), *[NOTHING] * 5]
    rows = (bench.gather_fp32_rows, bench.gather_fp16_rows)
    return [
        *(_number(each, 1) for each in (bench.product_gflops, bench.all_cores_gflops)),
        *(_number(each and each / 1000, 0) for each in rows),
        *(_number(each, 0) for each in (bench.read_mb_per_second, bench.random_reads)),
    ]


def _number(value: float | None, decimals: int) -> str:
    return NOTHING if value is None else f"{value:,.{decimals}f}"
