"""The wheel, as a user gets it: built from the tree, installed alone, used."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from vicinal import __version__, kernels

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "vicinal"
NATIVE = f"vicinal/kernels/_native{sysconfig.get_config_var('EXT_SUFFIX')}"

SEARCH = """
import sys, vicinal
from vicinal import kernels
from vicinal.testing import ToyEncoder
assert vicinal.__file__.startswith(sys.prefix), vicinal.__file__
with vicinal.open("notes.vicinal") as db:
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "12 34 56 78 90"}, {"id": "b", "text": "what is this about?"}])
    print(kernels.implementation(), notes.search("what is this about?", k=1)[0].id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A wheel, and an environment in which nothing but it is installed; the dependencies are seen from outside."""

    wheel: Path
    python: Path

    def run(self, *arguments: str, folder: Path) -> str:
        """Return what the environment's Python prints; warnings are errors."""
        command = [str(self.python), "-W", "error", *arguments]
        done = subprocess.run(command, cwd=folder, env=clean(), capture_output=True, text=True, check=False)
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    def names(self) -> set[str]:
        """Return the names of all files in the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())


def clean(**changes: str) -> dict[str, str]:
    """Return the environment without what leads Python or pip elsewhere, and without a network for pip."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "VICINAL_"))}
    return {**kept, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "VICINAL_OFFLINE": "1", **changes}


def build(folder: Path, **environment: str) -> Installed:
    """Build the wheel into a folder, and install it there into an environment of its own."""
    pip = [sys.executable, "-m", "pip"]
    isolated = [f"--config-settings=build-dir={folder / 'build'}", "--no-deps", "--no-build-isolation"]
    must([*pip, "wheel", *isolated, "--wheel-dir", str(folder), str(ROOT)], clean(**environment))
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=os.name != "nt")
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    must([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], clean())
    inner = must([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], clean()).strip()
    outer = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(inner, "dependencies.pth").write_text("\n".join(sorted(outer)), encoding="utf-8")
    return Installed(wheel=wheel, python=python)


def must(command: list[str], environment: dict[str, str]) -> str:
    """Return what a command prints; its failure is the test's."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return the wheel as this machine builds it."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def without_compiler(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return the wheel as a machine builds it whose compiler does not work."""
    return build(tmp_path_factory.mktemp("plain_wheel"), CXX="false")


def expected_names() -> set[str]:
    """Return what must be in any wheel: the Python files, the mark of types, the licence, the metadata."""
    sources = {
        f"vicinal/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*.py*")
        if path.suffix in {".py", ".pyi"}
    }
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    return sources | {"vicinal/py.typed"} | {f"vicinal-{__version__}.dist-info/{name}" for name in metadata}


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    """Every module, the licence and, where it can be built, the native part; no tests, no C++."""
    native = set() if kernels._native is None else {NATIVE}
    assert installed.names() == expected_names() | native


@pytest.mark.slow
def test_wheel_without_a_compiler_is_whole(without_compiler: Installed, tmp_path: Path) -> None:
    """Without a compiler the same wheel comes without the native part, and NumPy answers."""
    assert without_compiler.names() == expected_names()
    search = f"import warnings; warnings.simplefilter('ignore')\n{SEARCH}"
    assert without_compiler.run("-c", search, folder=tmp_path) == "numpy b\n"


@pytest.mark.slow
def test_installed_package_searches(installed: Installed, tmp_path: Path) -> None:
    """An installation from the wheel imports, stores and finds."""
    assert installed.run("-c", SEARCH, folder=tmp_path) == f"{kernels.implementation()} b\n"


@pytest.mark.slow
def test_installed_command_says_its_version(installed: Installed, tmp_path: Path) -> None:
    """The command is installed, and the version is that of the wheel and of the package."""
    assert __version__ in installed.run(str(installed.python.with_name("vicinal")), "--version", folder=tmp_path)
    assert __version__ in installed.run("-m", "vicinal", "--version", folder=tmp_path)
    assert installed.wheel.name.startswith(f"vicinal-{__version__}-")
