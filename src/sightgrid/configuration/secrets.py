"""Passwords that stand outside the configuration file.

``{SIGHTGRID_…}`` is replaced by that environment variable; in a URL its characters are escaped, so
a password may hold ``@`` or ``/``. ``!secret NAME`` is a whole value: the file NAME in the folder
that ``$CREDENTIALS_DIRECTORY`` names (systemd's credentials), else the entry NAME in a
``secrets.yml`` beside the configuration, else the environment variable ``SIGHTGRID_NAME``.
There are no defaults: what is not set is an error.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import yaml

from sightgrid.domain.errors import SettingsError

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PREFIX = "SIGHTGRID_"


class Secrets:
    """Looks secrets up and remembers which were used, so that logs can be cleaned of them."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.values: set[str] = set()
        self.variables: set[str] = set()

    def filled_in(self, text: str) -> str:
        """``text`` with its ``{SIGHTGRID_…}`` replaced; escaped, unless one is the whole text.

        Raises:
            SettingsError: a variable is not set, or is none of sightgrid's.
        """
        whole = _PLACEHOLDER.fullmatch(text)
        if whole is not None:
            return self._variable(whole[1])
        return _PLACEHOLDER.sub(lambda match: quote(self._variable(match[1]), safe=""), text)

    def named(self, name: str) -> str:
        """The value of ``!secret NAME``.

        Raises:
            SettingsError: nobody knows it, or the file that holds it can be read by others.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError(f"'{name}' can't be the name of a secret")
        value = self._credential(name) or self._entry(name)
        if value is None:
            variable = _PREFIX + name.upper().replace("-", "_")
            if not self._environment.get(variable):
                raise SettingsError(
                    f"there is no secret '{name}'",
                    hint=f"put it into secrets.yml beside the configuration, or set {variable}",
                )
            return self._variable(variable)
        self._remember(value)
        return value

    def _variable(self, name: str) -> str:
        if not name.startswith(_PREFIX):
            raise SettingsError(
                f"{{{name}}}: only variables that begin with {_PREFIX} are filled in"
            )
        value = self._environment.get(name)
        if not value:
            raise SettingsError(
                f"the environment variable {name} is not set", hint="a secret has no default"
            )
        self.variables.add(name)
        self._remember(value)
        return value

    def _credential(self, name: str) -> str | None:
        folder = self._environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            return None
        try:
            return (Path(folder) / name).read_text("utf-8").rstrip("\r\n") or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"the credential '{name}' can't be read") from error

    def _entry(self, name: str) -> str | None:
        path = self._folder / "secrets.yml"
        try:
            mode = path.stat().st_mode
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} can't be read") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(f"{path} can be read by others", hint=f"chmod 600 {path}")
        try:
            entries = yaml.safe_load(text)
        except yaml.YAMLError:
            # the error would quote the line, and with it a secret
            raise SettingsError(f"{path} is no YAML") from None
        value = entries.get(name) if isinstance(entries, dict) else None
        return None if value is None else str(value)

    def _remember(self, value: str) -> None:
        self.values |= {value, quote(value, safe="")}
