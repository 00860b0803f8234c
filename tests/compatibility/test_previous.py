"""dci-downloader 3.2.0 and this program, side by side: the same command lines and settings files, the same files.

Where the outcome differs, the table says what 3.2.0 does and why ours is better; both are asserted, so that a row
cannot outlive the difference.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pytest

pytestmark = pytest.mark.slow

TO = ("RHEL-9.2", "{dest}")
FILE = ("--settings", "{dir}/a.yml")
LINK = "*/newest.rpm"


@dataclass(frozen=True)
class Case:
    """A command line, and how the outcomes of both programs differ.

    Attributes:
        files: settings files by name.
        environ: variables besides the credentials.
        why: what 3.2.0 does wrong; empty where both do the same.
        codes: exit codes of 3.2.0 and of ours; None for one that hangs.
        lacks: globs of what 3.2.0 doesn't publish and we do, each of which finds something.
        extra: likewise of what only 3.2.0 publishes.
        differs: likewise of what has other content.
        links: whether symlinks are looked at; 3.2.0 has them with --all alone.
        seconds: after which a program counts as hanging; 3.2.0 repeats a failed request for 14 seconds.
    """

    id: str
    arguments: tuple = FILE
    files: dict = field(default_factory=dict)
    environ: dict = field(default_factory=dict)
    why: str = ""
    codes: tuple = (0, 0)
    lacks: tuple = ()
    extra: tuple = ()
    differs: tuple = ()
    links: bool = False
    seconds: int = 60


def options(id, *arguments, **more):
    """Options after TOPIC and DEST."""
    return Case(id, (*TO, *arguments), **more)


def settings(id, text, *arguments, **more):
    """One settings file, whose destination is the folder that is looked at."""
    files = {"a.yml": text if "{dest}" in text else f"{text}\nlocal_repo: {{dest}}\n", **more.pop("files", {})}
    return Case(id, (*FILE, *arguments), files, **more)


SAME = [
    options("topic-and-destination"),
    options("arch", "--arch", "aarch64"),
    options("two-archs", "--arch", "aarch64", "--arch", "x86_64"),
    options("variants", "--variant", "AppStream", "--variant", "BaseOS"),
    options("debug-and-sources", "--debug", "--src"),
    options("iso-of-a-variant", "--variant", "BaseOS", "--iso", "--debug", "--src"),
    options("all", "--all", links=True),
    options("all-whatever-else-is-said", "--all", "--variant", "BaseOS", "--package-filter", "kernel"),
    options("tag", "--filter", "compose:milestone"),
    options("tag-with-a-colon", "--filter", "compose:kernel:5.14"),
    options("type", "--filter", "hwcert"),
    options("type-in-another-case", "--filter", "Compose:milestone"),
    options("empty-tag", "--filter", "hwcert:"),
    options("two-types", "--filter=compose:nightly", "--filter=hwcert:old"),
    options("packages", "--package-filter", "kernel", "--variant", "BaseOS"),
    options("component-id", "--component-id", "{ids[milestone]}"),
    options("component-id-over-filters", "--component-id", "{ids[milestone]}", "--filter", "hwcert"),
    options("abbreviated", "--filt", "compose:milestone", "--debu"),
    options("repo-url-is-without-effect", "--dci-repo-url", "http://127.0.0.1:9"),
    options("repo-url-variable-is-without-effect", environ={"DCI_REPO_URL": "http://127.0.0.1:9"}),
    options("registry-variable-without-images", environ={"DCI_REGISTRY": "127.0.0.1:5000"}),
    options("registry-without-images", "--registry", "127.0.0.1:5000"),
    options("destination-over-local-repo", "--local-repo", "{dir}/elsewhere"),
    Case("options-first", ("--arch", "aarch64", *TO)),
    Case("pattern", ("RHEL-9.*", "{dest}")),
    Case("pattern-newest-of-several", ("RHEL-*", "{dest}")),
    Case("letter-case", ("rhel-8.8", "{dest}")),
    Case("component-without-files", ("WITHOUT", "{dest}")),
    Case("spaces", ("RHEL 7 ELS", "{dest}")),
    Case("images-list", ("OSP17.1", "{dest}")),
    Case("destination-by-option", ("RHEL-8.8", "--local-repo", "{dest}")),
    Case("destination-by-variable", ("RHEL-8.8",), environ={"DCI_LOCAL_REPO": "{dest}"}),
    settings("topic-at-the-root", "topic: RHEL-9.2"),
    settings("download-folder", "topic: RHEL-9.2\ndownload_folder: {dest}"),
    settings("local-repo-over-download-folder", "topic: RHEL-8.8\ndownload_folder: /nowhere\nlocal_repo: {dest}"),
    settings("topics-by-name", "topics: [{name: RHEL-8.8}]"),
    settings("topics-with-archs", "topics: [{topic: RHEL-9.2, archs: [aarch64]}, {topic: RHEL-8.8}]"),
    settings("jobs", "version: '2'\njobs: [{topic: RHEL-8.8, name: nightly tests}]"),
    settings("jobs-over-topic", "topic: RHEL-9.2\njobs: [{topic: RHEL-8.8}]"),
    settings("topic-over-topics", "topic: RHEL-9.2\ntopics: [{topic: RHEL-8.8}]"),
    settings("empty-topics-beside-a-topic", "topic: RHEL-8.8\ntopics: []"),
    settings("variants-by-name", "topic: RHEL-9.2\nvariants: [BaseOS]\nwith_source: true"),
    settings(
        "variants-as-mappings",
        "topic: RHEL-9.2\nwith_debug: true\nvariants:\n"
        "- {name: BaseOS, with_debug: false, with_iso: true}\n- {name: AppStream, with_debug: true, with_iso: false}",
    ),
    settings("filters", "topic: RHEL-9.2\nfilters: [{type: compose, tag: milestone}, {type: hwcert}]"),
    settings("type-of-a-file-in-another-case", "topic: RHEL-9.2\nfilters: [{type: Compose, tag: milestone}]"),
    settings("flags", "topic: RHEL-9.2\nwith_debug: true\nwith_source: true"),
    settings("everything", "topic: RHEL-9.2\ndownload_everything: true", links=True),
    settings("package-filters", "topic: RHEL-9.2\npackage_filters: [kernel]"),
    settings("archs-empty-is-all", "topic: RHEL-8.8\narchs: []"),
    settings("registry", "topic: RHEL-8.8\nregistry: ''"),
    settings("keys-of-agents", "topic: RHEL-9.2\nlab: x\nsystems: [{fqdn: a, kickstart: b}]\njumpbox: {a: 1}"),
    settings(
        "later-file-over-earlier",
        "topic: RHEL-9.2\narchs: [aarch64]",
        "--settings",
        "{dir}/b.yml",
        files={"b.yml": "archs: [x86_64]\nvariants: [BaseOS]"},
    ),
    settings("topic-joins-those-of-the-file", "topic: RHEL-9.2", "RHEL-8.8"),
    settings("flags-of-the-command-line-count-for-all", "topics: [{topic: RHEL-8.8}]", "--debug", "--src"),
    settings("option-over-file", "topic: RHEL-8.8\nlocal_repo: /nowhere\n#{dest}", "--local-repo", "{dest}"),
    settings(
        "variable-over-file",
        "topic: RHEL-8.8\nlocal_repo: /nowhere\n#{dest}",
        environ={"DCI_LOCAL_REPO": "{dest}"},
    ),
]

BETTER = [
    options("symlinks", why="drops every symlink of a compose except with --all", lacks=(LINK,), links=True),
    options("iso", "--iso", why="takes ISO images of named variants only", lacks=("*.iso",)),
    options(
        "two-filters-of-one-type",
        *("--filter", "compose:kernel:5.14", "--filter", "compose:nightly"),
        why="the second filter of a type overwrites the first",
        differs=("*/.composeinfo", "*.rpm"),
    ),
    options("no-such-tag", "--filter", "compose:nope", why="calls it a success", codes=(0, 4)),
    options("no-such-variant", "--variant", "Nope", "--filter", "compose", why="a list built in", codes=(1, 4)),
    options(
        "variant-that-the-component-lacks",
        *("--variant", "CRB", "--filter", "compose"),
        why="its list knows CRB, so it publishes metadata without a package and calls it a success",
        codes=(0, 4),
        extra=("*/.composeinfo", "*/metadata/rpms.json"),
    ),
    options(
        "arch-that-the-component-lacks",
        *("--arch", "s390x", "--filter", "compose"),
        why="likewise",
        codes=(0, 4),
        extra=("*/.composeinfo", "*/metadata/rpms.json"),
    ),
    options(
        "job-of-a-pipeline",
        environ={"DCI_JOB_ID": "{ids[job]}"},
        why="brings newer builds than the job was scheduled with",
        differs=("RHEL-9.2/compose/*", "RHEL-9.2/hwcert/a.rpm"),
        extra=("RHEL-9.2/hwcert/b/c.rpm",),
    ),
    Case("no-such-topic", ("NOWHERE", "{dest}"), why="calls it a success", codes=(0, 4)),
    Case("inactive-topic", ("INACTIVE", "{dest}"), why="calls it a success", codes=(0, 4)),
    Case("no-such-component", (*TO, "--component-id", "nope"), why="says 'component' and no more", codes=(1, 4)),
    Case(
        "component-of-another-topic",
        ("RHEL-8.8", "{dest}", "--component-id", "{ids[milestone]}"),
        why="publishes a build of RHEL-9.2 as one of RHEL-8.8",
        codes=(0, 2),
        extra=("RHEL-8.8/*",),
    ),
    Case(
        "component-id-alone",
        ("--component-id", "{ids[RHEL-8.8.0]}", "{dest}"),
        why="wants the topic too, although it follows from the component",
        codes=(1, 0),
        lacks=("RHEL-8.8/compose/*",),
    ),
    Case(
        "private-component",
        ("PRIVATE", "{dest}"),
        why="takes a newer private build of the own team for the newest of the topic, which no job does",
        differs=("*/.composeinfo", "*.rpm"),
    ),
    Case(
        "type-without-component",
        ("LACKING", "{dest}"),
        why="skips a type that the topic needs without a word",
        codes=(0, 4),
    ),
    Case("wrong-content", ("ROTTEN", "{dest}"), why="publishes it", codes=(0, 7), extra=("*/.composeinfo",)),
    Case(
        "odd-names",
        ("ODD", "{dest}"),
        why="doesn't quote what a URL needs quoted, and fails",
        codes=(1, 0),
        lacks=("*/a#1",),
    ),
    Case(
        "options-in-between",
        ("RHEL-8.8", "--arch", "x86_64", "{dest}"),
        why="its parser cannot",
        codes=(2, 0),
        lacks=("RHEL-8.8/*",),
    ),
    Case(
        "control-server-by-option",
        ("RHEL-8.8", "{dest}", "--dci-cs-url", "{url}"),
        environ={"DCI_CS_URL": "http://127.0.0.1:9"},
        why="asks DCI_CS_URL all the same, and hangs",
        codes=(None, 0),
        seconds=5,
        lacks=("RHEL-8.8/*",),
    ),
    settings(
        "tilde",
        "topic: RHEL-8.8\nlocal_repo: ~/dest\n#{dest}",
        why="makes a folder of that name where it is started",
        lacks=("RHEL-8.8/*",),
    ),
    settings(
        "variants-as-mappings-in-part",
        "topic: RHEL-8.8\nvariants: [{name: BaseOS, with_debug: true}]",
        why="crashes without with_iso",
        codes=(1, 0),
        lacks=("RHEL-8.8/compose/BaseOS/*", "*/.composeinfo", "*/metadata/*"),
    ),
    settings(
        "arch-over-file",
        "topic: RHEL-8.8\narchs: [aarch64]",
        "--arch",
        "x86_64",
        why="--arch, --variant and --filter count for TOPIC alone, other options for every topic",
        lacks=("*/x86_64/*",),
        extra=("*/aarch64/*",),
    ),
    settings(
        "top-level-for-all-topics",
        "archs: [aarch64]\ntopics: [{topic: RHEL-8.8}]",
        why="doesn't look at the top level where there are topics",
        lacks=("*/aarch64/*",),
        extra=("*/x86_64/*",),
    ),
    settings(
        "topics-of-a-later-file",
        "topic: RHEL-9.2",
        "--settings",
        "{dir}/b.yml",
        files={"b.yml": "topics: [{topic: RHEL-8.8}]"},
        why="keeps the topic of the earlier file, although its help says that newer files override",
        lacks=("RHEL-8.8/*",),
        extra=("RHEL-9.2/*",),
    ),
    settings(
        "one-topic-of-several-is-missing",
        "topics: [{topic: NOWHERE}, {topic: RHEL-8.8}]",
        why="calls it a success",
        codes=(0, 4),
    ),
    settings(
        "one-topic-of-several-is-wrong",
        "topics: [{topic: RHEL-9.2, variants: [Nope], filters: [{type: compose}]}, {topic: RHEL-8.8}]",
        why="mirrors none of them",
        codes=(1, 4),
        lacks=("RHEL-8.8/*",),
    ),
    settings(
        "one-topic-twice",
        "topics: [{topic: RHEL-9.2, filters: [{type: compose}]}, {topic: RHEL-9.2, filters: [{type: hwcert}]}]",
        why="keeps the last of a name",
        lacks=("RHEL-9.2/compose/*",),
    ),
    settings(
        "misspelt-setting", "topic: RHEL-8.8\nvarients: [BaseOS]", why="ignores it", codes=(0, 2), extra=("RHEL-8.8/*",)
    ),
    settings("wrong-type", "topic: RHEL-8.8\narchs: x86_64", why="tells of archs 8, 6, x", codes=(1, 2)),
    settings("number-as-topic", "topic: 9.2", why="'float' object has no attribute", codes=(1, 2)),
    settings("yaml-error", "topic: [", why="a traceback", codes=(1, 2)),
    Case("empty-file", files={"a.yml": ""}, why="'NoneType' object is not iterable", codes=(1, 2)),
    Case("list-at-the-root", files={"a.yml": "- topic: a"}, why="speaks of update sequences", codes=(1, 2)),
    Case("missing-file", why="exits 1, as for everything", codes=(1, 2)),
    Case("a-folder-as-file", ("--settings", "{dir}"), why="exits 1, as for everything", codes=(1, 2)),
    Case("no-topic", ("--all",), why="exits 1, as for everything", codes=(1, 2)),
    Case("no-destination", ("RHEL-8.8",), why="exits 1, as for everything", codes=(1, 2)),
]


def check(kind, paths, globs):
    """Every path is found by a glob, and every glob finds a path."""
    stray = [path for path in sorted(paths) if not any(fnmatchcase(path, glob) for glob in globs)]
    assert not stray, f"{kind}: {stray[:5]}"
    idle = [glob for glob in globs if not any(fnmatchcase(path, glob) for path in paths)]
    assert not idle, f"{kind}: nothing matches {idle}"


@pytest.mark.parametrize("case", SAME + BETTER, ids=lambda case: case.id)
def test_both_publish_the_same_or_ours_does_better(both, case):
    theirs, ours = both.run(case.arguments, case.files, case.environ, case.seconds)
    said = f"\n--- 3.2.0\n{theirs.said[-2000:]}\n--- ours\n{ours.said[-2000:]}"
    assert (theirs.code, ours.code) == case.codes, said
    assert "Traceback" not in ours.said
    before, now = (
        {path: what for path, what in outcome.files.items() if case.links or not what.startswith("->")}
        for outcome in (theirs, ours)
    )
    if ours.code == 0:
        assert now, "nothing was published, so nothing was compared"
    check("only in ours", now.keys() - before.keys(), case.lacks)
    check("only in theirs", before.keys() - now.keys(), case.extra)
    check("other content", {path for path in now.keys() & before.keys() if now[path] != before[path]}, case.differs)


@pytest.mark.parametrize("case", SAME + BETTER, ids=lambda case: case.id)
def test_a_row_says_why_if_and_only_if_something_differs(case):
    differs = case.codes != (0, 0) or case.lacks or case.extra or case.differs
    assert bool(case.why) == bool(differs)
    assert (case in BETTER) == bool(differs)


def test_the_ids_of_the_rows_are_their_own():
    ids = [case.id for case in SAME + BETTER]
    assert len(ids) == len(set(ids))
