"""Every setting and every option of a sync, declared once.

The parser of the command line, the reader of settings files, the defaults, ``settings check``, ``--help``, the tables
of the pages and the comments of ``downloader.yml.example`` follow from this table. A new setting is an entry here and,
where a topic may set it, the attribute of :mod:`dci_downloader.options` or of the selection that the entry fills.
``python -m tests.reference`` then writes the pages' tables and the example anew.
"""

from __future__ import annotations

from functools import cache

from dci_downloader.options import SyncOptions, TransferOptions
from dci_downloader.settings import types
from dci_downloader.settings.types import ANY, Level, ListOf, Setting, Values
from dci_downloader.settings.values import SettingValue
from dci_downloader.settings.what import WHAT

_WHERE = (
    Setting(
        "settings",
        ListOf(types.PATH),
        "--settings FILE",
        "YAML; later over earlier",
        "a [settings file](settings.md); later files over earlier",
    ),
    Setting(
        "local_repo",
        types.PATH,
        "--local-repo DIR",
        "the same as DEST",
        "the same as `DEST`, which comes first",
        "root of the mirror (download_folder: is the same, under its older name)",
        "/srv/dci",
        in_files="over `download_folder` in the same file",
        levels=Level.FILE,
        variable="DCI_LOCAL_REPO",
    ),
    Setting("download_folder", types.PATH, text="the same as `local_repo`", levels=Level.FILE),
    Setting(
        "dcirc",
        types.PATH,
        "--dcirc FILE",
        "credentials, in place of `source FILE`",
        "take the credentials from this `dcirc.sh`, without a shell",
    ),
    Setting(
        "from",
        types.MIRROR,
        "--from MIRROR",
        "URL or folder, no server",
        "take everything from this [mirror](many-machines.md), a URL or a folder, and nothing from a control server: "
        "no account is needed",
        "everything comes from this mirror, URL or folder, and no control server is asked",
        "http://mirror.example.com/dci",
        in_files="empty for none",
        levels=Level.FILE,
        variable="DCI_FROM",
    ),
    Setting("dci_cs_url", types.PLAIN, "--dci-cs-url URL", "control server", variable="DCI_CS_URL"),
    Setting(
        "dci_repo_url",
        types.PLAIN,
        "--dci-repo-url URL",
        text="accepted as `DCI_REPO_URL` is, and without effect: the control server says where files are",
    ),
    Setting(
        "peers",
        ListOf(types.PEER, "URLs of mirrors"),
        "--peer URL",
        "ask this mirror first",
        "another mirror, [asked](many-machines.md) before the object store",
        "other mirrors, asked before the object store",
        "[http://lab1.example.com/dci]",
        levels=ANY,
        fills=(TransferOptions, "peers"),
    ),
    Setting(
        "registry",
        types.REGISTRY,
        "--registry HOST:PORT",
        "for container images",
        "the lab's registry, to which [container images](images.md#container-images) are mirrored",
        "container images are mirrored to it, by skopeo",
        "localhost:5000",
        levels=ANY,
        variable="DCI_REGISTRY",
        fills=(SyncOptions, "registry"),
    ),
    Setting(
        "login_registries",
        ListOf(types.REGISTRY, "addresses of registries"),
        text="registries that the login of the topic is for, beside those that the topic names",
        comment="the topic's login goes to no other registry but those that the topic names",
        example="[registry.distributed-ci.io]",
        levels=ANY,
        fills=(SyncOptions, "login_registries"),
    ),
    Setting("tech_preview", types.Choice(("rhdl",)), "--tech-preview API"),
)
_HOW = (
    Setting("dry_run", types.FLAG, "--dry-run", "say what would be done, write nothing"),
    Setting("keep", types.COUNT, "--keep N", "older builds that stay", levels=ANY, fills=(SyncOptions, "keep")),
    Setting(
        "make_room",
        types.FLAG,
        "--make-room",
        "where the disk is full, older builds go",
        "where the disk is too small for the new build, remove older ones first, whatever `keep` says",
        "where the disk is too small, older builds go, whatever keep says",
        levels=ANY,
        example="true",
        fills=(SyncOptions, "make_room"),
    ),
    Setting(
        "reserve",
        types.SIZE,
        text="bytes that stay free: `20G` (powers of 1024); a run that would take them fetches nothing (6)",
        comment="bytes that stay free; K, M, G or T may follow",
        example="20G",
        levels=ANY,
        fills=(SyncOptions, "reserve"),
    ),
    Setting(
        "connections",
        types.POSITIVE,
        "--connections N",
        "at most so many",
        "at most so many connections to the object store",
        "at most so many to the object store",
        "64",
        levels=ANY,
        fills=(TransferOptions, "connections"),
    ),
    Setting(
        "limit_rate",
        types.RATE,
        "--limit-rate RATE",
        "bytes/s over all connections together: 500K, 50M, 1G",
        "bytes per second over all connections together: `500K`, `50M`, `1G` (powers of 1024)",
        "bytes per second over all connections together; K, M or G may follow",
        "50M",
        levels=ANY,
        fills=(TransferOptions, "limit_rate"),
    ),
    Setting(
        "patience",
        types.PATIENCE,
        "--patience SECONDS",
        "without progress, give up",
        "seconds that a file, or the whole run, may go without any progress",
        "seconds without any progress before a file, or the run, is given up",
        "30",
        levels=ANY,
        fills=(TransferOptions, "patience"),
    ),
    Setting(
        "on_published",
        ListOf(types.WORD, "words: a program and its arguments"),
        text="a program and its arguments, run after each publication of a component, without a shell",
        comment="run after each publication, with the report on standard input",
        example="[/usr/local/bin/new-build, --quiet]",
        levels=ANY,
        fills=(SyncOptions, "on_published"),
    ),
    Setting(
        "lock_timeout",
        types.SECONDS,
        "--lock-timeout SECONDS",
        "wait for another run (default: for ever)",
        "how long to wait for another run (default: for ever; 0: not at all)",
    ),
)
_OUTPUT = (
    Setting("json", types.FLAG, "--json", "a report for programs on standard output"),
    Setting("quiet", types.FLAG, "--quiet", "nothing but errors", short="-q"),
    Setting(
        "verbose",
        types.FLAG,
        "--verbose",
        "also calls, and what is tried again and why",
        "also each call to the control server, and whatever is tried again, with the reason",
        short="-v",
    ),
    Setting(
        "log_file",
        types.OUTPUT,
        "--log-file FILE",
        "append all that happens, with times",
        "append everything that happens to this file, with times in UTC",
    ),
    Setting(
        "log_format",
        types.Choice(("text", "json")),
        "--log-format FORMAT",
        "json: of the log, else of stderr",
        "`text`, or `json`: an object per event, in the log file, or without one on standard error",
    ),
    Setting(
        "metrics_file",
        types.OUTPUT,
        "--metrics-file FILE",
        "for Prometheus' node_exporter",
        "figures of the run for [Prometheus](report.md#metrics)",
    ),
    Setting(
        "status_page",
        types.OUTPUT,
        text="[a page](maintenance.md#a-page-to-look-at) of HTML about the mirror, which each run writes: in it, say",
        comment="a page about the mirror, written anew by whatever changes it",
        example="/srv/dci/index.html",
        levels=Level.FILE,
    ),
)
GROUPS = {"what to fetch": WHAT, "from where, to where": _WHERE, "how": _HOW, "output": _OUTPUT}
"""The settings in the order and the groups of ``--help``."""

SETTINGS = {setting.name: setting for group in GROUPS.values() for setting in group}
TOPIC_SETTINGS = tuple(setting for setting in SETTINGS.values() if setting.fills)
"""What each topic may set for itself."""

DEFAULTS: Values = {setting.name: SettingValue(setting.default, "default") for setting in TOPIC_SETTINGS}


@cache
def settings_at(level: Level) -> dict[str, Setting]:
    """The settings that may stand on a level of a settings file, by name."""
    return {name: setting for name, setting in SETTINGS.items() if level in setting.levels}
