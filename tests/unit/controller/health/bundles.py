"""A bundle as it is before anything is replaced: two Pis, of which one could not be measured, and a run."""

from __future__ import annotations

from msgspec.structs import replace

from picluster.controller.health.findings import judge
from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.bundle import Bench, Bundle, Missing, ProbedNode
from tests.unit.controller.healthy import SEEN, a_patient, links_between
from tests.unit.controller.made import RUN_V1

BENCH = Bench(
    step="done",
    signal=None,
    error="",
    cores=4,
    product_gflops=5.52,
    all_cores_gflops=19.9,
    gather_fp32_rows=310_400.0,
    gather_fp16_rows=150_200.0,
    read_mb_per_second=43.4,
    random_reads=2_980.4,
    in_memory=False,
)


def a_bundle() -> Bundle:
    """Names, addresses and paths are those of somebody's shelf."""
    facts = {"kernel": "6.12.47+rpt-rpi-v8", "page_bytes": 16384, "firmware": "2025/05/08", "disk": "mmcblk0 SD64G"}
    patients = [a_patient("pi1", facts=facts), a_patient("pi2", facts={"celsius": 81.0})]
    return Bundle(
        made="2026-11-30",
        picluster="0.1.0",
        nodes=(
            ProbedNode(name="pi1", facts=replace(SEEN, cores=4), bench=BENCH),
            ProbedNode(name="pi2", facts=replace(SEEN, name="pi2")),
        ),
        health=judge(patients, links_between("pi1", "pi2")),
        report=make_report(RunFolder(RUN_V1)),
        missing=(Missing(what="bench", nodes=("pi2",), why="busy with run abcd of user joe since 10:00"),),
    )
