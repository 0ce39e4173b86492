"""A packaged data source (.tdsx): a zip of a description (.tds) and the CSV file that it reads.

A .hyper file would be an extract already, but needs Tableau's own library and a process of it.
"""

from __future__ import annotations

import io
import zipfile
from xml.etree.ElementTree import Element, SubElement, tostring

from meterstone.connect.push.table import Table, Type

_TYPES: dict[Type, tuple[str, str, str]] = {
    "text": ("string", "dimension", "nominal"),
    "number": ("real", "measure", "quantitative"),
    "integer": ("integer", "measure", "quantitative"),
    "boolean": ("boolean", "dimension", "nominal"),
    "moment": ("datetime", "dimension", "ordinal"),
    "day": ("date", "dimension", "ordinal"),
}
_FOLDER = "Data/meterstone"
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Time of the files within, always the same: so that equal tables give equal bytes."""


def tdsx(table: Table) -> bytes:
    """The file to publish; equal tables give equal bytes."""
    stem = "".join(c if c.isalnum() else "_" for c in table.name.lower()) or "table"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            (f"{stem}.tds", _tds(table, stem)),
            (f"{_FOLDER}/{stem}.csv", table.as_csv()),
        ):
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return made.getvalue()


def _tds(table: Table, stem: str) -> bytes:
    root = Element(
        "datasource", {"formatted-name": table.name, "inline": "true", "version": "18.1"}
    )
    federated = SubElement(root, "connection", {"class": "federated"})
    name = f"textscan.{stem}"
    named = SubElement(
        SubElement(federated, "named-connections"),
        "named-connection",
        {"caption": table.name, "name": name},
    )
    SubElement(
        named,
        "connection",
        {"class": "textscan", "directory": _FOLDER, "filename": f"{stem}.csv", "password": "",
         "server": ""},
    )  # fmt: skip
    relation = SubElement(
        federated,
        "relation",
        {"connection": name, "name": f"{stem}.csv", "table": f"[{stem}#csv]", "type": "table"},
    )
    columns = SubElement(
        relation,
        "columns",
        {"character-set": "UTF-8", "header": "yes", "locale": "en_US", "separator": ","},
    )
    for ordinal, column in enumerate(table.columns):
        kind, role, shown = _TYPES[column.type]
        SubElement(
            columns, "column", {"datatype": kind, "name": column.name, "ordinal": str(ordinal)}
        )
        SubElement(
            root,
            "column",
            {"datatype": kind, "name": f"[{column.name}]", "role": role, "type": shown},
        )
    made: bytes = tostring(root, "utf-8", xml_declaration=True)
    return made
