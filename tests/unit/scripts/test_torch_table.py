"""What the table of torch says of a trial, and of a wheel. The trial itself: make torch-table."""

from __future__ import annotations

from scripts.torch_table.table import Trial, Wheel, ending, glibc, markdown, outcomes, page_bytes
from scripts.torch_table.wheels import applying, cuda_packages

SEGMENTS = """
Program Headers:
  Type           Offset   VirtAddr           PhysAddr           FileSiz  MemSiz   Flg Align
  LOAD           0x000000 0x0000000000000000 0x0000000000000000 0x0018dc 0x0018dc R E 0x10000
  LOAD           0x00fdc8 0x000000000001fdc8 0x000000000001fdc8 0x000330 0x000338 RW  {data}
  GNU_RELRO      0x00fdc8 0x000000000001fdc8 0x000000000001fdc8 0x000238 0x000238 R   0x1
"""
VERSIONS = """
  0x0000: Version: 1  File: libc.so.6  Cnt: 2
  0x0010:   Name: GLIBC_2.17  Flags: none  Version: 4
  0x0020:   Name: GLIBC_2.4  Flags: none  Version: 3
  0x0030:   Name: GLIBCXX_3.4.30  Flags: none  Version: 2
"""


def test_steps_that_ended_have_seconds_one_that_died_its_signal_and_later_ones_were_not_tried() -> None:
    said = "begin import\nend import 41.2\nbegin multiply\n"
    assert outcomes(said, ending(-4, "")) == ("41.2 s", "SIGILL", "–", "–")


def test_a_step_that_fails_in_words_has_the_last_of_them() -> None:
    complaint = "Traceback (most recent call last):\nRuntimeError: no way\n"
    assert outcomes("begin import\n", ending(1, complaint)) == ("RuntimeError: no way", "–", "–", "–")
    assert ending(3, "") == "exit code 3"


def test_a_process_that_dies_before_its_first_step_leaves_no_row_of_dashes() -> None:
    assert outcomes("", "SIGSEGV") == ("SIGSEGV", "–", "–", "–")


def test_the_smallest_alignment_of_a_segment_that_is_loaded_counts() -> None:
    assert page_bytes(SEGMENTS.format(data="0x10000")) == 65536
    assert page_bytes(SEGMENTS.format(data="0x1000")) == 4096
    assert page_bytes("There are no program headers in this file.") == 0


def test_the_newest_glibc_counts_by_number_and_other_libraries_do_not() -> None:
    assert glibc(VERSIONS) == (2, 17)
    assert glibc("No version information found in this file.") == ()


def test_packages_with_cuda_count_only_where_they_are_for_a_pi() -> None:
    given = [
        "filelock",
        'setuptools; python_version >= "3.12"',
        'nvidia-nccl-cu12==2.27.5; platform_system == "Linux" and platform_machine == "x86_64"',
        'cuda-toolkit[cublas]==13.0.2; platform_system == "Linux"',
        'opt-einsum; extra == "opt-einsum"',
    ]
    wanted = applying(given, "3.11")
    assert wanted == ["filelock", "cuda-toolkit==13.0.2"]
    assert cuda_packages(wanted) == ["cuda-toolkit"]
    assert applying(given, "3.13")[1] == "setuptools"


def test_rows_are_markdown_and_what_is_unknown_is_a_dash() -> None:
    pi_4 = Wheel(torch="2.9.1", python="3.13", cuda=[], glibc="2.28", page_bytes=4096)
    cuda = Wheel(torch="2.11.0", python="3.13", cuda=["cuda-toolkit"])
    trial = Trial(torch="2.9.1", python="3.13", processor="cortex-a53", steps=["a|b", "–", "–", "–"])
    assert markdown(("torch",), [["2.9.1"]]) == "| torch |\n| --- |\n| 2.9.1 |\n"
    assert pi_4.cells == ("2.9.1", "3.13", "none", "2.28", "no (4 KiB)")
    assert cuda.cells == ("2.11.0", "3.13", "cuda-toolkit", "–", "–")
    assert "| cortex-a53 | a/b |" in markdown(("",), [trial.cells])
