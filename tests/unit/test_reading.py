import errno
import os
import tracemalloc

import pytest

from dci_downloader.mirror.reading import read_file


def test_a_small_file_takes_little_memory_however_much_it_may_have(tmp_path):
    (tmp_path / "record.json").write_bytes(b"{}")
    tracemalloc.start()
    try:
        assert read_file(tmp_path / "record.json", 1 << 28) == b"{}"
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1, 3 << 20])
def test_a_file_is_read_whole_up_to_the_limit(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    assert read_file(path, size) == path.read_bytes()
    if size:
        with pytest.raises(OSError) as caught:
            read_file(path, size - 1)
        assert caught.value.errno == errno.EFBIG
