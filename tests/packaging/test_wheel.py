"""What `pip install .` brings: three packages and nothing else."""

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmarks", "compress", "exporters")
PLUGIN = "distil_pytest.py"  # outside: pytest puts a user's own compress/ first on the path
LEFT_OUT = {"__pycache__", "suites", "evidence"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git would commit: a build leaves folders beside its sources."""
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        kept = ROOT / name
        if kept.is_file() and kept.stat().st_size < 1_000_000:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(kept.read_bytes())
    return source


@pytest.fixture(scope="module")
def wheel_names(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel."""
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    built = subprocess.run(
        [*pip, "--no-index", "-w", str(out), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_three_packages_the_plugin_and_nothing_else(wheel_names: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel_names}
    packages = {name for name in top if not name.endswith(".dist-info")}
    assert packages == {*PACKAGES, PLUGIN}
    assert len(top) == 5


def test_the_wheel_holds_no_tests_suites_or_caches(wheel_names: list[str]) -> None:
    unwanted = [
        name
        for name in wheel_names
        if {"tests", *LEFT_OUT} & set(name.split("/")) or "/test_" in name
    ]
    assert unwanted == []


def test_the_wheel_holds_every_file_of_the_packages(source: Path, wheel_names: list[str]) -> None:
    """A page template or starter file that is missing would only fail once it is installed."""
    kept = {
        path.relative_to(source).as_posix()
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }
    assert kept - set(wheel_names) == set()


def test_the_license_goes_with_it(wheel_names: list[str]) -> None:
    assert [name for name in wheel_names if name.endswith("licenses/LICENSE")]


def _imported(path: Path) -> set[str]:
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_every_import_is_declared_as_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(text for name in extras if name != "dev"
                                          for text in extras[name])]  # fmt: skip
    declared = {canonicalize_name(Requirement(text).name) for text in wanted}
    owners = importlib.metadata.packages_distributions()
    undeclared = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "suites" in path.parts:
                continue
            for module in _imported(path) - set(sys.stdlib_module_names) - set(PACKAGES):
                names = {canonicalize_name(name) for name in owners.get(module, [module])}
                if not names & declared:
                    undeclared[module] = path.relative_to(ROOT).as_posix()
    assert undeclared == {}
