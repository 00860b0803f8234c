import pytest

from dci_downloader.settings import values


@pytest.mark.parametrize(("text", "rate"), [("500K", 512_000), ("1.5m", 1_572_864), ("1G", 2**30), ("7", 7)])
def test_rates_have_the_suffixes_of_curl(text, rate):
    assert values.rate(text) == rate


@pytest.mark.parametrize("text", ["", "K", "0", "-1", "0.9", "inf", "nan", "5X", "1e999", "٣K"])
def test_a_rate_below_one_byte_per_second_is_none(text):
    with pytest.raises(ValueError, match=r"^expected bytes per second, at least 1"):
        values.rate(text)


@pytest.mark.parametrize(
    ("parse", "taken", "refused"),
    [
        (values.not_negative, {"0": 0, "7": 7}, ["-1", "1.0", "x", "", "²", "٣", "9" * 5000]),
        (values.at_least_one, {"1": 1}, ["0", "0x1"]),
        (values.seconds, {"0": 0, "1.5": 1.5}, ["-1", "inf", "nan", "x", "٣"]),
        (values.patience, {"1": 1}, ["0.9", "inf"]),
        (values.boolean, {"yes": True, "ON": True, "False": False, "no": False}, ["y", "1", ""]),
        (values.filled, {" a ": " a "}, ["", "  "]),
        (values.path, {"": "", "/a~": "/a~", "./~": "./~"}, ["~no-such-user", "~no-such-user/a"]),
        (values.output, {"a": "a"}, ["", "  ", "~no-such-user/a"]),
    ],
)
def test_values_have_bounds(parse, taken, refused):
    assert {text: parse(text) for text in taken} == taken
    for text in refused:
        with pytest.raises(ValueError, match=r"^expected "):
            parse(text)


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = ["~", "~/dci", "~root/x", "a/~/b"]
    assert [values.path(text) for text in given] == ["/home/me", "/home/me/dci", "/root/x", "a/~/b"]
    assert values.output("~/log") == "/home/me/log"
