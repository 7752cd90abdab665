"""TOML in, precise errors out, and back again."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from ._whole import Config

__all__ = ["ConfigError", "json_schema", "parse_config", "render_toml"]


class ConfigError(ValueError):
    """The configuration is refused. One line a mistake: file, key, value and what is allowed."""


def parse_config(text: str, file: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration. `overrides` (nested, kebab-case) is laid over the file's tables.

    Raises ConfigError with a line a mistake that names the file, the key, the value and what is allowed.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    merged = _merge(data, overrides or {})
    faults = _snake_case(merged)
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        faults += [_explain(detail) for detail in error.errors(include_url=False)]
    if faults:
        raise ConfigError("\n".join(f"{file}: {fault}" for fault in dict.fromkeys(faults)))
    return config


def _snake_case(data: Mapping[str, Any]) -> list[str]:
    """Keys with an underscore: the models take them for Python's sake, the file does not have them."""
    places: list[list[Any]] = [[key] for key in data]
    for name, value in ((name, value) for name, value in data.items() if name in _known_keys([])):
        tables = enumerate(value) if isinstance(value, list) else [(None, value)]
        for table, place in ((table, [name, *([] if i is None else [i])]) for i, table in tables if isinstance(table, Mapping)):
            inner = table.get("setup")
            places += [[*place, key] for key in table]
            places += [[*place, "setup", key] for key in inner] if isinstance(inner, Mapping) else []
    return [_explain({"loc": place, "type": "extra_forbidden"}) for place in places if "_" in place[-1]]


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the file."""
    return Config.model_json_schema(by_alias=True)


@cache
def _schema() -> dict[str, Any]:
    """The schema, made once: a file with many mistakes asks for it often. Read only."""
    return json_schema()


def render_toml(config: Config) -> str:
    """The configuration in force as TOML, defaults included; parse_config reads it back unchanged."""
    tables_by_name = config.model_dump(by_alias=True)
    lines = [f"{name} = []" for name, value in tables_by_name.items() if value == ()]  # a key at the top stands before every table
    for name, value in tables_by_name.items():
        for table in value if isinstance(value, tuple) else (value,) if value is not None else ():
            lines += ["", f"[[{name}]]" if isinstance(value, tuple) else f"[{name}]"]
            inner = {key: item for key, item in table.items() if key == "setup"}  # the one table within a table
            lines += [f"{key} = {_toml_value(item)}" for key, item in table.items() if item is not None and key not in inner]
            for key, below in inner.items():
                lines += ["", f"[{name}.{key}]", *(f"{each} = {_toml_value(item)}" for each, item in below.items() if item is not None)]
    return "\n".join(lines).strip() + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_value(key)} = {_toml_value(item)}" for key, item in value.items()) + " }" if value else "{}"
    escaped = "".join("\\" + c if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in str(value))
    return f'"{escaped}"'


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(value, Mapping) and isinstance(below, dict) else value
    return merged


def _explain(detail: Any) -> str:
    path = [part for part in detail["loc"] if part not in ("int", "str")]
    key = _key_name(path)
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_nearest(path)}"
    if kind == "missing":
        return f"{key}: this key is needed"
    reason = detail["msg"].removeprefix("Value error, ")
    if kind == "literal_error":
        reason = f"must be {detail['ctx']['expected']}"
    if kind == "tuple_type" and "$ref" not in _schema_node(path).get("items", {"$ref": ""}):
        reason = "must be a list, in square brackets"
    elif kind in ("model_type", "model_attributes_type", "tuple_type", "dict_type"):
        tables = ("source", "server", "output", "another-receiver")
        written = (
            f"[[{path[0]}]]"
            if path[0] in tables and len(path) <= 2
            else f"[{'.'.join(str(part) for part in path if isinstance(part, str))}]"
        )
        reason = f"must be a table, written as {written}"
    elif kind in _PLAIN:
        reason = _allowed(path)
    value = "" if not path or isinstance(detail["input"], dict | list) else f" = {_shown(detail['input'])}"
    return f"{key}{value}: {reason}" if key else reason


_PLAIN = (
    "string_type",
    "bool_type",
    "int_type",
    "float_type",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
)


def _allowed(path: list[Any]) -> str:
    """What the schema allows at a key, in words."""
    node = _schema_node(path)
    node = next((option for option in node.get("anyOf", []) if option.get("type") != "null"), node)
    if node.get("type") == "boolean":
        return "must be true or false"
    if node.get("type") == "string":
        return "must be text in quotes"
    limits = [f"at least {node['minimum']:g}"] if "minimum" in node else []
    limits += [f"above {node['exclusiveMinimum']:g}"] if "exclusiveMinimum" in node else []
    limits += [f"at most {node['maximum']:g}"] if "maximum" in node else []
    kind = "whole number" if node.get("type") == "integer" else "number"
    return " and ".join([f"must be a {kind}", *limits]).replace("number and", "number", 1)


def _shown(value: object) -> str:
    text = _toml_value(value) if isinstance(value, bool | int | float | str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _key_name(path: list[Any]) -> str:
    name = ""
    for part in path:
        word = str(part) if re.fullmatch(r"[A-Za-z0-9_-]+", str(part)) else _toml_value(str(part))  # quoted, as TOML itself wants it
        name += f"[{part + 1}]" if isinstance(part, int) else f".{word}" if name else word
    return name


def _nearest(path: list[Any]) -> str:
    known = _known_keys(path[:-1])
    matches = difflib.get_close_matches(str(path[-1]).replace("_", "-").lower(), known, n=1, cutoff=0.5)
    return f'; did you mean "{matches[0]}"?' if matches else f"; known here: {', '.join(known)}"


def _known_keys(path: list[Any]) -> list[str]:
    return sorted(_schema_node(path).get("properties", {}))


def _schema_node(path: list[Any]) -> dict[str, Any]:
    """What the JSON schema says of a place in the file; empty for a place that it does not know."""
    schema = _schema()
    node: dict[str, Any] = schema
    for part in path:
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        for option in node.get("anyOf", []):
            node = option if "$ref" in option else node
        while "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node
