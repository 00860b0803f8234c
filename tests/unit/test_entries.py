import pytest

from dci_downloader.content.entries import read_entries
from dci_downloader.content.names import EntryError


def read(*paths):
    files, _ = read_entries([[path, f"{number:064x}", number] for number, path in enumerate(paths)], [])
    return tuple(entry.path for entry in files)


NO_NAMES = ["", ".", "..", "a\nb", "\n", "a\n", "\x7f", "\t", "x" * 256, "é" * 128, "\ud800"]
NAMES = ["...", "..b", ".b", "b..", " ", "é", "x" * 255, "é" * 127]


@pytest.mark.parametrize("folder", ["", "d/", "d/e/"])
@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_a_path_whose_last_step_is_no_name_is_refused_wherever_it_stands_in_the_list(folder, name):
    for before, after in (([], []), (["b", "c/d"], []), ([], ["b", "c/d"]), (["b"], ["c/d"])):
        with pytest.raises(EntryError):
            read(*before, folder + name, *after)


@pytest.mark.parametrize("folder", ["", "d/", "d/e/"])
def test_names_that_only_look_like_none_are_read(folder):
    paths = tuple(folder + name for name in NAMES)
    assert read(*paths) == paths
    assert read() == ()
