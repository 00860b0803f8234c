"""The house: who may import whom, what is exported, how the program is laid out."""

import ast
from pathlib import Path

import pytest

import dci_downloader

ROOT = Path(dci_downloader.__file__).parent

FLOORS = [
    "errors words bounds transfer.ranges",
    "models",
    "arguments content.manifest content.plan control.answers control.breaks control.signing mirror.digests "
    "mirror.files network progress report signals transfer.loop transfer.meter transfer.policy transfer.throttle "
    "transfer.width transfer.worker",
    "content.selection control.exchange control.refusals environment mirror.hashing mirror.partial mirror.tree "
    "mirror.version transfer.handles",
    "control.connection images mirror.store settings_file transfer.peer_request transfer.work",
    "control.client mirror.adopt mirror.topic transfer.backlog transfer.landing transfer.peers transfer.stage",
    "control.resolver mirror.mirror transfer.pipeline",
    "transfer.partner",
    "transfer.engine",
    "layers metrics mirror.prune mirror.verify sync",
    "audience completion listing settings systemd upkeep demo.catalog demo.compose demo.content demo.control "
    "demo.listing demo.objects demo.serving demo.site demo.story",
    "cli",
]
"""From the ground up; the rooms of the demo may look into each other."""


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def exists(name):
    return bool(name) and (ROOT / f"{name.replace('.', '/')}.py").exists()


def imports(path):
    """The modules of this package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dci_downloader":
            base = node.module.partition(".")[2]
            for alias in node.names:
                longer = f"{base}.{alias.name}".lstrip(".")
                found = longer if exists(longer) else base
                if exists(found):
                    yield found
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("dci_downloader."), f"{path}: import names from modules instead"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_only_from_floors_below(path):
    floors = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
    name = name_of(path)
    assert name in floors, f"{name} has no floor: give it one"
    for imported in imports(path):
        neighbours = name.startswith("demo.") and imported.startswith("demo.")
        assert neighbours or floors[imported] < floors[name], f"{name} climbs to {imported}"


def test_every_floor_is_of_this_house():
    named = {name for names in FLOORS for name in names.split()}
    assert named == {name_of(path) for path in modules()}
