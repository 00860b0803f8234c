"""Symlinks of a component: which lead to something that is there."""

from dci_downloader.content.symlinks import live_symlinks
from dci_downloader.models import FileEntry, SymlinkEntry

A = "a" * 64

LINKS = [
    SymlinkEntry("to-file", "d/f"),
    SymlinkEntry("to-folder", "d"),
    SymlinkEntry("to-link", "to-folder"),
    SymlinkEntry("through-link", "to-folder/f"),
    SymlinkEntry("d/up", "../to-folder/up"),
    SymlinkEntry("d/root", ".."),
    SymlinkEntry("d/through-root", "root/d/f"),
]


def test_symlinks_live_through_each_other() -> None:
    live = live_symlinks([FileEntry("d/f", A, 1)], LINKS)
    assert [entry.path for entry in live] == [
        "to-file",
        "to-folder",
        "to-link",
        "through-link",
        "d/root",
        "d/through-root",
    ]


def test_symlinks_die_with_what_they_lead_to() -> None:
    assert [entry.path for entry in live_symlinks([FileEntry("e/f", A, 1)], LINKS)] == ["d/root"]
    assert live_symlinks([], LINKS) == ()


def test_chain_of_symlinks_ends_where_linux_ends_it() -> None:
    chain = [SymlinkEntry(f"l{number:02}", f"l{number + 1:02}") for number in range(50)]
    live = live_symlinks([FileEntry("l50", A, 1)], chain)
    assert [entry.path for entry in live] == [f"l{number:02}" for number in range(10, 50)]
