"""A search whose candidates and pilots are trials of a study: stopped, shared, and looked at."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from made_world import World, shapes
from optuna.trial import TrialState
from postgresql import find_initdb, postgresql_server

from compress.errors import InputError
from compress.search import study as studies
from compress.search.books import Books
from compress.search.database import open_database
from compress.search.ledger import Scored, Screened
from compress.search.screening import Limit
from compress.search.solve import Found, solve
from compress.search.space import FLOAT, Plan, space_for
from compress.search.study import open_study

IMAGES = space_for("images", side=28, schemes=("int8", FLOAT))
SPACE = replace(IMAGES, structures=IMAGES.structures[:3])
LIMITS = (
    Limit(budget="speed", limit=1 / 8, timed=True),
    Limit(budget="size", limit=300 * 1024, timed=False),
)
INITDB = find_initdb()
CHILD = """
import json, sys, time
from test_study import Slow, searched
world = Slow()
found = searched(world, sys.argv[1])
print(json.dumps([found.plan.name, found.epochs, world.work]))
"""


class Slow(World):
    """Answers take a while, so that two processes are at work at the same time."""

    @property
    def work(self) -> list[str]:
        """Everything that was answered here."""
        pilots = [f"{plan.name} {seed} {epochs}" for plan, seed, epochs in self.pilots]
        return [plan.name for plan in self.asked] + pilots

    def screen(self, plan: Plan) -> Screened:
        time.sleep(0.1)
        return super().screen(plan)

    def evaluate(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        time.sleep(0.1)
        return super().evaluate(plan, seed=seed, epochs=epochs)


class Stopped(World):
    """Is interrupted at its fifth answer."""

    def screen(self, plan: Plan) -> Screened:
        if len(self.asked) == 4:
            raise KeyboardInterrupt
        return super().screen(plan)


def searched(world: World, study: str | None) -> Found:
    return solve(
        SPACE,
        LIMITS,
        screen=world.screen,
        evaluate=world.evaluate,
        operators=shapes,
        seconds=2400,
        study=study,
    )


def child(place: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, place],
        env={**os.environ, "PYTHONPATH": f"{root}:{Path(__file__).parent}"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "study.journal")


@pytest.fixture
def postgresql() -> Iterator[str]:
    if INITDB is None:
        pytest.skip("no PostgreSQL here: install the Debian package postgresql")
    with postgresql_server(INITDB) as url:
        yield url


def test_a_stopped_search_goes_on_and_finds_what_an_unbroken_one_finds(journal: str) -> None:
    stopped, resumed, unbroken = Stopped(), World(), World()
    with pytest.raises(KeyboardInterrupt):
        searched(stopped, journal)
    found = searched(resumed, journal)
    assert found == searched(unbroken, None)
    assert Counter(stopped.asked + resumed.asked) == Counter(unbroken.asked)
    assert len(stopped.asked) == 4
    assert resumed.pilots == unbroken.pilots
    # What optuna and its dashboard see.
    with kept(journal) as study:
        trained = study.get_trials(states=(TrialState.COMPLETE,))
        failed = study.get_trials(states=(TrialState.FAIL,))
        pruned = study.get_trials(states=(TrialState.PRUNED,))
    assert len([one for one in pruned if "asked" in one.user_attrs]) == len(unbroken.asked)
    assert len(trained) == len(unbroken.pilots)
    assert len(failed) == 1
    plan, _, epochs = unbroken.pilots[0]
    assert trained[0].params == {
        "structure": plan.structure.name,
        "depth": plan.structure.depth,
        "width": plan.width,
        "scheme": plan.scheme,
    }
    assert trained[0].values == [unbroken.accuracy(plan, epochs), unbroken.known(plan).p50_ms]


def test_what_was_at_work_in_a_file_of_ones_own_was_killed(journal: str) -> None:
    world = World()
    with open_study(journal, "mine", SPACE, world.ledger) as ledger:
        ledger._queue(studies._question(SPACE.plans(SPACE.structures[0], "int8")[4]))
        storage = ledger.study._storage
        storage.set_trial_state_values(ledger.study.trials[0]._trial_id, TrialState.RUNNING)
    with open_study(journal, "mine", SPACE, world.ledger, private=True) as ledger:
        assert [trial.state for trial in ledger.study.trials] == [TrialState.FAIL]


def test_two_processes_share_a_search_and_find_the_same(postgresql: str) -> None:
    check_sharing(postgresql)


def test_all_that_open_a_new_database_at_once_get_in_and_leave_no_connection_open(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", left.append)
    together = threading.Barrier(4)

    def enter() -> int:
        together.wait()
        with open_database(postgresql) as storage:
            return len(storage.get_all_studies())

    with warnings.catch_warnings(), ThreadPoolExecutor(4) as threads:
        warnings.simplefilter("error", ResourceWarning)  # raised where nothing catches it
        assert [one.result() for one in [threads.submit(enter) for _ in range(4)]] == [0] * 4
        gc.collect()
    assert not left


@pytest.mark.slow
def test_two_processes_share_a_file_and_find_the_same(journal: str) -> None:
    check_sharing(journal)


def check_sharing(place: str) -> None:
    other, here = child(place), Slow()
    while not trials(place):
        assert other.poll() is None
        time.sleep(0.1)
    found = searched(here, place)
    said, _ = other.communicate(timeout=200)
    name, epochs, theirs = json.loads(said)
    assert (found.plan.name, found.epochs) == (name, epochs)
    assert here.work
    assert theirs
    assert not set(here.work) & set(theirs)
    assert found.fits
    with kept(place) as study:
        done = study.get_trials(states=(TrialState.PRUNED, TrialState.COMPLETE))
    assert sum("asked" in one.user_attrs for one in done) == len(here.work) + len(theirs)


@contextmanager
def kept(place: str) -> Iterator[optuna.Study]:
    """What optuna sees of it. KeyError where it is not there yet."""
    with open_database(place) as storage:
        yield optuna.load_study(study_name="search", storage=storage)


def trials(place: str, *states: TrialState) -> int:
    """How many there are; none before there is a study."""
    with suppress(KeyError), kept(place) as study:
        return len(study.get_trials(states=states or None))
    return 0


@pytest.mark.slow
def test_the_trial_of_a_process_that_died_is_taken_by_another(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = child(journal)
    while not trials(journal, TrialState.RUNNING):
        assert other.poll() is None
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    monkeypatch.setattr(studies, "DEAD_S", 1)
    monkeypatch.setattr(studies, "PATIENCE_S", 1.0)
    here = World()
    assert searched(here, journal) == searched(World(), None)
    assert trials(journal, TrialState.FAIL) == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("postgresql://nobody@/none?host=/nowhere", "/nowhere"),
        ("/nowhere/study.journal", "can't be made"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_in_one_line(place: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        searched(World(), place)
    assert refused.value.where == "search.study"
    assert refused.value.cure


def test_a_fresh_search_takes_no_study_that_holds_answers(tmp_path: Path) -> None:
    journal, world = str(tmp_path / "study.journal"), World()
    with open_study(journal, "mine", SPACE, world.ledger, fresh=True) as ledger:
        ledger.agreed("seconds", {"seconds": 1.0})
    with (
        pytest.raises(InputError, match="holds answers of this search") as refused,
        open_study(journal, "mine", SPACE, world.ledger, fresh=True),
    ):
        pass
    assert refused.value.where == "search.study"
    with open_study(journal, "mine", SPACE, world.ledger) as ledger:  # it goes on
        assert ledger.agreed("seconds", {"seconds": 2.0}) == {"seconds": 1.0}
    with open_study(journal, "another", SPACE, world.ledger, fresh=True):
        pass


def test_what_a_process_did_besides_goes_on_where_one_before_it_was_stopped(tmp_path: Path) -> None:
    journal, world = str(tmp_path / "study.journal"), World()
    with open_study(journal, "mine", SPACE, world.ledger) as ledger:
        took = iter((4.0, 7.0))
        books = Books(ledger, lambda: next(took))
        assert [books.seconds(), books.seconds()] == [4.0, 7.0]
    with open_study(journal, "mine", SPACE, world.ledger) as ledger:
        took = iter((0.5, 1.0, 3.0, 3.0))  # of this process
        books = Books(ledger, lambda: next(took))
        assert [books.seconds() for _ in range(4)] == [4.0, 7.0, 9.0, 9.0]
