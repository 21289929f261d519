"""A node that only samples, over sockets, never imports torch."""

import subprocess
import sys

IMPORTED = """
import sys
import picluster.worker.session, picluster.worker.crew, picluster.worker.engines.sockets.engine
import picluster.worker.roles.sampler_role
from picluster.worker.measuring.metrics import hardware
assert hardware(computes=False).numerics == ""
found = [name for name in sys.modules if name.partition(".")[0] in ("torch", "torch_geometric", "scipy")]
assert not found, found[:5]
"""


def test_what_a_sampler_imports_is_without_torch() -> None:
    subprocess.run([sys.executable, "-c", IMPORTED], check=True)
