"""Requests to the control server, which redirects to the presigned URL of a file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

import pycurl

from dci_downloader.control.decoding import Response
from dci_downloader.control.errors_from_response import error_from_response, server_message
from dci_downloader.control.signing import ComponentFiles, SignedRequest
from dci_downloader.control.upstream import MirrorObjects
from dci_downloader.errors import AccessError
from dci_downloader.network.urls import redact_url
from dci_downloader.options import TransferOptions
from dci_downloader.transfer.limits import AdaptiveLimit
from dci_downloader.transfer.request import LocateRequest
from dci_downloader.transfer.sources import Origin
from dci_downloader.transfer.stage import CompletedRequest, Stage
from dci_downloader.transfer.transfers import Failed, Segment, Transfer
from dci_downloader.transfer.tuning import Tuning
from dci_downloader.transfer.verdict import Action, Verdict, judge_failure, judge_locate


class Located(NamedTuple):
    """A segment and the presigned URL to fetch it from, with the time that was obtained."""

    segment: Segment
    url: str
    since: float


class Locator:
    """Obtains presigned URLs.

    Args:
        source: authorizes the requests.
        options: patience and network.
        tuning: limits and times.
        on_redirect: called with a segment each time it is redirected; gives the verdict where that is no longer
            followed.
        clock: seconds, monotonic.

    Attributes:
        stage: the requests under way.
        located: the segments that can be fetched, the oldest URL first.
    """

    def __init__(
        self,
        source: Origin,
        options: TransferOptions,
        tuning: Tuning,
        on_redirect: Callable[[Segment], Optional[Verdict]],
        clock: Callable[[], float],
    ) -> None:
        self._source, self._on_redirect, self._clock = source, on_redirect, clock
        limit = AdaptiveLimit(tuning.first_locates, tuning.most_locates)
        self.stage: Stage[LocateRequest] = Stage(options, pycurl.CURL_HTTP_VERSION_2TLS, limit, tuning)
        self.located: deque[Located] = deque()

    def free(self, ahead: int) -> int:
        """How many requests may start where so many segments may be located or about to be."""
        if isinstance(self._source, MirrorObjects):
            return ahead - len(self.located)
        return min(self.stage.free, ahead - len(self.stage.under_way) - len(self.located))

    def start(self, segment: Segment) -> None:
        """Ask where a segment's file is; of the files of a mirror that is known."""
        if isinstance(self._source, MirrorObjects):
            url = self._source.object_url(segment.transfer.entry.sha256)
            self.located.append(Located(segment, url, self._clock()))
            return
        self._send(segment, self._source.request(segment.transfer.entry.path))

    def follow(self, segment: Segment, url: str) -> Optional[Verdict]:
        """Go where a redirect leads: signed on the control server, without any credential elsewhere.

        A mirror's redirects are not followed: no other server is asked than the one that the user named.

        Returns:
            What is wrong with that; None where it goes on.
        """
        if isinstance(self._source, MirrorObjects):
            reason = f"redirected to {redact_url(url)}, and no other address is asked"
            return Verdict(Action.GIVE_UP, reason, hint="name that address by --from if it is the mirror's")
        verdict = self._on_redirect(segment)
        if verdict is None:
            signed = self._source.follow(url)
            if signed is None:
                self.located.append(Located(segment, url, self._clock()))
            else:
                self._send(segment, signed)
        return verdict

    def turn(self, *, starving: bool) -> Iterator[Failed]:
        """Do what can be done without waiting; yield the segments that could not be located.

        Args:
            starving: whether fetches wait for what more requests would bring.
        """
        for completed in self.stage.turn():
            if (verdict := self._ended(completed, starving)) is not None:
                yield completed.request.segment, None, verdict

    def overdue(self, seconds: float) -> Iterator[Failed]:
        """End the requests that stood still for so long."""
        self.stage.look()
        for completed in self.stage.overdue(seconds):
            if (verdict := self._ended(completed, False)) is not None:
                yield completed.request.segment, None, verdict

    def cancel(self, transfer: Transfer) -> None:
        """End the requests for a file."""
        self.stage.cancel(lambda request: request.segment.transfer is transfer)

    def waiting(self, seconds: float) -> list[Segment]:
        """The segments that wait for the control server for so long."""
        before = self.stage.now() - seconds
        return [request.segment for request in self.stage.under_way.values() if request.moved < before]

    def withdraw(self, unwanted: Callable[[Segment], bool]) -> list[Segment]:
        """End the requests for segments, and forget URLs of others; which they were."""
        cancelled = [request.segment for request in self.stage.cancel(lambda one: unwanted(one.segment))]
        forgotten = [each for each in self.located if unwanted(each.segment)]
        for each in forgotten:
            self.located.remove(each)
        return cancelled + [each.segment for each in forgotten]

    def _send(self, segment: Segment, signed: SignedRequest) -> None:
        headers = [f"{name}: {value}" for name, value in signed.headers.items()]
        self.stage.start(LocateRequest(segment, signed.url, authorization=signed.headers), headers)

    def _ended(self, completed: CompletedRequest, starving: bool) -> Optional[Verdict]:
        """What is wrong with a response; None where the segment is located, redirected, or not wanted any more."""
        segment, url, head = completed.request.segment, completed.request.url, completed.head
        if segment.transfer.over:
            return None
        # a long page in place of a redirect is cut off, and judged by its head
        if completed.code and not (completed.code == pycurl.E_FILESIZE_EXCEEDED and head.status):
            return judge_failure(completed.code, completed.message, url, completed.proxy_variable)
        self.stage.note(completed, starving)
        if head.status == 401 and isinstance(self._source, ComponentFiles):
            authorization = self._source.authorization
            if authorization.renew(completed.request.authorization):
                self.start(segment)
                return None
            if authorization.awaits_token(time.time()):
                return Verdict(Action.RETRY, "the SSO token has ended (HTTP 401)", exit_code=AccessError.exit_code)
        verdict = judge_locate(head, url, datetime.now(timezone.utc))
        if verdict.action is Action.REDIRECT:
            return self.follow(segment, verdict.location)
        return _explained(verdict, completed)


def _explained(verdict: Verdict, completed: CompletedRequest) -> Verdict:
    """Give the reason for a refusal that an API call would be given: that the clock is off, for example."""
    if verdict.action is not Action.GIVE_UP:
        return verdict
    head, request = completed.head, completed.request
    response = Response(
        urlsplit(request.url).netloc,
        head.status,
        head.headers,
        b"".join(request.chunks),
        proxy_variable=completed.proxy_variable,
    )
    error = error_from_response(response, time.time())
    if not isinstance(error, AccessError):  # it concerns this file alone; only the server's own message says more
        message = server_message(response)
        return replace(verdict, reason=f"{verdict.reason}: {message}") if message else verdict
    return replace(verdict, reason=str(error), hint=error.hint, exit_code=AccessError.exit_code)
