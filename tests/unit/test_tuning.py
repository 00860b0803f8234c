import dataclasses
import inspect
import pickle
import re

import pytest

from dci_downloader.transfer.tuning import MEBIBYTE, Tuning


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        (MEBIBYTE + 1, 4),
        (256 * MEBIBYTE, 4),
        (256 * MEBIBYTE + 1, 5),
        (800 * MEBIBYTE, 13),
        (1024 * MEBIBYTE, 16),
        (10_000 * MEBIBYTE, 16),
    ],
)
def test_segments_are_some_sixty_of_4_to_16_mib(size, segment):
    assert Tuning().segment_size(size) == segment * MEBIBYTE


def test_each_number_is_explained_beside_it():
    declared = re.findall(r"^    (\w+): (?:int|float) = .+?  # \w+", inspect.getsource(Tuning), flags=re.MULTILINE)
    unexplained = {field.name for field in dataclasses.fields(Tuning)} - set(declared)
    assert unexplained == {"bytes_per_second"}


def test_it_can_be_sent_to_another_process():
    tuning = Tuning(in_memory=7)
    assert pickle.loads(pickle.dumps(tuning)) == tuning
