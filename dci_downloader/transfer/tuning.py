"""The numbers that the transfer wing works by, in one value: tests set them, and the second process is sent them."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Tuning:
    """Sizes are bytes, times seconds."""

    # how files are cut and kept
    in_memory: int = MEBIBYTE  # bytes up to which a file is held in memory; a bigger one goes to a partial
    smallest_segment: int = 4 * MEBIBYTE  # bytes
    biggest_segment: int = 16 * MEBIBYTE  # bytes
    most_segments: int = 64  # of one file, where their size allows that
    receive_buffer: int = 64 * 1024  # bytes that libcurl receives at once
    segment_sockets: int = 1  # read before bytes of big files go to the writer; each more takes memory
    write_chunks: int = 16  # received chunks of a big file, of mostly 16 KiB each, that are written at once
    write_batch: int = MEBIBYTE  # bytes after which the writing thread gets to work
    most_unwritten: int = 4 * MEBIBYTE  # bytes that may wait for the disk before the network has to
    closing_seconds: float = 20.0  # seconds that each thread has at the end, to write what was received
    record_seconds: float = 0.5  # seconds after which what was received of big files is written and recorded
    flush_seconds: float = 10.0  # seconds after which it is put on disk, too, where that takes little of the time

    # how images are put together from what is here
    smallest_image: int = 64 * MEBIBYTE  # bytes from which that is worth the time
    least_share: int = 64  # an image is looked into where files of a 64th of its size are here
    assembly_step: int = 16 * MEBIBYTE  # bytes that are filled or checked before anything else has its turn

    # how the control server and the object store are asked
    first_locates: int = 4  # requests to the control server at once, in the beginning
    most_locates: int = 64  # requests to the control server at once, at the most
    url_seconds: float = 300.0  # seconds after which a presigned URL is no longer used: half of its life
    most_mismatches: int = 2  # times that a file is fetched again because its content is wrong
    most_access_errors: int = 20  # files in a row that are denied access before the run ends: its secret was revoked
    crawl_seconds: float = 3.0  # seconds after which a connection far slower than the others is dropped
    blocked_seconds: float = 0.5  # seconds before a file that another run is fetching is looked at again

    # how peers are asked
    peer_connections: int = 8  # connections to each peer, at the most
    peer_connect_seconds: float = 3.0  # seconds to connect
    slow_rate: int = 64 * 1024  # bytes per second on one connection, below which a peer is slow
    slow_seconds: float = 5.0  # seconds after which a slow peer is dropped
    most_faults: int = 3  # wrong responses after which a peer is dropped
    most_misses: int = 200  # objects in a row that a peer lacks, after which it is dropped
    most_waiting: int = 8  # segments that wait for their next source, before no further file is begun

    # how peers and the object store compete
    head_start: float = 0.1  # seconds that peers are asked alone; each of them is lost where they are slow
    compare_seconds: float = 0.2  # seconds over which it is measured what the sources bring
    request_bytes: int = 64 * 1024  # bytes that take about as long as a request itself
    straggler_window: float = 0.2  # seconds over which the rest of a request is estimated
    straggler_seconds: float = 0.1  # seconds, at the least, that it must be worth to ask elsewhere for it

    # how the loop spends its time
    longest_wait: float = 0.25  # seconds after which it looks for a request to stop, even if nothing happens
    watch_seconds: float = 0.05  # the same while peers are asked, which may have to be helped
    look_seconds: float = 0.02  # seconds between two looks at what requests under way have brought
    load_seconds: float = 0.1  # seconds over which it is measured how busy the loop is
    loaded: float = 0.8  # share of that time from which it is short of processor: there is no time left to wait

    # what the second process is for; what one process fetches was measured against servers nearby
    files_per_second: float = 6000.0  # small files
    bytes_per_second: float = 400e6
    worth_starting: float = 0.5  # seconds of work for one process, from which a second one is started
    worth_giving: float = 0.1  # seconds of work for one process, from which it gives away some of it
    most_given: int = 10_000  # files that it is given at once; more take time and memory to pass on
    report_seconds: float = 0.05  # seconds between two messages about progress
    life_seconds: float = 1.0  # seconds between two signs of life, at the most
    saving_seconds: float = 3.0  # seconds that it has to save what was received, before it is killed

    def segment_size(self, size: int) -> int:
        """Bytes of the segments of a file of ``size`` bytes."""
        wanted = -(-size // (self.most_segments * MEBIBYTE)) * MEBIBYTE
        return min(self.biggest_segment, max(self.smallest_segment, wanted))
