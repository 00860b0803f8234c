"""Which container registries may get the login of a topic: rules without I/O.

* Whoever can change an image list could otherwise have the login sent anywhere. So only a registry that the topic
  itself names, beside its login, or that the user names, gets it.
* Names are compared without their case, and without the port that https has by itself; otherwise letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_SECRETS = ("login", "password")


@dataclass(frozen=True)
class RegistryLogin:
    """The login of a topic's registry, and where it may be used.

    Attributes:
        user: empty where there is no login.
        registries: ``HOST`` or ``HOST:PORT``, in their canonical form.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    registries: frozenset[str] = frozenset()

    def is_for(self, host: str) -> bool:
        """Whether a registry may get it."""
        return bool(self.user and self.password) and _canonical(host) in self.registries

    def hint(self, host: str) -> str:
        """What to do where it was not given to a registry that denied access; empty where it was, or there is none."""
        if not (self.user and self.password) or self.is_for(host):
            return ""
        text = f"the topic's login is not given to {host}, which the topic does not name as its registry"
        return f"{text}; if it is, name it under login_registries in the settings"


def registry_login(topic: Mapping[str, str], named: Iterable[str] = ()) -> RegistryLogin:
    """The login that a topic has for its registry.

    Args:
        topic: what the control server says of it: ``login``, ``password``, and under any other key its address.
        named: the registries that the user names.
    """
    addresses = [text for key, text in topic.items() if key not in _SECRETS]
    registries = frozenset(map(_canonical, (*addresses, *named)))
    return RegistryLogin(topic.get("login", ""), topic.get("password", ""), registries)


def _canonical(address: str) -> str:
    """Host and port of a registry, which may be written as a URL."""
    scheme, separator, rest = address.strip().lower().partition("://")
    return (rest if separator else scheme).partition("/")[0].removesuffix(":443")
