"""The numbers that the transfer wing works by, in one value: tests set them, a second process is sent them."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Tuning:
    """Sizes, times and limits of a transfer. Sizes are bytes, times seconds.

    Attributes:
        in_memory: bytes up to which a file is held in memory until it is complete; a bigger one goes to a partial.
        smallest_segment: bytes of a big file's segments at the least.
        biggest_segment: bytes of a big file's segments at the most.
        most_segments: segments that a file is cut into where their size allows it.
        write_chunks: received chunks of a big file, of mostly 16 KiB each, that are written at once.
        write_batch: bytes after which the writing thread gets to work.
        most_unwritten: bytes that may wait for the disk before the network has to.
        segment_sockets: sockets that are read before bytes of big files go to the writer; each more is memory.
        receive_buffer: bytes that libcurl receives at once.
        first_locates: requests to the control server that are under way at once in the beginning.
        most_locates: requests to the control server that are under way at once at the most.
        url_seconds: age at which a presigned URL is no longer used; half of its life.
        most_mismatches: times that a file is fetched again because its content is wrong.
        most_access_errors: files in a row that the control server denies before the run ends: its secret was revoked.
        blocked_seconds: seconds before a file that another run is fetching is looked at again.
        longest_wait: seconds after which the loop looks for a request to stop even if nothing happened.
        look_seconds: seconds between two looks at what requests under way have brought.
        load_seconds: seconds over which it is measured how busy the loop is.
        loaded: share of that time from which the loop is short of processor: there is no time left to wait.
        peer_connections: connections to each peer at the most.
        peer_connect_seconds: seconds to connect to a peer.
        most_waiting: segments that may wait for their next source before no further file is begun.
        slow_rate: bytes per second on one connection below which a peer is slow.
        slow_seconds: seconds after which a peer that is slow is dropped.
        most_faults: wrong responses after which a peer is dropped.
        most_misses: objects in a row that a peer lacks before it is dropped.
        files_per_second: small files that one process fetches per second, as measured against servers nearby.
        bytes_per_second: bytes that one process fetches per second, as measured against servers nearby.
        worth_starting: seconds of work for one process from which a second one is started.
        worth_giving: seconds of work for one process from which it gives some of it to a second one.
        report_seconds: seconds between two messages of the second process about its progress.
    """

    in_memory: int = MEBIBYTE
    smallest_segment: int = 4 * MEBIBYTE
    biggest_segment: int = 16 * MEBIBYTE
    most_segments: int = 64
    write_chunks: int = 16
    write_batch: int = MEBIBYTE
    most_unwritten: int = 4 * MEBIBYTE
    segment_sockets: int = 1
    receive_buffer: int = 64 * 1024

    first_locates: int = 4
    most_locates: int = 64
    url_seconds: float = 300.0
    most_mismatches: int = 2
    most_access_errors: int = 20
    blocked_seconds: float = 0.5

    longest_wait: float = 0.25
    look_seconds: float = 0.02
    load_seconds: float = 0.1
    loaded: float = 0.8

    peer_connections: int = 8
    peer_connect_seconds: float = 3.0
    most_waiting: int = 8
    slow_rate: int = 64 * 1024
    slow_seconds: float = 5.0
    most_faults: int = 3
    most_misses: int = 200

    files_per_second: float = 6000.0
    bytes_per_second: float = 400e6
    worth_starting: float = 0.5
    worth_giving: float = 0.1
    report_seconds: float = 0.05

    def segment_size(self, size: int) -> int:
        """Bytes of the segments of a file of ``size`` bytes."""
        wanted = -(-size // (self.most_segments * MEBIBYTE)) * MEBIBYTE
        return min(self.biggest_segment, max(self.smallest_segment, wanted))
