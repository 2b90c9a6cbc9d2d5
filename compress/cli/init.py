"""`distil init`: a starter recipe with a gate file, a CI workflow, or the JSON Schemas."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

# Name in the user's folder -> file beside this one.
STARTER = {
    "recipe.yaml": "recipe.yaml",
    "distil.gate.yaml": "distil.gate.yaml",
    "model.py": "model.py.txt",
}
# Where each service looks for its files -> files beside this one.
WORKFLOWS = {
    "github": {
        ".github/workflows/distil-gate.yml": "ci-github.yaml",
        ".github/workflows/distil-gate-comment.yml": "ci-github-comment.yaml",
    },
    "gitlab": {".gitlab/distil-gate.yml": "ci-gitlab.yaml"},
}
SCHEMAS = ("recipe.schema.json", "distil.gate.schema.json")


class Service(StrEnum):
    """What runs the gate on every change."""

    github = "github"
    gitlab = "gitlab"


Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the files go.")]
Schema = Annotated[
    bool, typer.Option("--schema", help="Write the JSON Schemas of recipe and gate file instead.")
]
Ci = Annotated[
    Service | None,
    typer.Option("--ci", help="Write a CI workflow that runs the gate on every change instead."),
]


def init(
    folder: Folder = Path(),
    ci: Ci = None,
    schema: Schema = False,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write a starter recipe, a CI workflow, or the JSON Schemas.

    A recipe, a model and a gate file to change; nothing is overwritten.
    """
    with Invocation("init", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug) as call:
        from compress.errors import InputError
        from exporters.atomic import write_text

        if ci is not None and schema:  # schemas are written over, workflows never are
            what, cure = "--ci and --schema write different files", "run it once with each"
            raise InputError(what, cure=cure)
        if ci is not None:
            files = _workflow(ci.value, folder)
        else:
            files = _schemas() if schema else _starter()
        if not schema:  # a schema is ours, a recipe is the user's
            _refuse_existing([folder / name for name in files])
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_text(folder / name, text)
            call.say(printable(str(folder / name)))
        call.result = {"files": [folder / name for name in files]}
        if ci is not None:
            call.note("next: change the marked lines, and commit them with the model")
        elif not schema:
            call.note("next: change the marked lines, then `distil run recipe.yaml`")


def _starter() -> dict[str, str]:
    from importlib.resources import files

    source = files("compress.cli") / "starter"
    return {name: (source / kept).read_text("utf-8") for name, kept in STARTER.items()}


def _workflow(service: str, folder: Path) -> dict[str, str]:
    """The workflows, and a gate file on two commits where there is no gate file yet."""
    from importlib.resources import files

    source = files("compress.cli") / "starter"
    texts = {name: (source / kept).read_text("utf-8") for name, kept in WORKFLOWS[service].items()}
    if not (folder / "distil.gate.yaml").exists():
        texts["distil.gate.yaml"] = (source / "ci.gate.yaml").read_text("utf-8")
    return texts


def _schemas() -> dict[str, str]:
    import json

    from compress.gate.schema import gate_schema
    from compress.recipe.schema import recipe_schema

    texts = (json.dumps(made(), indent=2) + "\n" for made in (recipe_schema, gate_schema))
    return dict(zip(SCHEMAS, texts, strict=True))


def _refuse_existing(paths: list[Path]) -> None:
    from compress.errors import InputError

    for path in paths:
        if path.exists() or path.is_symlink():
            raise InputError(
                "is there already", where=str(path), cure="move it away, or name another folder"
            )
