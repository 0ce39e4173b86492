"""Commands ``slo``: objectives as OpenSLO v1, in and out."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import yaml

from meterstone.app import definitions
from meterstone.catalogue import Catalogue, framework_path
from meterstone.cli.shared import HomeOption, JsonOption, emit
from meterstone.detect.openslo import Imported, read, write
from meterstone.detect.slo import default_path, load, load_of_home
from meterstone.errors import InputError
from meterstone.settings import home_path

app = typer.Typer()
slo_app = typer.Typer(no_args_is_help=True, help="Service level objectives, as OpenSLO v1.")
app.add_typer(slo_app, name="slo")


@slo_app.command("export")
def export(
    only: Annotated[list[str] | None, typer.Option("--slo", help="An id; repeat it.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Print the objectives of a home as OpenSLO v1.

    Example: meterstone slo export > objectives.yaml
    """
    folder = home_path(home)
    found = load_of_home(folder, lambda: _catalogue(folder))
    known = [slo.id for slo in found.slos]
    for name in only or []:
        if name not in known:
            raise InputError(f"there is no objective {name!r}", place="--slo",
                             mend=f"known: {', '.join(known)}")  # fmt: skip
    text = write(found, only or ())
    emit(list(yaml.safe_load_all(text)), as_json=json_)
    if not json_:
        print(text, end="")


@slo_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of OpenSLO v1.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Take objectives of OpenSLO v1 into a home; one of the same id is replaced. They hold from the
    next start on.

    What cannot be done as it is written is refused. The rest of HOME/alerts.yaml stays as it is,
    without its comments; the file as it was is kept beside it.

    Example: meterstone slo import objectives.yaml
    """
    folder = home_path(home)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", place=str(file)) from None
    imported = read(text, file.name)
    _put(folder, imported)
    names = [slo["slo"] for slo in imported.slos]
    emit({"imported": names, "notes": imported.notes}, as_json=json_)
    if not json_:
        print("\n".join([f"Imported: {', '.join(names)}", *imported.notes]))


def _put(folder: Path, imported: Imported) -> None:
    """Written only when all of it holds together."""
    own, catalogue = folder / "alerts.yaml", _catalogue(folder)
    content = _written(own, catalogue)
    new = {slo["slo"] for slo in imported.slos}
    kept = [slo for slo in content.get("slos", []) if slo["slo"] not in new]
    content["counters"] = {**content.get("counters", {}), **imported.counters}
    content["slos"] = [*kept, *imported.slos]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    with TemporaryDirectory() as tried:
        trial = Path(tried) / "alerts.yaml"
        trial.write_text(text, encoding="utf-8")
        load(trial, catalogue)
        folder.mkdir(parents=True, exist_ok=True)
        if own.exists():
            shutil.copy2(own, own.with_suffix(".yaml.before"))
        shutil.move(trial, own)


def _written(own: Path, catalogue: Catalogue) -> dict[str, Any]:
    """What is in force as it is written: the home's own file, else the default one without what is
    over metrics that the catalogue lacks."""
    path = own if own.exists() else default_path()
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not own.exists():
        for part in ("slos", "rules"):
            content[part] = [
                each for each in content[part] if each.get("metric") in (None, *catalogue.metrics)
            ]
    return content


def _catalogue(folder: Path) -> Catalogue:
    own = folder / "catalogue"
    return definitions(own if own.exists() else framework_path())
