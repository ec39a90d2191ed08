"""What `roost` remembers between two commands and what the working directory says.

`~/.config/roost/config.toml` (0600): server, CA file, token, name. `roost.yaml`: tenant, env, app.
Read by `Session`; written by `roost login`, `roost logout` and `roost app create`.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.words import tr

FILE = "roost.yaml"


@dataclass(frozen=True)
class Login:
    """Where the API is and who calls. `ca`: a PEM file; empty: the system's authorities."""

    server: str = ""
    ca: str = ""
    token: str = ""
    name: str = ""


@dataclass(frozen=True)
class Here:
    """What `roost.yaml` in the working directory says; empty: nothing."""

    tenant: str = ""
    env: str = ""
    app: str = ""


def path(environment: Mapping[str, str]) -> Path:
    """Where the login is kept: ROOST_CONFIG, else below XDG_CONFIG_HOME or ~/.config."""
    if environment.get("ROOST_CONFIG"):
        return Path(environment["ROOST_CONFIG"])
    home = environment.get("HOME") or str(Path.home())
    base = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return Path(base) / "roost" / "config.toml"


def read_login(environment: Mapping[str, str]) -> Login:
    """The login of the file, with ROOST_SERVER, ROOST_CA and ROOST_TOKEN in front of it (for scripts)."""
    login = Login()
    file = path(environment)
    if file.exists():
        import tomllib

        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Failure(
                tr("{file} cannot be read.", file=file),
                why=str(error),
                hint=tr("Remove the file and sign in again with `roost login`."),
            ) from error
        login = Login(**{key: str(values[key]) for key in ("server", "ca", "token", "name") if key in values})
    front = {key: environment.get(f"ROOST_{key.upper()}", "") for key in ("server", "ca", "token")}
    return replace(login, **{key: value for key, value in front.items() if value})


def write_login(environment: Mapping[str, str], login: Login) -> Path:
    """Keep the login, readable by its owner only; the file is replaced at once, never half written."""
    import json

    file = path(environment)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # JSON strings without ASCII escapes are TOML basic strings, but for one character.
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in asdict(login).items())
    text = text.replace("\x7f", "\\u007f")
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".config-")  # mkstemp makes it 0600.
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(temporary, file)
    return file


def read_here(directory: Path) -> Here:
    """What `roost.yaml` of the directory says."""
    file = directory / FILE
    if not file.is_file():
        return Here()
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(tr("{file} cannot be read.", file=file), why=str(error), code=USAGE) from error
    if values is None:
        return Here()
    fields = ("tenant", "env", "app")
    if not isinstance(values, dict) or not all(isinstance(values.get(key, ""), str) for key in fields):
        raise Failure(
            tr("{file} is not as it should be.", file=file),
            why=tr("It may hold the texts `tenant`, `env` and `app`."),
            code=USAGE,
        )
    return Here(**{key: values.get(key, "") for key in fields})


def write_here(directory: Path, here: Here) -> bool:
    """Write `roost.yaml`; False where there is one already, which stays."""
    file = directory / FILE
    if file.exists():
        return False
    lines = [f"{key}: {value}\n" for key, value in asdict(here).items() if value]
    file.write_text("".join(lines), encoding="utf-8")
    return True
