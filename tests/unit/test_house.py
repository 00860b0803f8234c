"""The house: who may import whom, what is exported, how the program is laid out."""

import ast
from pathlib import Path

import pytest

import dci_downloader

ROOT = Path(dci_downloader.__file__).parent

FLOORS = {
    "errors": 0,
    "models": 0,
    "words": 0,
    "network": 1,
    "arguments": 1,
    "content.manifest": 1,
    "transfer.ranges": 1,
    "mirror.files": 1,
    "control.signing": 1,
    "control.answers": 1,
    "environment": 2,
    "content.selection": 2,
    "content.plan": 2,
    "control.client": 5,
    "control.resolver": 6,
    "mirror.partial": 2,
    "mirror.store": 3,
    "transfer.policy": 2,
    "transfer.width": 1,
    "transfer.throttle": 1,
    "transfer.worker": 1,
    "transfer.handles": 2,
    "transfer.loop": 1,
    "transfer.stage": 3,
    "transfer.work": 3,
    "transfer.backlog": 4,
    "transfer.landing": 4,
    "transfer.engine": 5,
}


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path):
    """The modules of this package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dci_downloader"):
            base = node.module.split(".", 1)[1] if "." in node.module else ""
            for alias in node.names:
                longer = f"{base}.{alias.name}".lstrip(".")
                found = longer if (ROOT / (longer.replace(".", "/") + ".py")).exists() else base
                if found and (ROOT / (found.replace(".", "/") + ".py")).exists():
                    yield found
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("dci_downloader."), f"{path}: import names from modules instead"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_only_from_floors_below(path):
    name = name_of(path)
    assert name in FLOORS, f"{name} has no floor: give it one"
    for imported in imports(path):
        neighbours = name.startswith("demo.") and imported.startswith("demo.")
        assert neighbours or FLOORS[imported] < FLOORS[name], f"{name} climbs to {imported}"
