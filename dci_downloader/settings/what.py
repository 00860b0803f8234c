"""The settings that say what to fetch; a part of :mod:`dci_downloader.settings.table`."""

from __future__ import annotations

from dci_downloader.content.selection import Selection
from dci_downloader.options import SyncOptions
from dci_downloader.settings import types
from dci_downloader.settings.types import ANY, ANY_VARIANT, Level, ListOf, Setting

WHAT = (
    Setting("version", types.VERSION, help="of this layout; read and without effect", example='"2"', levels=Level.FILE),
    Setting(
        "topic",
        types.TEXT,
        "TOPIC",
        "a name (name: is the same), or a pattern for the newest that fits",
        "name of a topic, or a pattern like `RHEL-9.*`: the newest topic whose name begins so",
        levels=ANY,
    ),
    Setting(
        "topics",
        types.TOPICS,
        help="or jobs:, or for a single one topic: here, with its settings around it",
        text="a list of topics, each a mapping; not used where there is a `topic` on the top level, or `jobs`",
        levels=Level.FILE,
    ),
    Setting("jobs", types.TOPICS, text="the same under the name that agents use; comes first", levels=Level.FILE),
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
        "this component, and no other; the topic may be left out, and of the id all but what makes it unique",
        "exactly this component, in its own topic",
        levels=ANY,
        fills=(SyncOptions, "component_id"),
    ),
    Setting(
        "job_id",
        types.TEXT,
        "--job-id ID",
        "those of this job; likewise",
        "exactly the components that this job was created with, and no newer ones; the topic may be left out. "
        "Of settings files the topic, or pattern, that fits the job's counts",
        variable="DCI_JOB_ID",
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
        levels=ANY,
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
        levels=ANY,
        fills=(Selection, "archs"),
    ),
    Setting(
        "variants",
        ListOf(types.VARIANT, "variants"),
        "--variant NAME",
        "variant (default: all)",
        comment="names, or mappings; without them all",
        in_files="names, or mappings with `name`, `with_debug`, `with_source`, `with_iso`",
        levels=ANY,
        fills=(Selection, "variants"),
    ),
    Setting(
        "with_debug",
        types.FLAG,
        "--debug",
        "debug packages too",
        comment="of this variant, whatever the topic says",
        in_files="the value of a variant comes first, over the option too",
        levels=ANY_VARIANT,
        fills=(Selection, "debug"),
    ),
    Setting("with_source", types.FLAG, "--src", "source packages too", levels=ANY_VARIANT, fills=(Selection, "src")),
    Setting("with_iso", types.FLAG, "--iso", "ISO images too", levels=ANY_VARIANT, fills=(Selection, "iso")),
    Setting(
        "download_everything",
        types.FLAG,
        "--all",
        "everything the component holds",
        levels=ANY,
        fills=(Selection, "all"),
    ),
    Setting(
        "package_filters",
        ListOf(types.TEXT, "package names"),
        "--package-filter NAME",
        "only these packages",
        levels=ANY,
        fills=(Selection, "packages"),
    ),
    Setting(
        "include",
        ListOf(types.TEXT, "globs"),
        "--include GLOB",
        "of all that, only these paths",
        levels=ANY,
        fills=(Selection, "include"),
    ),
    Setting(
        "exclude",
        ListOf(types.TEXT, "globs"),
        "--exclude GLOB",
        "and not these",
        levels=ANY,
        fills=(Selection, "exclude"),
    ),
)
