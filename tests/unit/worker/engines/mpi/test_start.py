"""The command lines of mpirun and its daemons."""

from __future__ import annotations

import sys

import pytest

from picluster.worker.engines.mpi.start import Place, daemon_words, mpirun_words

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the mpi engine is for Linux")


def test_every_rank_has_its_place_in_our_order() -> None:
    places = [
        Place(f"10.0.0.{host}", f"/proc/{rank}/fd/7", f"/proc/{rank}/fd/8") for rank, host in enumerate([1, 2, 1])
    ]
    contexts = " ".join(mpirun_words(places, "sh agent")).split(" : ")
    assert [context.split("--host ")[1].split()[0] for context in contexts] == [
        "10.0.0.1:1",
        "10.0.0.2:1",
        "10.0.0.1:1",
    ]
    assert [context.split()[-2:] for context in contexts] == [[place.environment, place.held] for place in places]
    assert all("-n 1 " in context for context in contexts)


def test_the_agent_is_ours_and_only_mpirun_calls_it() -> None:
    words = mpirun_words([Place("10.0.0.1", "a", "b")], "sh /proc/1/fd/9")
    assert words[words.index("plm_ssh_agent") + 1] == "sh /proc/1/fd/9"
    assert words[words.index("plm_ssh_no_tree_spawn") + 1] == "1"


def test_of_what_mpirun_wants_a_daemon_takes_only_who_it_is_and_where_mpirun_is() -> None:
    asked = [
        "PRTE_PREFIX=/there;export PRTE_PREFIX;rm -rf /;/there/bin/prted",
        *("--prtemca", "ess_base_nspace", '"prterun-pi1-42@0"', "--prtemca", "ess_base_vpid", "2"),
        *("--prtemca", "prte_hnp_uri", '"prterun-pi1-42@0.0;tcp://10.0.0.1:4711:24"'),
        *("--prtemca", "prte_if_include", '"eth7"', "--prtemca", "plm_ssh_agent", '"sh /proc/1/fd/9"'),
    ]
    words = daemon_words(asked)
    told = dict(zip(words[3::3], words[4::3], strict=True))
    assert words[:2] == ["--leave-session-attached", "--allow-run-as-root"]
    assert told == {
        "ess": "env",
        "plm": "ssh",
        "pmix_session_server": "1",
        "ess_base_nspace": "prterun-pi1-42@0",
        "ess_base_vpid": "2",
        "prte_hnp_uri": "prterun-pi1-42@0.0;tcp://10.0.0.1:4711:24",
    }
