"""The NEON kernels, compiled for aarch64 and run by an emulator where both are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import vicinal.kernels

COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None or EMULATOR is None, reason="no compiler or no emulator of aarch64 is installed")
def test_neon_is_the_portable_code(tmp_path: Path) -> None:
    """Sums, estimates, passed rows and int8 products of NEON are those of the portable kernels."""
    source, program = Path(__file__).with_name("neon.cpp"), tmp_path / "neon"
    headers = Path(vicinal.kernels.__file__).parent
    if not (headers / "funnel.hpp").exists():
        pytest.skip("the sources of the kernels are not beside the package")
    options = ["-std=c++17", "-O2", "-static", "-pthread", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
    build = [str(COMPILER), *options, f"-I{headers}", str(source), "-o", str(program)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(EMULATOR), str(program)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("0 differences\n", 0), done.stderr
