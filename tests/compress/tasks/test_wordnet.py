"""WordNet's definitions: read, found, fetched once from Debian's package, verified each time."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from compress.errors import InputError
from compress.tasks.text_files import Table
from compress.tasks.wordnet import LEXICOGRAPHER_FILES, definitions, load_wordnet
from exporters.events import Event
from tests.compress.tasks.debian_tools import APT, FAULTS, NO_TOOLS, programs, unpack_from

ROOT = Path(__file__).parents[3]
DEBIAN = "/usr/share/wordnet"
NOUNS = (
    b"  1 This software and database is being provided to you  \n"
    b'00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived; "an example"  \n'
    b"00002325 29 v 01 respire 1 005 $ 00001740 v 0000 01 + 02 00 | undergo it; quickly  \n"
)
VERBS = b"00001740 29 v 04 breathe 0 021 * 00005041 v 0000 01 + 02 00 | draw air into the lungs  \n"
# Small files under names of the real ones: the code is the same, its pins an argument.
SMALL = {"data.noun": NOUNS, "data.verb": VERBS}
PINS = {name: hashlib.sha256(data).hexdigest() for name, data in SMALL.items()}


def _load(cache: Path, **more: Any) -> Table:
    defaults: dict[str, Any] = {
        "folder": None,
        "debian_folder": cache / "no debian here",
        "tools": NO_TOOLS,
        "contents": PINS,
    }
    return load_wordnet(cache=cache, **(defaults | more))


def _check(table: Table) -> None:
    assert table.where == "wordnet-glosses"
    assert table.texts == (
        "that which is perceived",
        "undergo it; quickly",
        "draw air into the lungs",
    )
    assert table.labels == ("noun.Tops", "verb.body", "verb.body")


def _write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SMALL.items():
        (folder / name).write_bytes(data)
    return folder


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_definitions_lose_their_examples_and_keep_their_file() -> None:
    assert definitions(NOUNS) == [
        ("that which is perceived", "noun.Tops"),
        ("undergo it; quickly", "verb.body"),
    ]


@pytest.mark.parametrize("inner", ["", "wordnet"])
def test_the_folder_of_the_user_is_read_and_nothing_else(inner: str, tmp_path: Path) -> None:
    _write(tmp_path / "own" / inner)
    _check(_load(tmp_path / "cache", folder=tmp_path / "own"))
    (tmp_path / "own" / inner / "data.noun").write_bytes(NOUNS + b" ")
    with pytest.raises(InputError, match="is not the file of WordNet") as caught:
        _load(
            tmp_path / "cache", folder=tmp_path / "own", debian_folder=_write(tmp_path / "debian")
        )
    assert "install the Debian package wordnet-base" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_debian_files_need_no_cache(tmp_path: Path) -> None:
    _check(_load(tmp_path / "cache", debian_folder=_write(tmp_path / "debian")))
    assert not (tmp_path / "cache").exists()


def test_the_package_is_fetched_once_and_kept(tmp_path: Path) -> None:
    tools = programs(tmp_path, apt=APT, dpkg=unpack_from(_write(tmp_path / "stock"), DEBIAN))
    cache, events = tmp_path / "cache", list[Event]()
    _check(_load(cache, tools=tools, on_event=events.append))
    assert [event.message for event in events] == [
        "fetching WordNet from the Debian package wordnet-base"
    ]
    # ... and no package and no temporary folder.
    assert _files(cache) == ["data/wordnet/data.noun", "data/wordnet/data.verb"]
    _check(_load(cache, on_event=events.append))  # without the programs
    assert len(events) == 1


def test_a_damaged_copy_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    kept = _write(tmp_path / "cache" / "data" / "wordnet")
    (kept / "data.verb").write_bytes(VERBS[:-1])
    with pytest.raises(InputError, match=r"data\.verb: is not the file of Wo.*no-such-apt-get"):
        _load(tmp_path / "cache")
    tools = programs(tmp_path, apt=APT, dpkg=unpack_from(_write(tmp_path / "stock"), DEBIAN))
    _check(_load(tmp_path / "cache", tools=tools))
    _check(_load(tmp_path / "cache"))


@pytest.mark.parametrize(("apt", "dpkg", "reason"), FAULTS)
def test_what_could_not_be_fetched_is_said_in_one_line_and_nothing_is_kept(
    apt: str, dpkg: str, reason: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(InputError, match=reason) as caught:
        _load(cache, tools=programs(tmp_path, apt=apt, dpkg=dpkg))
    said = str(caught.value)
    assert "\n" not in said
    assert "could not be fetched" in said
    assert "install the Debian package wordnet-base" in said
    assert _files(cache) == []


def test_a_package_of_other_bytes_is_refused_and_not_kept(tmp_path: Path) -> None:
    stock = _write(tmp_path / "stock")
    (stock / "data.verb").write_bytes(VERBS.replace(b"lungs", b"lunge"))
    tools = programs(tmp_path, apt=APT, dpkg=unpack_from(stock, DEBIAN))
    with pytest.raises(InputError, match=r"wordnet-base: data\.verb: is not the file of WordNet"):
        _load(tmp_path / "cache", tools=tools)
    assert _files(tmp_path / "cache") == []


def test_a_cache_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="choose a cache folder"):
        _load(tmp_path / "cache")


@pytest.mark.slow
def test_the_real_data_is_117659_definitions_in_45_files(tmp_path: Path) -> None:
    kept = ROOT / ".distil" / "data" / "wordnet"  # else Debian's package is fetched
    table = load_wordnet(folder=kept if kept.is_dir() else None, cache=tmp_path)
    assert len(table) == len(table.labels) == 117_659
    counts = Counter(table.labels)
    assert counts.keys() == {*LEXICOGRAPHER_FILES}
    by_kind = {
        kind: sum(count for name, count in counts.items() if name.startswith(f"{kind}."))
        for kind in ("adj", "adv", "noun", "verb")
    }
    assert by_kind == {"adj": 18_156, "adv": 3_621, "noun": 82_115, "verb": 13_767}
    assert all(table.texts)
    assert table.texts[table.labels.index("noun.Tops")].startswith("that which is perceived")
