"""Writes the tables of the book that are made from the program: `docs_tables.py` rewrites them, `--check` says which are stale.

A table stands in its page between "<!-- made: NAME -->" and "<!-- /made -->".
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from testkit.shown import FakeSource, make_status  # noqa: E402

from stratum1 import hw  # noqa: E402
from stratum1.config import json_schema  # noqa: E402
from stratum1.discipline import lock_table  # noqa: E402
from stratum1.metrics import make_registry  # noqa: E402

_PART = re.compile(r"(<!-- made: ([a-z-]+) -->\n).*?(<!-- /made -->)", re.DOTALL)


def configuration() -> Iterator[str]:
    """A table for each table of the configuration file."""
    schema, shown = json_schema(), dict[str, str]()
    for name, entry in schema["properties"].items():
        reference = entry.get("$ref") or entry.get("items", {}).get("$ref") or entry["anyOf"][0]["$ref"]
        yield from _table(f"[[{name}]]" if entry.get("type") == "array" else f"[{name}]", reference, schema, shown)


def _table(title: str, reference: str, schema: dict[str, Any], shown: dict[str, str]) -> Iterator[str]:
    """One table of the file, then those within it; what has been shown before is not shown again."""
    model = schema["$defs"][reference.rsplit("/", 1)[1]]
    text = model["description"].partition(": ")[2]
    yield f"### `{title}`\n\n{text[:1].upper()}{text[1:]}\n"
    yield "| key | allowed | default | what it is |\n|---|---|---|---|"
    within = {key: field["$ref"] for key, field in model["properties"].items() if "$ref" in field}
    for key, field in model["properties"].items():
        if key not in within:
            default = "needed" if key in model.get("required", []) else _default(field)
            yield f"| `{key}` | {_allowed(field)} | {default} | {field.get('description', '')} |"
    yield ""
    for key, inner in within.items():
        name = f"[{title.strip('[]')}.{key}]"
        if inner in shown:
            yield f"### `{name}`\n\nAs `{shown[inner]}`.\n"
        else:
            shown[inner] = name
            yield from _table(name, inner, schema, shown)


def _default(field: dict[str, Any]) -> str:
    return f"`{json.dumps(field['default'])}`" if field.get("default") is not None else "none"


def _allowed(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_allowed(option) for option in field["anyOf"] if option.get("type") != "null")
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field["type"] == "array":
        return "list of three numbers" if "prefixItems" in field else f"list of {_allowed(field['items'])}"
    if field["type"] == "object":
        return "table of numbers"
    limits = [
        f"{word} {field[key]:g}" for key, word in (("exclusiveMinimum", "above"), ("minimum", "from"), ("maximum", "to")) if key in field
    ]
    return " ".join([{"string": "text", "boolean": "true, false"}.get(field["type"], field["type"]), *limits])


def hats() -> Iterator[str]:
    """All HATs; what nobody has confirmed is marked."""
    yield "| name | board | receiver | pulse on GPIO | baud rate | speaks | set up |\n|---|---|---|---|---|---|---|"
    for name in hw.hat_names():
        hat = hw.load_hat(name)
        pulse = "does not reach the header" if hat.pps_gpio is None else _fact(hat.pps_gpio)
        also = f" (also {', '.join(map(str, hat.baud.also))})" if hat.baud.also else ""
        facts = (hat.title, _fact(hat.receiver), pulse, f"{_fact(hat.baud)}{also}", _fact(hat.speaks), _set_up(hat))
        yield f"| `{name}` | {' | '.join(facts)} |"


def _set_up(hat: hw.Hat) -> str:
    if hat.setup is None:
        return "not possible"
    return "yes" if hat.setup.configure.value else "if you say so"


def _fact(fact: hw.Fact[Any]) -> str:
    value = ", ".join(fact.value) if isinstance(fact.value, tuple) else fact.value
    return f"{value}" if fact.verified else f"{value} ?"


def metrics() -> Iterator[str]:
    """Every family that the exporter shows of a server with receiver and pulse."""
    yield "| name | type | labels | meaning |\n|---|---|---|---|"
    for family in make_registry(FakeSource(make_status())).collect():
        if family.name.startswith("process_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels})
        yield f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in labels)} | {family.documentation} |"


TABLES = {
    "configuration": lambda: "\n".join(configuration()),
    "hats": lambda: "\n".join(hats()) + "\n",
    "metrics": lambda: "\n".join(metrics()) + "\n",
    "lock-states": lock_table,
}


def renewed(text: str) -> str:
    """A page with its tables made anew."""
    return _PART.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}", text)


def main(arguments: list[str]) -> int:
    """Exit status 1 if `--check` finds a stale page, or if a table stands nowhere."""
    pages = {path: path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))}
    stale = [path for path, text in pages.items() if renewed(text) != text]
    lost = set(TABLES) - {match[2] for text in pages.values() for match in _PART.finditer(text)}
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'stale' if '--check' in arguments else 'made anew'}")
        if "--check" not in arguments:
            path.write_text(renewed(pages[path]))
    for name in sorted(lost):
        print(f"the table {name} stands in no page")
    return int(bool(lost) or ("--check" in arguments and bool(stale)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
