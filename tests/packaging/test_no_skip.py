"""DISTIL_NO_SKIP=1 turns skips into failures, but for tests marked gpu."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_runtest_setup

CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text()
HURRIED = re.sub(r"(?m)^_THREAD_GRACE_S = .*", "_THREAD_GRACE_S = 0.1", CONFTEST)


def _outcomes(pytester: pytest.Pytester, body: str, **variables: str) -> dict[str, int]:
    pytester.makeconftest(HURRIED)
    pytester.makeini("[pytest]\nmarkers =\n  gpu: needs a GPU\n")
    pytester.makepyfile(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DISTIL_NO_SKIP", raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        return pytester.runpytest_subprocess("-p", "no:randomly").parseoutcomes()


SKIPS = """
    import pytest

    @pytest.mark.skip(reason="not today")
    def test_plain(): ...

    @pytest.mark.gpu
    @pytest.mark.skip(reason="no device")
    def test_gpu(): ...

    def test_inside():
        pytest.skip("not here")

    @pytest.mark.xfail(reason="known")
    def test_known():
        assert False
"""


def test_skips_stay_skips_without_the_variable(pytester: pytest.Pytester) -> None:
    assert _outcomes(pytester, SKIPS) == {"skipped": 3, "xfailed": 1}


def test_a_skip_fails_under_the_variable_unless_it_is_marked_gpu(
    pytester: pytest.Pytester,
) -> None:
    found = _outcomes(pytester, SKIPS, DISTIL_NO_SKIP="1")
    assert found["skipped"] == 1
    assert found["xfailed"] == 1
    assert found.get("failed", 0) + found.get("errors", 0) == 2


def test_a_module_that_skips_itself_fails_under_the_variable(pytester: pytest.Pytester) -> None:
    body = """
        import pytest
        pytest.importorskip("there_is_no_such_module")
        def test_it(): ...
    """
    found = _outcomes(pytester, body, DISTIL_NO_SKIP="1")
    assert found.get("errors") == 1
    assert "passed" not in found


def test_a_test_that_leaks_fails(pytester: pytest.Pytester) -> None:
    body = """
        import os, threading

        def test_variable():
            os.environ["LEFT_BEHIND"] = "1"

        def test_folder(tmp_path):
            os.chdir(tmp_path)

        def test_thread():
            threading.Thread(target=threading.Event().wait, daemon=True).start()

        def test_clean():
            assert "LEFT_BEHIND" not in os.environ
    """
    found = _outcomes(pytester, body)
    assert found["errors"] + found.get("failed", 0) == 3
    assert found["passed"] == 4


@pytest.mark.parametrize("beside", [False, True])
def test_a_serial_test_fails_beside_others(beside: bool) -> None:
    config = SimpleNamespace(workerinput={}) if beside else SimpleNamespace()
    for marks in ([], ["serial"]):
        item: Any = SimpleNamespace(
            config=config, get_closest_marker=lambda name, marks=marks: name in marks or None
        )
        raised = False
        try:
            pytest_runtest_setup(item)
        except pytest.fail.Exception:
            raised = True
        assert raised == (beside and bool(marks))
