"""Files of components, through the redirect to the object store."""

from __future__ import annotations

import pytest

from dci_downloader.errors import ManifestError, NotFoundError, StatusError
from dci_downloader.models import FileEntry
from tests.unit.control_site import COMPONENT, DIGEST, MANIFEST, as_json, component, refused, topic


def test_the_second_version_of_the_files_api_is_used_for_files_only(site, connect):
    server = connect(api_version="v2")
    assert server.files(COMPONENT).request("x").url == f"{site.url}/api/v2/components/c1/files/x"
    site.answer = lambda asked: as_json({"topic": topic()})
    server.topic("t1")
    assert site.paths() == ["/api/v1/topics/t1"]


def test_the_files_of_a_component_are_found_by_its_id(site, connect):
    answers = {
        "/api/v1/components/c1": as_json({"component": component("x", id="c1", type="hwcert")}),
        "/api/v1/components/c1/files/dci_files_list.json": (200, {}, MANIFEST),
        "/api/v1/components/c1/files/images_list.yaml": (200, {}, b"- image"),
    }
    site.answer = lambda asked: answers[asked.path]
    server = connect()
    assert server.files("c1").request("a b") == server.files(COMPONENT).request("a b")
    assert site.requests == []
    assert server.image_list("c1") == b"- image"
    assert server.manifest("c1").component_type == "hwcert"
    assert server.manifest("c1", etag='"e"').files == (FileEntry("x", DIGEST, 0),)
    for bad in (server.files, server.image_list, server.manifest):
        with pytest.raises(NotFoundError, match="no id of a component"):
            bad("../jobs")


def test_a_manifest_that_is_known_is_not_sent_again(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m"}, b"")
    object_store.answer = lambda asked: (304, {}, b"")
    assert connect().manifest(COMPONENT, etag='"e"') is None
    with pytest.raises(StatusError):
        connect().manifest(COMPONENT)


def test_a_component_without_files_is_not_found(site, object_store, connect):
    site.answer = lambda asked: refused("not found", 404)
    with pytest.raises(NotFoundError, match=r"RHEL-9\.2\.0-1 of type compose has no files"):
        connect().manifest(COMPONENT)
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m"}, b"")
    object_store.answer = lambda asked: (404, {}, b"<Error/>")
    with pytest.raises(NotFoundError, match="no files"):
        connect().manifest(COMPONENT)
    assert connect().image_list(COMPONENT) is None


def test_a_manifest_that_is_none_is_refused(site, connect):
    site.answer = lambda asked: (200, {}, MANIFEST[:-9])
    with pytest.raises(ManifestError):
        connect().manifest(COMPONENT)
    assert len(site.requests) == 3


@pytest.mark.parametrize("wrong", [MANIFEST[:-9], b"", MANIFEST[:1], b"<html>", b"[]", b"\xff\xfe"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_manifest_that_arrives_broken_is_asked_for_again(site, connect, wrong, times):
    site.answer = lambda asked: (200, {}, wrong if len(site.requests) <= times else MANIFEST)
    assert connect().manifest(COMPONENT).files == (FileEntry("x", DIGEST, 0),)
    assert len(site.requests) == times + 1


def test_a_manifest_that_arrives_whole_and_holds_a_bad_entry_is_not_asked_for_again(site, connect):
    site.answer = lambda asked: (200, {}, MANIFEST.replace(b'"name": "x"', b'"name": ".."'))
    with pytest.raises(ManifestError):
        connect().manifest(COMPONENT)
    assert len(site.requests) == 1


def test_the_image_list_comes_as_it_is(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/i"}, b"")
    object_store.answer = lambda asked: (200, {}, b"- image")
    assert connect().image_list(COMPONENT) == b"- image"
    assert site.paths() == ["/api/v1/components/c1/files/images_list.yaml"]


def test_the_stores_refusal_is_a_status_error_without_the_query(site, object_store, connect):
    site.answer = lambda asked: (302, {"Location": f"{object_store.url}/m?X-Sig=secret"}, b"")
    object_store.answer = lambda asked: (403, {}, b"<Error/>")
    with pytest.raises(StatusError, match=f"GET {object_store.url}/m: the object store answered HTTP 403") as caught:
        connect().manifest(COMPONENT)
    assert (caught.value.status, caught.value.url) == (403, f"{object_store.url}/m")
    assert "X-Sig" not in str(caught.value)
