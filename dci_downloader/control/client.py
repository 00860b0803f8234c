"""The control server for Python: the calls of ``reader``, ``jobs`` and ``job_changes``, and the files of components.

What only reads is safe to repeat, and is tried again by itself while that helps and ``patience`` allows; the calls that
change a job say for themselves what a repetition does. Every call raises AccessError, NotFoundError, or TransferError
and what is below it. Topics, components and jobs are given as objects or by their ids.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union, overload

from dci_downloader import environment
from dci_downloader.content.manifest import IMAGE_LIST_NAME, MANIFEST_NAME, parse_manifest
from dci_downloader.control.api import MAX_RESPONSE, Api, header_text, path_segment
from dci_downloader.control.authorization import authorization_for
from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import server_message
from dci_downloader.control.identity import Identity, read_identity
from dci_downloader.control.jobs import JobCalls
from dci_downloader.control.session import Clock, Session
from dci_downloader.control.signing import ComponentFiles
from dci_downloader.errors import ManifestError, NoFilesError
from dci_downloader.models import Component, Manifest
from dci_downloader.network.retries import MAX_WRONG_RESPONSES
from dci_downloader.options import AnyCredentials, Credentials, Network

__all__ = ["Clock", "ControlServer", "Credentials"]

_SUBJECT_UNKNOWN = re.compile(r"(?:component|remoteci)\b(?!.*\bfile).*\bnot found", re.IGNORECASE)
"""What the server says where it is not the file that is lacking."""


class ControlServer(JobCalls):
    """One DCI control server, asked with one identity.

    Any thread may read lists, and call ``manifest``, ``image_list`` and ``files``.

    Args:
        credentials: of a remoteci or feeder, of a user's login, or of the SSO.
        network: proxies, certificates, timeouts.
        patience: seconds that a call may go without success.
        api_version: ``v2`` takes files from RHDL directly; other calls are v1 in any case.
        clock: time and chance, for tests.

    Attributes:
        network: counts for the files of its components, too.
        mirror: empty, for it is no mirror.
        unlisted: why a topic may be missing from the list, for people.

    Raises:
        SettingsError: the server's address, or the path of the certificates, cannot be used.
        AccessError: the credentials cannot be right.
    """

    mirror = ""
    unlisted = "topics that this remoteci has no access to are not listed"

    def __init__(
        self,
        credentials: AnyCredentials,
        *,
        network: Network = Network(),  # noqa: B008  # frozen
        patience: float = 30.0,
        api_version: str = "v1",
        clock: Clock = Clock(),  # noqa: B008  # frozen
    ) -> None:
        self.network = network
        self._session = Session(authorization_for(credentials, network, patience, clock), network, patience, clock)
        super().__init__(Api(self._session))
        self._files_version = api_version
        self._credentials = credentials

    @classmethod
    def from_env(cls, environ: Optional[Mapping[str, str]] = None) -> ControlServer:
        """The server, credentials and network that the environment names, as on the command line.

        Args:
            environ: in place of ``os.environ``.

        Raises:
            AccessError: no kind of credentials is complete, or ``DCI_CS_URL`` is not set.
        """
        variables = environment.of_process() if environ is None else environ
        return cls(environment.credentials(variables), network=environment.network(variables))

    def __repr__(self) -> str:
        return f"ControlServer({self._credentials!r})"

    def __enter__(self) -> ControlServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. Safe to repeat."""
        self._session.close()

    def identity(self) -> Identity:
        """Whose the credentials are.

        Raises:
            AccessError: the credentials are refused.
        """
        response = self._api.expect(200, self._session.get("/api/v1/identity", {}, limit=MAX_RESPONSE))
        return read_identity(response, self._session.clock.wall())

    @overload
    def manifest(self, component: Union[Component, str]) -> Manifest: ...

    @overload
    def manifest(self, component: Union[Component, str], *, etag: str) -> Optional[Manifest]: ...

    def manifest(self, component: Union[Component, str], *, etag: str = "") -> Optional[Manifest]:
        """What a component holds.

        Args:
            component: whose manifest; one given by its id is read first.
            etag: of the manifest that is known already.

        Returns:
            The manifest, or None where ``etag`` is still that of the server's.

        Raises:
            NoFilesError: the component has no files.
            NotFoundError: there is no such component.
            ManifestError: the manifest cannot be trusted.
        """
        if isinstance(component, str):
            component = self.component(component)
        return self._manifest(component, etag, MAX_WRONG_RESPONSES)

    def _manifest(self, component: Component, etag: str, tries: int) -> Optional[Manifest]:
        """The same, asked for again where a document comes that may have been cut on its way."""
        response = self._api.file(f"{self._files_path(component)}/{MANIFEST_NAME}", etag)
        if response.status == 304 and etag:
            return None
        if response.status == 404 and not (response.signed and _SUBJECT_UNKNOWN.match(server_message(response))):
            raise NoFilesError(component.name, component.type)
        document, found = _text(self._api.expect(200, response)), header_text(response.headers.get("etag", ""))
        del response  # the document need not be there twice while it is read
        try:
            return parse_manifest(document, component.type, etag=found)
        except ManifestError as error:
            if error.entry or tries == 1:  # with a bad entry it is whole, and the next one would be the same
                raise
        return self._manifest(component, etag, tries - 1)

    def image_list(self, component: Union[Component, str]) -> Optional[bytes]:
        """The component's ``images_list.yaml`` as it is, or None where it has none."""
        response = self._api.file(f"{self._files_path(component)}/{IMAGE_LIST_NAME}")
        return None if response.status == 404 else self._api.expect(200, response).body

    def files(self, component: Union[Component, str]) -> ComponentFiles:
        """The source of a component's files; may be used by any thread."""
        return ComponentFiles(self._session.authorization, self._files_path(component))

    def is_at(self, root: Path) -> bool:
        """False: it is no mirror."""
        return False

    def outdated(self) -> bool:
        """False: what it said of a component stays true."""
        return False

    def _files_path(self, component: Union[Component, str]) -> str:
        return f"/api/{self._files_version}/components/{path_segment(component, 'component')}/files"


def _text(response: Response) -> Union[bytes, str]:
    """The body of a response as text; as it is where it is not UTF-8, or begins with a byte order mark."""
    with suppress(UnicodeDecodeError):
        return response.body if response.body.startswith(BOM_UTF8) else response.body.decode()
    return response.body
