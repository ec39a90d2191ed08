"""The language that `roost` speaks with people: English texts are the keys, a table gives the other language.

`roost.cli.main` chooses the table once; commands say `tr("...")`. Machine output (json, yaml, name) is never
translated. A test holds that every text has its entry.
"""

from collections.abc import Mapping
from typing import Any

_table: dict[str, str] = {}


def use(table: Mapping[str, str]) -> None:
    """Speak by this table from now on (English text -> text); an empty one speaks English."""
    _table.clear()
    _table.update(table)


def tr(text: str, /, **values: Any) -> str:
    """`text` in the chosen language, with `{name}` replaced by the values."""
    translated = _table.get(text, text)
    return translated.format(**values) if values else translated


def language(environment: Mapping[str, str]) -> str:
    """`zh` or `en`, from ROOST_LANG, else as POSIX has it: LC_ALL, LC_MESSAGES, LANG."""
    for variable in ("ROOST_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(variable, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
