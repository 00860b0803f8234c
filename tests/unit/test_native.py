import os
import subprocess
import sys

import pytest

from dci_downloader.mirror import native as native_module
from dci_downloader.mirror.native import native, text_of

NAMES = ["plain", "é.txt", "日本", "a/é/ü"]


def test_under_utf8_a_name_is_what_it_is():
    assert [native(name) for name in NAMES] == NAMES
    assert [text_of(name) for name in NAMES] == NAMES


@pytest.mark.parametrize("codec", ["latin-1", "ascii"])
def test_under_another_character_set_a_name_has_the_same_bytes_on_disk(monkeypatch, codec):
    monkeypatch.setattr(native_module, "_UTF8", False)
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode(codec, "surrogateescape"))
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode(codec, "surrogateescape"))
    for name in NAMES:
        assert os.fsencode(native(name)) == name.encode()
        assert text_of(native(name)) == name


@pytest.mark.parametrize(
    "setting", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}]
)
def test_an_interpreter_under_that_locale_writes_utf8(tmp_path, setting):
    program = "import os; from dci_downloader.mirror.native import native; os.mkdir(native('\\u00e9\\u65e5'))"
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **setting}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert os.listdir(os.fsencode(tmp_path)) == ["é日".encode()]
