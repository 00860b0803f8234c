"""The house: which wing may import from which, and that no module depends on itself in a circle."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import dci_downloader

ROOT = Path(dci_downloader.__file__).parent

WINGS = [
    "version_number",
    "errors",
    "frozen_mapping",
    "short_repr",
    "sequences",
    "models",
    "options",
    "changes",
    "results",
    "sync_steps",
    "report_document",
    "hooks",
    "formatting",
    "user_files",
    "environment",
    "child_process",
    "network",
    "content",
    "control",
    "mirror",
    "upstream",
    "transfer",
    "skopeo",
    "container_images",
    "published_command",
    "room",
    "planning",
    "component_state",
    "preview",
    "sync",
    "pre_run_step",
    "topics",
    "settings",
    "page",
    "check",
    "demo",
    "cli",
    "main",
]
"""From the ground up, in the order that data takes: a wing imports only from those before it."""


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")}


def wing_of(module):
    return module.partition(".")[0]


def imports(source):
    """The modules of this package that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dci_downloader":
            base = node.module.partition(".")[2]
            for alias in node.names:
                longer = f"{base}.{alias.name}".lstrip(".")
                found = longer if longer in MODULES else base
                if found in MODULES:
                    yield found
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("dci_downloader."), "import names from modules instead"


@cache
def imports_of(name):
    return frozenset(imports(MODULES[name].read_text(encoding="utf-8")))


def graph():
    return {name: set(imports_of(name)) for name in MODULES}


def climbs(arrows):
    """The imports that lead to the importing module's own wing's neighbours above, as (importer, imported)."""
    return [
        (name, imported)
        for name, targets in arrows.items()
        for imported in targets
        if WINGS.index(wing_of(imported)) > WINGS.index(wing_of(name))
    ]


def circle(arrows):
    """Modules that import each other in a circle; nothing where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_wing_is_of_this_house():
    assert sorted({wing_of(name) for name in MODULES}) == sorted(WINGS)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_wing_imports_only_from_wings_below(name):
    assert climbs({name: graph()[name]}) == []


def test_no_module_depends_on_itself():
    assert circle(graph()) == []


def test_an_import_that_climbs_to_another_wing_is_noticed():
    arrows = graph()
    arrows["mirror.store"] = {*arrows["mirror.store"], "transfer.engine"}
    assert climbs(arrows) == [("mirror.store", "transfer.engine")]


def test_an_import_that_climbs_within_a_wing_is_noticed():
    arrows = graph()
    arrows["mirror.files"] = {*arrows["mirror.files"], "mirror.store"}
    assert {"mirror.files", "mirror.store"} <= set(circle(arrows))
