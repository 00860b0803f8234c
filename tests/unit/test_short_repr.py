"""What ``print`` and ``help()`` show of this package's values can be read."""

import inspect
import pydoc
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

import dci_downloader
from dci_downloader import (
    ControlServer,
    FileEntry,
    Manifest,
    Mirror,
    NeverStop,
    NullProgress,
    Plan,
    RemoteciCredentials,
    Selection,
    SyncOptions,
    Topic,
    TransferOptions,
)
from dci_downloader.short_repr import short_repr

PUBLIC = [getattr(dci_downloader, name) for name in dci_downloader.__all__]
FUNCTIONS = [value for value in PUBLIC if inspect.isfunction(value)]
METHODS = [
    value
    for kind in PUBLIC
    if inspect.isclass(kind)
    for name, value in inspect.getmembers(kind, inspect.isroutine)
    if not name.startswith("_") and (getattr(value, "__module__", None) or "").startswith("dci_downloader")
]
FILES = tuple(
    FileEntry(f"BaseOS/x86_64/os/Packages/p/package-{number}.rpm", "a" * 64, number) for number in range(5000)
)


@dataclass(frozen=True)
class Sample:
    name: str
    number: int = 0
    values: tuple = ()
    more: list = field(default_factory=list)
    secret: str = field(default="", repr=False)
    when: object = None

    __repr__ = short_repr


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Sample("a"), "Sample(name='a')"),
        (Sample("a", 1, (1,), [2, 3], "s3cret"), "Sample(name='a', number=1, values=(1,), more=[2, 3])"),
        (Sample("a", values=(1, 2, 3, 4, 5)), "Sample(name='a', values=(1, 2, 3, ... 2 more))"),
        (Sample("a" * 100), f"Sample(name='{'a' * 80}'...)"),
        (Sample("a", values=("b" * 100,) * 7), "Sample(name='a', values=<7 of str>)"),
        (
            Sample("a", when=datetime(2022, 11, 21, 4, 12, tzinfo=timezone.utc)),
            "Sample(name='a', when=2022-11-21 04:12:00+00:00)",
        ),
        (Sample("a", when=Sample("b")), "Sample(name='a', when=Sample(name='b'))"),
        (Selection(variants=["BaseOS"]), "Selection(variants=('BaseOS',))"),
        (SyncOptions(keep=2), "SyncOptions(keep=2)"),
        (SyncOptions(transfer=TransferOptions(connections=8)), "SyncOptions(transfer=TransferOptions(connections=8))"),
        (Manifest("compose", FILES), "Manifest(component_type='compose', files=<5,000 of FileEntry>)"),
        (Topic("1", "RHEL-9.2", registry={"password": "s3cret"}), "Topic(id='1', name='RHEL-9.2')"),
        (Mirror("/srv/dci"), "Mirror('/srv/dci')"),
        (NullProgress(), "NullProgress()"),
        (NeverStop(), "NeverStop()"),
    ],
)
def test_a_value_shows_what_makes_it_and_no_default(value, shown):
    assert repr(value) == shown


def test_nothing_is_longer_than_some_lines():
    manifest = Manifest("compose", FILES, etag="e" * 500)
    assert len(repr(Plan(manifest, FILES))) < 300
    deep = Sample("a" * 70, 1, tuple(Sample("b" * 70, 2, ("c" * 70,) * 3) for _ in range(3)), when=Sample("d" * 70))
    assert len(repr(deep)) < 400


def test_a_server_shows_its_address_and_no_secret():
    with ControlServer(RemoteciCredentials("remoteci/1", "s3cret", "http://cs")) as server:
        assert repr(server) == "ControlServer(RemoteciCredentials(client_id='remoteci/1', url='http://cs'))"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_help_of_a_function_is_a_page_one_can_read(function):
    shown = pydoc.plain(pydoc.render_doc(function))
    assert " at 0x" not in shown
    assert len(str(inspect.signature(function))) < 700
    arguments = inspect.signature(function).parameters
    described = inspect.getdoc(function)
    for name, argument in arguments.items():
        if argument.kind is not argument.VAR_KEYWORD:
            assert f"\n    {name}: " in described, name


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)
def test_a_method_has_no_default_that_is_an_address(method):
    assert " at 0x" not in str(inspect.signature(method))
    assert inspect.getdoc(method)
