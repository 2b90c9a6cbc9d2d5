"""Set-up and the runner of checks: what they do without a network, an index or a passing group."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


setup_env, run_tests, run_bench = _load("setup_env"), _load("run_tests"), _load("run_bench")


class Pip:
    """Stands in for run_logged: gives prepared answers, keeps the commands."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], *, log: Path) -> tuple[int, str]:
        self.commands.append(command)
        return self.answers.pop(0)


NO_MATCH = (1, "ERROR: No matching distribution found for torch==2.13.0+cpu")
# What pip 23 says of an index that has other builds of that version alone.
NO_BUILD = (1, "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/")
NO_NETWORK = (1, "Retrying after NewConnectionError('Temporary failure in name resolution')")


def _install_torch(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, str]) -> Pip:
    pip = Pip(*answers)
    monkeypatch.setattr(setup_env, "run_logged", pip)
    setup_env.install_torch(["pip", "install"], log=Path("setup.log"))
    return pip


def test_torch_comes_from_the_configured_index_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = _install_torch(monkeypatch, (0, ""))
    assert len(pip.commands) == 1
    assert pip.commands[0][-1] == "torch==2.13.0+cpu"
    assert not any("index" in part for part in pip.commands[0])


@pytest.mark.parametrize("first", [NO_MATCH, NO_BUILD, NO_NETWORK])
def test_torch_comes_from_the_index_of_pytorch_where_the_first_has_none(
    monkeypatch: pytest.MonkeyPatch, first: tuple[int, str]
) -> None:
    pip = _install_torch(monkeypatch, first, (0, ""))
    second = pip.commands[1]
    place = second.index("--index-url")
    assert second[place + 1] == "https://download.pytorch.org/whl/cpu"
    assert second[second.index("--timeout") + 1] == "10"


def test_without_a_network_set_up_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(setup_env.SetupError, match="no network") as caught:
        _install_torch(monkeypatch, NO_MATCH, NO_NETWORK)
    assert "\n" not in str(caught.value)


def test_a_python_without_a_build_of_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_env.sys, "version_info", (3, 12, 1, "final", 0))
    with pytest.raises(setup_env.SetupError, match=r"no build of torch==.*\+cpu for Python 3\.12"):
        _install_torch(monkeypatch, NO_BUILD, NO_BUILD)


def test_a_broken_wheel_is_not_looked_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(setup_env.SetupError, match="has an invalid wheel"):
        _install_torch(monkeypatch, (1, "ERROR: torch has an invalid wheel"))


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_env.sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(setup_env.SetupError, match=r"Python 3\.10\.4 .* is too old"):
        setup_env.check_python()


def test_a_python_without_venv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_env.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(setup_env.SetupError, match="apt-get install python3-venv"):
        setup_env.check_python()


def test_a_full_disk_is_named() -> None:
    said = "ERROR: Could not install packages: [Errno 28] No space left on device"
    assert "the disk is full" in str(setup_env.explain(said, log=Path("l"), doing="installing"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What set_up does, instead of doing it."""
    done: list[str] = []

    def make_environment(venv: Path, *, runtime: bool) -> None:
        done.append("runtime" if runtime else "environment")

    monkeypatch.setattr(setup_env, "make_environment", make_environment)
    monkeypatch.setattr(setup_env, "install_locks", lambda venv, locks: done.append("dev"))
    monkeypatch.setattr(setup_env, "install_project", lambda venv: done.append("project"))
    return done


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"project": "other"}, ["project"]),
        ({"lock": "other"}, ["environment", "project"]),
        ({"dev": "other"}, ["environment", "project"]),
        ({"dev": ""}, ["dev"]),  # the demo was first
        ({"dev": "", "project": "other"}, ["dev", "project"]),
        ({"python": "3.12"}, ["environment", "project"]),
        ({"folder": "/elsewhere"}, ["environment", "project"]),
    ],
)
def test_set_up_does_what_has_changed_and_no_more(
    tmp_path: Path, made: list[str], changes: dict[str, str], expected: list[str]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    setup_env.write_stamp(tmp_path, {**setup_env.wanted_stamp(), **changes})
    setup_env.set_up(tmp_path)
    assert made == expected
    assert json.loads((tmp_path / "setup.json").read_text()) == setup_env.wanted_stamp()


@pytest.mark.parametrize(
    ("changes", "expected", "dev"),
    [
        ({}, [], None),
        ({"dev": ""}, [], ""),
        ({"dev": "other"}, [], "other"),  # left for who needs it
        ({"project": "other"}, ["project"], None),
        ({"lock": "other"}, ["runtime", "project"], ""),
    ],
)
def test_a_set_up_for_the_demo_leaves_out_what_only_tests_need(
    tmp_path: Path, made: list[str], changes: dict[str, str], expected: list[str], dev: str | None
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    whole = setup_env.wanted_stamp()
    setup_env.write_stamp(tmp_path, {**whole, **changes})
    setup_env.set_up(tmp_path, runtime=True)
    assert made == expected
    stamp = json.loads((tmp_path / "setup.json").read_text())
    assert stamp == {**whole, "dev": whole["dev"] if dev is None else dev}


def test_an_interrupted_set_up_begins_anew(tmp_path: Path, made: list[str]) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    setup_env.set_up(tmp_path)
    assert made == ["environment", "project"]


def test_make_says_in_one_line_that_python_is_missing(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    done = subprocess.run(
        ["make", "PYTHON=", "setup"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if "error" in line]
    assert "no Python 3.11 or newer found" in line


def test_every_group_is_run_and_a_failure_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    succeed, fail = (sys.executable, "-c", "print('ok')"), (sys.executable, "-c", "exit(3)")
    groups = (
        run_tests.Group("first", (succeed,)),
        run_tests.Group("second", (fail, succeed)),
        run_tests.Group("third", (succeed,)),
    )
    monkeypatch.setattr(run_tests, "GROUPS", groups)
    monkeypatch.setattr(sys, "argv", ["run_tests.py"])
    assert run_tests.main() == 1
    out = capfd.readouterr().out
    assert out.count("ok\n") == 2  # the second group ends at its first failure
    lines = out.splitlines()[-4:]
    assert [line.split()[0] for line in lines] == ["first", "second", "third", "all"]
    assert [line.split()[3] for line in lines[:3]] == ["passed", "FAILED", "passed"]
    assert lines[3].endswith("failed: second")


def test_a_group_beside_another_starts_with_it_and_prints_after_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each waits for the other: run after one another they would wait for ever."""
    meet = tmp_path / "meet.py"
    meet.write_text(
        "import pathlib, sys, time\n"
        "here, other = map(pathlib.Path, sys.argv[1:])\n"
        "here.touch()\n"
        "while not other.exists(): time.sleep(0.01)\n"
        "print('met', here.name)\n"
    )
    one, two = tmp_path / "one", tmp_path / "two"
    groups = (
        run_tests.Group("one", ((sys.executable, str(meet), str(one), str(two)),)),
        run_tests.Group("two", ((sys.executable, str(meet), str(two), str(one)),), beside=True),
    )
    monkeypatch.setattr(run_tests.os, "sched_getaffinity", lambda process: {0, 1})
    (together,) = run_tests.steps(groups)
    assert [good for _, _, good in run_tests.run_step(together)] == [True, True]
    said = [line for line in capfd.readouterr().out.splitlines() if not line.startswith("--")]
    assert said == ["== one", "met one", "== two", "met two"]
    monkeypatch.setattr(run_tests.os, "sched_getaffinity", lambda process: {0})
    assert run_tests.steps(groups) == [[groups[0]], [groups[1]]]


def test_the_groups_cover_every_test_file() -> None:
    names = [group.name for group in run_tests.GROUPS]
    assert names == ["set-up", "static", "unit", "end-to-end", "faults"]
    for folder in run_tests.SEPARATE:
        assert (ROOT / folder).is_dir()


@pytest.mark.parametrize(
    ("cpus", "processes"), [({0}, ()), ({0, 1}, ("-n", "2")), (set(range(16)), ("-n", "4"))]
)
def test_unit_tests_run_in_a_process_per_allowed_cpu(
    monkeypatch: pytest.MonkeyPatch, cpus: set[int], processes: tuple[str, ...]
) -> None:
    monkeypatch.setattr(run_tests.os, "sched_getaffinity", lambda process: cpus)
    assert run_tests.side_by_side()[:2] == processes


def test_a_group_sets_its_variables_for_its_commands_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    show = (sys.executable, "-c", "import os; print('threads', os.environ['OMP_NUM_THREADS'])")
    one = run_tests.Group("one", (show,), variables=(("OMP_NUM_THREADS", "1"),))
    assert run_tests.run_group(one)
    assert run_tests.run_group(run_tests.Group("other", (show,)))
    said = capfd.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("threads")] == ["threads 1", "threads 7"]


def test_a_first_bench_has_nothing_to_compare_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_bench, "STORE", tmp_path)
    assert "--benchmark-compare" not in run_bench.command([])
    (tmp_path / "Linux").mkdir()
    (tmp_path / "Linux" / "0001.json").touch()
    assert "--benchmark-compare" in run_bench.command([])
