"""Who leads a run: this process, as a run folder remembers it, and whether a remembered one still lives."""

from __future__ import annotations

import os

import psutil

from picluster.schema.run import Controller


def this_controller() -> Controller:
    """This process, as a run folder remembers it."""
    return Controller(host=os.uname().nodename, pid=os.getpid(), started=psutil.Process().create_time())


def is_alive(controller: Controller) -> bool:
    """Whether the process that leads a run still exists; unknown on other machines, hence no."""
    if controller.host != os.uname().nodename:
        return False
    try:
        process = psutil.Process(controller.pid)
        is_the_one = abs(process.create_time() - controller.started) < 1
        return is_the_one and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
