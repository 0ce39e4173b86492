"""Writes the pages and schemas that are generated: ``python -m meterstone.docs [FOLDER]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from meterstone.app import definitions
from meterstone.catalogue import describe as metrics
from meterstone.catalogue import framework_path
from meterstone.facts import describe as facts
from meterstone.facts import vocabulary
from meterstone.publish.api import describe as api


def pages() -> Mapping[str, str]:
    """The text of every generated file, by its path under the folder."""
    catalogue = definitions(framework_path())
    schema = json.dumps(facts.schema_of_all(vocabulary()), indent=1, ensure_ascii=False)
    return {
        "facts.md": facts.markdown(vocabulary()),
        "metrics.md": metrics.markdown(catalogue),
        "api.md": api.markdown(),
        "schemas/openapi.json": json.dumps(api.api_document(), indent=1) + "\n",
        "schemas/facts.json": schema + "\n",
    }


def write(folder: Path) -> list[Path]:
    """Write the generated files into a folder; the paths that were written."""
    written = []
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m meterstone.docs", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"))
    for path in write(parser.parse_args().folder):
        sys.stdout.write(f"{path}\n")
