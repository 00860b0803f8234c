import pytest

from tests.unit.samples import Sample, open_store


@pytest.fixture
def sample(tmp_path):
    return Sample(tmp_path / "mirror")


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path)
