"""Trains as one rival: `python -m scripts.bench_reddit.rivals TASK.json`."""

import socket
import sys
from pathlib import Path

from torch.multiprocessing.spawn import spawn

from picluster.schema.record import from_json
from scripts.bench_reddit.records import RivalTask
from scripts.bench_reddit.rivals.predecessor import train_remotely
from scripts.bench_reddit.rivals.products import multiply
from scripts.bench_reddit.rivals.training import train


def main() -> None:
    """Train."""
    file = Path(sys.argv[1])
    task = from_json(RivalTask, file.read_bytes(), source=str(file))
    if task.kind == "products":
        multiply(task)
    elif task.processes == 1:
        train(0, task, 0)
    else:
        work = train_remotely if task.kind == "predecessor" else train
        spawn(work, (task, _free_port()), nprocs=task.processes)  # type: ignore[no-untyped-call]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
