import os

from dci_downloader.mirror import repositories as module
from dci_downloader.mirror.repositories import Repository, repositories


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")


def test_the_repositories_of_a_compose(tmp_path):
    make(
        tmp_path,
        "BaseOS/x86_64/os/repodata/repomd.xml",
        "BaseOS/x86_64/os/.treeinfo",
        "BaseOS/x86_64/debug/tree/repodata/repomd.xml",
        "BaseOS/source/tree/repodata/repomd.xml",
        "AppStream/x86_64/os/repodata/repomd.xml",
        "AppStream/x86_64/iso/x.iso",
        "metadata/repodata/repomd.xml",
        ".composeinfo",
    )
    assert repositories(tmp_path) == (
        Repository("AppStream/x86_64/os", False),
        Repository("BaseOS/source/tree", False),
        Repository("BaseOS/x86_64/debug/tree", False),
        Repository("BaseOS/x86_64/os", True),
    )


def test_a_tree_that_is_a_repository_itself_and_one_without_any(tmp_path):
    assert repositories(tmp_path) == repositories(tmp_path / "no") == ()
    make(tmp_path, "repodata/repomd.xml", "sub/repodata/repomd.xml")
    assert repositories(tmp_path) == (Repository("", False),)


def test_no_link_is_followed_and_no_more_folders_are_looked_into_than_composes_have(tmp_path, monkeypatch):
    make(tmp_path, "a/b/c/d/e/repodata/repomd.xml", "x/os/repodata/repomd.xml", "y")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "closed").mkdir(mode=0)
    assert repositories(tmp_path) == (Repository("x/os", False),)
    os.rmdir(tmp_path / "closed")
    monkeypatch.setattr(module, "_MOST_FOLDERS", 1)
    assert repositories(tmp_path) == ()


def test_a_tree_that_is_a_link_is_not_followed(tmp_path):
    make(tmp_path, "elsewhere/BaseOS/os/repodata/repomd.xml")
    (tmp_path / "tree").symlink_to("elsewhere")
    assert repositories(tmp_path / "tree") == ()
