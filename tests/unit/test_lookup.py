import pytest

from dci_downloader.errors import NotFoundError
from dci_downloader.mirror.lookup import find_types
from dci_downloader.mirror.mirror import Mirror
from tests.unit.samples import FIRST


@pytest.mark.parametrize("name", ["RHEL 9.2", "RHEL_9.2", "rhel 9.2", "Rhel_9.2"])
def test_a_topic_is_found_whatever_the_case(sample, name):
    sample.publish("c1", FIRST)
    assert find_types(sample.mirror, name)[0].path == sample.topic.path


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("RHEL_9.3", "did you mean RHEL_9.2?"),
        ("OSP", "here are RHEL_9.2"),
        ("../RHEL_9.2", "did you mean RHEL_9.2?"),
        ("a\0b", "here are RHEL_9.2"),
        ("x" * 5000, "here are RHEL_9.2"),
    ],
)
def test_an_unknown_topic_names_what_is_like_it(sample, name, hint):
    sample.publish("c1", FIRST)
    with pytest.raises(NotFoundError) as raised:
        find_types(sample.mirror, name)
    assert raised.value.hint == hint


def test_a_place_without_a_mirror_and_one_without_topics_are_told_apart(sample, tmp_path):
    with pytest.raises(NotFoundError, match="there is no mirror here"):
        find_types(Mirror(tmp_path / "nothing"), "RHEL-9.2")
    sample.mirror.prepare()
    with pytest.raises(NotFoundError) as raised:
        find_types(sample.mirror, "RHEL-9.2")
    assert raised.value.hint == "nothing is mirrored there yet"


def test_types_are_found_likewise(sample):
    sample.publish("c1", FIRST)
    sample.publish("h1", FIRST, type="hwcert")
    assert find_types(sample.mirror, sample.topic.name)[1] == ("compose", "hwcert")
    assert find_types(sample.mirror, sample.topic.name, "Compose")[1] == ("compose",)
    with pytest.raises(NotFoundError) as raised:
        find_types(sample.mirror, sample.topic.name, "compos")
    assert raised.value.hint == "did you mean compose?"


def test_one_of_two_that_differ_in_case_must_be_named_exactly(sample):
    for name in ("compose", "Compose"):
        sample.publish(f"c-{name}", FIRST, type=name)
    assert find_types(sample.mirror, sample.topic.name, "Compose")[1] == ("Compose",)
    with pytest.raises(NotFoundError):
        find_types(sample.mirror, sample.topic.name, "COMPOSE")
