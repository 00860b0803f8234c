"""Every setting and every option of a sync, declared once.

The parser of the command line, the reader of settings files, the defaults, ``settings check``, ``--help``, the tables
of the README and the comments of ``downloader.yml.example`` follow from this table. A new setting is an entry here and,
where a topic may set it, the attribute of :mod:`dci_downloader.options` or of the selection that the entry fills.
``python -m tests.reference`` then writes the README's tables and the example anew.
"""

from __future__ import annotations

from functools import cache

from dci_downloader.content.selection import Selection
from dci_downloader.options import SyncOptions, TransferOptions
from dci_downloader.settings import types
from dci_downloader.settings.types import Level, ListOf, Setting, Values
from dci_downloader.settings.values import SettingValue

_FILE = Level.FILE
_ANY = Level.FILE | Level.TOPIC
_ANY_VARIANT = _ANY | Level.VARIANT

_WHAT = (
    Setting("version", types.VERSION, help="of this layout; read and without effect", example='"2"', levels=_FILE),
    Setting(
        "topic",
        types.TEXT,
        "TOPIC",
        "a name (name: is the same), or a pattern for the newest that fits",
        "name of a topic, or a pattern like `RHEL-9.*`: the newest topic whose name begins so",
        levels=_ANY,
    ),
    Setting(
        "topics",
        types.TOPICS,
        help="or jobs:, or for a single one topic: here, with its settings around it",
        text="a list of topics, each a mapping; not used where there is a `topic` on the top level, or `jobs`",
        levels=_FILE,
    ),
    Setting("jobs", types.TOPICS, text="the same under the name that agents use; comes first", levels=_FILE),
    Setting(
        "name",
        types.TEXT,
        text="the topic, in a list of topics; of a variant or a component, in `variants` and `filters`",
        comment="exactly this one; the only way, beside its id, to a private component",
        levels=Level.TOPIC | Level.FILTER | Level.VARIANT,
    ),
    Setting(
        "component_id",
        types.TEXT,
        "--component-id ID",
        "this component; TOPIC may be left out",
        "this component, and no other; the topic may be left out",
        "exactly this component, in its own topic",
        levels=_ANY,
        fills=(SyncOptions, "component_id"),
    ),
    Setting(
        "job_id",
        types.TEXT,
        "--job-id ID",
        "the components of this job; likewise",
        "exactly the components that this job was created with, and no newer ones; the topic may be left out. "
        "Of settings files the topic, or pattern, that fits the job's counts",
    ),
    Setting(
        "set_state",
        types.FLAG,
        "--set-state",
        "set that job's states, too",
        "set the states of that job: `pre-run`, then `running`, or `error` with the reason; "
        "its `.composeinfo` is attached to it",
    ),
    Setting(
        "filters",
        ListOf(types.FILTER, "mappings with type and tag"),
        "--filter TYPE[:TAG]",
        "newest of a type, with this tag",
        "the newest component of this type that has the tag; several tags for one type must all be there. "
        "`TYPE:name=NAME` asks for one by its name, private ones included",
        "which components; without filters the newest of each type",
        in_files="mappings with `type`, `tag`, `tags`, `name`",
        levels=_ANY,
        fills=(SyncOptions, "filters"),
    ),
    Setting("type", types.TEXT, text="the type of component", comment="the newest of this type", levels=Level.FILTER),
    Setting("tag", types.TAG, text="a tag that it must have", comment="that has this tag", levels=Level.FILTER),
    Setting("tags", ListOf(types.TAG, "strings"), text="several such tags", comment="and these", levels=Level.FILTER),
    Setting(
        "archs",
        ListOf(types.TEXT, "architectures"),
        "--arch ARCH",
        "architecture",
        comment="architectures; [] means all",
        example="[x86_64]",
        in_files="an empty list means all",
        levels=_ANY,
        fills=(Selection, "archs"),
    ),
    Setting(
        "variants",
        ListOf(types.VARIANT, "variants"),
        "--variant NAME",
        "variant (default: all)",
        comment="names, or mappings; without them all",
        in_files="names, or mappings with `name`, `with_debug`, `with_source`, `with_iso`",
        levels=_ANY,
        fills=(Selection, "variants"),
    ),
    Setting(
        "with_debug",
        types.FLAG,
        "--debug",
        "debug packages too",
        comment="of this variant, whatever the topic says",
        in_files="the value of a variant comes first, over the option too",
        levels=_ANY_VARIANT,
        fills=(Selection, "debug"),
    ),
    Setting("with_source", types.FLAG, "--src", "source packages too", levels=_ANY_VARIANT, fills=(Selection, "src")),
    Setting("with_iso", types.FLAG, "--iso", "ISO images too", levels=_ANY_VARIANT, fills=(Selection, "iso")),
    Setting(
        "download_everything",
        types.FLAG,
        "--all",
        "everything the component holds",
        levels=_ANY,
        fills=(Selection, "all"),
    ),
    Setting(
        "package_filters",
        ListOf(types.TEXT, "package names"),
        "--package-filter NAME",
        "only these packages",
        levels=_ANY,
        fills=(Selection, "packages"),
    ),
    Setting(
        "include",
        ListOf(types.TEXT, "globs"),
        "--include GLOB",
        "of all that, only these paths",
        levels=_ANY,
        fills=(Selection, "include"),
    ),
    Setting(
        "exclude",
        ListOf(types.TEXT, "globs"),
        "--exclude GLOB",
        "and not these",
        levels=_ANY,
        fills=(Selection, "exclude"),
    ),
)
_WHERE = (
    Setting(
        "settings",
        ListOf(types.PATH),
        "--settings FILE",
        "YAML; later over earlier",
        "a [settings file](#settings-files); later files over earlier",
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
        levels=_FILE,
        variable="DCI_LOCAL_REPO",
    ),
    Setting("download_folder", types.PATH, text="the same as `local_repo`", levels=_FILE),
    Setting(
        "dcirc",
        types.PATH,
        "--dcirc FILE",
        "credentials, in place of `source FILE`",
        "take the credentials from this `dcirc.sh`, without a shell",
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
        "another mirror, [asked](#many-machines) before the object store",
        "other mirrors, asked before the object store",
        "[http://lab1.example.com/dci]",
        levels=_ANY,
        fills=(TransferOptions, "peers"),
    ),
    Setting(
        "registry",
        types.REGISTRY,
        "--registry HOST:PORT",
        "for container images",
        "the lab's registry, to which [container images](#container-images) are mirrored",
        "container images are mirrored to it, by skopeo",
        "localhost:5000",
        levels=_ANY,
        variable="DCI_REGISTRY",
        fills=(SyncOptions, "registry"),
    ),
    Setting(
        "login_registries",
        ListOf(types.REGISTRY, "addresses of registries"),
        text="registries that the login of the topic is for, beside those that the topic names",
        comment="the topic's login goes to no other registry but those that the topic names",
        example="[registry.distributed-ci.io]",
        levels=_ANY,
        fills=(SyncOptions, "login_registries"),
    ),
    Setting("tech_preview", types.Choice(("rhdl",)), "--tech-preview API"),
)
_HOW = (
    Setting("dry_run", types.FLAG, "--dry-run", "say what would be done, write nothing"),
    Setting("keep", types.COUNT, "--keep N", "older versions that stay", levels=_ANY, fills=(SyncOptions, "keep")),
    Setting(
        "connections",
        types.POSITIVE,
        "--connections N",
        "at most so many",
        "at most so many connections to the object store",
        "at most so many to the object store",
        "64",
        levels=_ANY,
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
        levels=_ANY,
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
        levels=_ANY,
        fills=(TransferOptions, "patience"),
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
    Setting("quiet", types.FLAG, "--quiet", "nothing but errors"),
    Setting(
        "verbose",
        types.FLAG,
        "--verbose",
        "also calls, and what is tried again and why",
        "also each call to the control server, and whatever is tried again, with the reason",
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
        "figures of the run for [Prometheus](#from-cron-and-timers)",
    ),
)
GROUPS = {"what to fetch": _WHAT, "from where, to where": _WHERE, "how": _HOW, "output": _OUTPUT}
"""The settings in the order and the groups of ``--help``."""

SETTINGS = {setting.name: setting for group in GROUPS.values() for setting in group}
TOPIC_SETTINGS = tuple(setting for setting in SETTINGS.values() if setting.fills)
"""What each topic may set for itself."""

DEFAULTS: Values = {setting.name: SettingValue(setting.default, "default") for setting in TOPIC_SETTINGS}


@cache
def settings_at(level: Level) -> dict[str, Setting]:
    """The settings that may stand on a level of a settings file, by name."""
    return {name: setting for name, setting in SETTINGS.items() if level in setting.levels}
