"""skopeo, the program that reads and copies container images: its login, its certificates, and its end.

* The login is in a file in memory that the child inherits (memfd_create(2)): it has no name that another user could
  open or that would have to be removed, and it is on no command line, which every user of the machine can read.
* No child outlives this process, however it ends: the kernel kills it with the thread that waits for it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from dci_downloader import environment, formatting
from dci_downloader.child_process import killed_with_caller
from dci_downloader.network.addresses import registry_address
from dci_downloader.options import Network

SKOPEO = "skopeo"
INSPECT_SECONDS, COPY_SECONDS = 120.0, 6 * 3600.0
"""How long skopeo may take to read one image's manifest, and to copy one image."""

_HTTPS_PORT = ":443"


class Login(NamedTuple):
    """The login of a topic's registry.

    Attributes:
        user: empty where there is no login.
        password: of the user.
        registries: that it is for, in lower case, without the port of https.
    """

    user: str = ""
    password: str = ""
    registries: frozenset[str] = frozenset()

    def is_for(self, registry: str) -> bool:
        """Whether it may be sent to a registry, which is ``HOST[:PORT]``."""
        return bool(self.user and self.password) and _plain(registry) in self.registries


def topic_login(registry: Mapping[str, str], others: Iterable[str]) -> Login:
    """The login that a topic has for its registry.

    Args:
        registry: ``login`` and ``password``, and under any other key the address of a registry that they are for.
        others: registries that the settings say they are for, too.
    """
    named = (_address(value) for key, value in registry.items() if key not in ("login", "password"))
    registries = frozenset(map(_plain, filter(None, (*named, *others))))
    return Login(registry.get("login", ""), registry.get("password", ""), registries)


def _address(text: str) -> Optional[str]:
    """``HOST[:PORT]`` of a registry that is given as such, with a path, or as a URL; None for anything else."""
    host = text.partition("://")[2] or text
    host = host.partition("/")[0]
    try:
        return registry_address(host) if re.search(r"[.:]|^localhost$", host) else None
    except ValueError:
        return None


def _plain(registry: str) -> str:
    registry = registry.lower()
    return registry[: -len(_HTTPS_PORT)] if registry.endswith(_HTTPS_PORT) else registry


class Skopeo:
    """Runs skopeo, for any thread, until it is abandoned. To be closed in the end.

    Args:
        login: for the registries that it is for.
        registries: all that are asked, as they are written.
        network: certificates; proxies are those of the environment.
    """

    def __init__(self, login: Login, registries: Iterable[str], network: Network) -> None:
        self._login = login
        self._auth_fd = self._auth_file([registry for registry in sorted({*registries}) if login.is_for(registry)])
        # The remoteci's secret is not for skopeo.
        self._environ = {name: value for name, value in environment.of_process().items() if not name.startswith("DCI_")}
        if network.ca_bundle:
            name = "SSL_CERT_DIR" if os.path.isdir(network.ca_bundle) else "SSL_CERT_FILE"
            self._environ[name] = network.ca_bundle
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._abandoned = False

    def close(self) -> None:
        """Forget the login. Safe to repeat."""
        if self._auth_fd is not None:
            os.close(self._auth_fd)
            self._auth_fd = None

    def auth_option(self, option: str, registry: str) -> tuple[str, ...]:
        """The option that names the file with the login, where that is for this registry; else skopeo uses its own."""
        return (f"{option}=/proc/self/fd/{self._auth_fd}",) if self._login.is_for(registry) else ()

    def run(self, *arguments: str) -> tuple[int, bytes, str]:
        """Exit code, standard output, and the reason of a failure."""
        with self._guard:  # held while it starts, so that abandon() misses none
            if self._abandoned:
                return 1, b"", "interrupted"
            process = subprocess.Popen(
                killed_with_caller([SKOPEO, *arguments]),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=() if self._auth_fd is None else (self._auth_fd,),
            )
            self._running.add(process)
        longest = COPY_SECONDS if arguments[0] == "copy" else INSPECT_SECONDS
        with process:
            try:
                out, err = process.communicate(timeout=longest)
            except subprocess.TimeoutExpired:  # a run that waits for ever would hold its locks for ever
                process.kill()
                out, err = process.communicate()[0], f"no end after {longest:,.0f} s".encode()
        with self._guard:
            self._running.discard(process)
        return process.returncode, out, _reason(err, process.returncode)

    def abandon(self, *, kill: bool = False) -> None:
        """End every skopeo that is running, by SIGTERM or SIGKILL, and start no other. Safe to repeat."""
        with self._guard:
            self._abandoned = True
            for process in self._running:
                process.kill() if kill else process.terminate()

    def _auth_file(self, registries: list[str]) -> Optional[int]:
        """A file in memory with the login, as skopeo reads it (containers-auth.json(5)); None where it is for none."""
        if not registries:
            return None
        token = base64.b64encode(f"{self._login.user}:{self._login.password}".encode()).decode()
        fd = os.memfd_create("auth.json")
        with open(fd, "w", encoding="utf-8", closefd=False) as file:
            json.dump({"auths": {registry: {"auth": token} for registry in registries}}, file)
        return fd


def _reason(stderr: bytes, code: int) -> str:
    """The last message of skopeo, without queries of URLs, which may hold a signature."""
    lines = stderr.decode(errors="replace").strip().splitlines() or [f"skopeo ended with {code}"]
    match = re.search(r'\bmsg="((?:[^"\\]|\\.)*)"', lines[-1])
    text = match[1].replace('\\"', '"') if match else lines[-1]
    return formatting.printable_line(re.sub(r"\?[^\s\"']*", "", text)[:300])
