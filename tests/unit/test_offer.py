"""What a component offers, asked of the embedded servers."""

import hashlib

import pytest

from dci_downloader import FileEntry, NotFoundError, Selection, TransferError
from dci_downloader.content.manifest import IMAGE_LIST_NAME
from dci_downloader.control.offer import lists, resolve_offer

IMAGES = b"- registry.example.com/nova:17.1\n"


def entry(content):
    return FileEntry(IMAGE_LIST_NAME, hashlib.sha256(content).hexdigest(), len(content))


def offer_of(lab, known=None):
    component = next(iter(lab.server.components(lab.topic.id)))
    return resolve_offer(lab.server, component, known)


def manifests(lab):
    """The statuses of the requests for the manifest."""
    return [request.status for request in lab.site.store.requests if request.path.endswith("dci_files_list.json")]


def test_without_an_image_list_it_is_the_manifest(lab):
    lab.build({"a": b"a"})
    offer = offer_of(lab)
    assert [file.path for file in offer.manifest.files] == ["a"]
    assert offer.contents == {}


def test_an_image_list_is_a_file_with_its_content(lab):
    lab.build({"a": b"a"}, images_list=IMAGES)
    offer = offer_of(lab)
    assert offer.manifest.files[1] == entry(IMAGES)
    assert offer.contents == {entry(IMAGES): IMAGES}


@pytest.mark.parametrize("path", [IMAGE_LIST_NAME, f"{IMAGE_LIST_NAME}/below"])
def test_what_the_manifest_lists_under_that_name_stays(lab, path):
    lab.build({path: b"listed"}, images_list=IMAGES)
    (file,) = offer_of(lab).manifest.files
    assert (file.path, file.size) == (path, 6)


def test_a_known_manifest_is_not_sent_again(lab):
    lab.build({"a": b"a", "b": b"b"}, images_list=IMAGES)
    known = Selection(all=True, exclude=("b",)).apply(offer_of(lab).manifest)
    offer = offer_of(lab, known)
    assert (offer.manifest, offer.contents) == (None, {entry(IMAGES): IMAGES})
    assert manifests(lab) == [200, 304]


def test_a_manifest_that_changed_is_asked_for_once(lab):
    component = lab.build({"a": b"a"})
    known = offer_of(lab).manifest
    document = lab.catalog.objects[f"{component.id}/dci_files_list.json"]
    changed = b"".join(document.chunks(0, document.size)).replace(b'"a"', b'"c"')
    lab.catalog.put(component, "dci_files_list.json", changed)
    assert [file.path for file in offer_of(lab, known).manifest.files] == ["c"]
    assert manifests(lab) == [200, 200]


@pytest.mark.parametrize("change", [b"- registry.example.com/nova:18\n", None])
def test_another_image_list_makes_another_manifest(lab, change):
    component = lab.build({"a": b"a"}, images_list=IMAGES)
    known = offer_of(lab).manifest
    if change is None:
        lab.catalog.drop(component, IMAGE_LIST_NAME)
    else:
        lab.catalog.put(component, IMAGE_LIST_NAME, change)
    offer = offer_of(lab, known)
    assert [file for file in offer.manifest.files if file.path == IMAGE_LIST_NAME] == (
        [entry(change)] if change else []
    )


def test_a_web_page_is_no_image_list(lab):
    lab.build({"a": b"a"}, images_list=b" <html>log in</html>")
    with pytest.raises(TransferError, match="is a web page"):
        offer_of(lab)


def test_a_component_without_files_offers_nothing(lab):
    lab.build({}, without_files=True)
    offer = offer_of(lab)
    assert (offer.manifest.files, offer.contents) == ((), {})


def test_an_image_list_is_a_file_where_there_is_no_manifest(lab):
    lab.build({}, without_files=True, images_list=IMAGES)
    assert offer_of(lab).manifest.files == (entry(IMAGES),)


def test_a_component_that_is_no_longer_there_is_not_one_without_files(lab):
    removed = next(iter(lab.server.components(lab.build({"a": b"a"}).topic.id)))
    del lab.catalog.components[removed.id]
    with pytest.raises(NotFoundError, match=f"component {removed.id} not found"):
        resolve_offer(lab.server, removed)


def test_a_path_is_listed_as_a_file_a_link_or_a_folder(lab):
    lab.build({"folder/file": b""}, symlinks={"link": "folder"})
    manifest = offer_of(lab).manifest
    assert [path for path in ("folder", "folder/file", "link", "fold", "file") if lists(manifest, path)] == [
        "folder",
        "folder/file",
        "link",
    ]
