import pytest

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli.package_lines import lines_by_tree, package_lines, summary
from dci_downloader.report_document import changes_document

KIND = PackageChangeKind
BOTH = ("BaseOS/aarch64", "BaseOS/x86_64")
PACKAGES = (
    PackageChange("bash", KIND.UPGRADED, ("5-1",), ("5-2",), BOTH),
    PackageChange("kernel", KIND.UPGRADED, ("5.14.0-284",), ("5.14.0-285",), BOTH[1:], everywhere=False),
    PackageChange("node", KIND.CHANGED, (), ("20-1",), BOTH),
    PackageChange("old", KIND.CHANGED, ("16-1",), (), BOTH),
    PackageChange("old", KIND.REMOVED, ("18-1",), (), BOTH[:1]),
    PackageChange("signed", KIND.REBUILT, ("1-1",), ("1-1",), BOTH, source=True),
)


def test_a_line_for_each_package_those_of_a_kind_together():
    assert list(package_lines(PACKAGES)) == [
        "upgraded:",
        "  bash    5-1 → 5-2",
        "  kernel  5.14.0-284 → 5.14.0-285  (BaseOS/x86_64)",
        "changed:",
        "  node  also 20-1",
        "  old   no longer 16-1",
        "rebuilt:",
        "  signed (source)  1-1, with another content",
        "removed:",
        "  old  18-1",
    ]
    assert list(package_lines(())) == []


def test_the_same_for_each_tree():
    assert list(lines_by_tree(PACKAGES[:2])) == [
        "BaseOS/aarch64:",
        "  upgraded:",
        "    bash  5-1 → 5-2",
        "BaseOS/x86_64:",
        "  upgraded:",
        "    bash    5-1 → 5-2",
        "    kernel  5.14.0-284 → 5.14.0-285",
    ]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (3, "2 upgraded (bash, kernel); 2 changed (node, old); 1 rebuilt (signed); 1 removed (old)"),
        (1, "2 upgraded (bash and 1 more); 2 changed (node and 1 more); 1 rebuilt (signed); 1 removed (old)"),
        (0, "2 upgraded, 2 changed, 1 rebuilt, 1 removed"),
    ],
)
def test_a_summary(shown, text):
    assert summary(PACKAGES, shown) == text
    assert summary((), shown) == ""


def test_a_document_has_all_of_it():
    document = changes_document(Changes("v1", 1, 2, 3, PACKAGES[1:2]))
    assert document == {
        "since": "v1",
        "added": 1,
        "changed": 2,
        "removed": 3,
        "packages": [
            {
                "name": "kernel",
                "kind": "upgraded",
                "from": ["5.14.0-284"],
                "to": ["5.14.0-285"],
                "trees": ["BaseOS/x86_64"],
                "everywhere": False,
                "source": False,
            }
        ],
    }
