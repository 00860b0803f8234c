"""Which packages differ between two builds: of the mirror, or of the control server, where nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Optional

from dci_downloader import formatting
from dci_downloader.changes import Changes
from dci_downloader.cli.output import CommandResult
from dci_downloader.cli.package_lines import lines_by_tree, package_lines, summary
from dci_downloader.content.package_changes import in_trees, trees_of
from dci_downloader.content.plan import changes
from dci_downloader.content.similarity import similar_names
from dci_downloader.control.client import ControlServer
from dci_downloader.control.resolver import resolve_component, resolve_topic
from dci_downloader.control.upstream import Upstream
from dci_downloader.errors import NoFilesError, NotFoundError, SettingsError
from dci_downloader.hooks import Progress
from dci_downloader.mirror.lookup import find_types
from dci_downloader.mirror.mirror import Mirror
from dci_downloader.mirror.record import Unreadable
from dci_downloader.mirror.topic import TopicMirror
from dci_downloader.models import Component, Manifest
from dci_downloader.report_document import changes_document

_USAGE = "for example: dci-downloader changes /srv/dci RHEL-9.2; see `dci-downloader changes --help`"

_NO_FILES = Manifest("", ())


@dataclass(frozen=True)
class Narrowing:
    """The trees whose packages are listed, and how they are grouped.

    Attributes:
        variants: their names; none for all.
        archs: their architectures; none for all.
        by_tree: list each variant and architecture on its own.
    """

    variants: tuple[str, ...] = ()
    archs: tuple[str, ...] = ()
    by_tree: bool = False


def two_ids(names: Sequence[str], component_ids: Sequence[str], job_ids: Sequence[str]) -> tuple[str, ...]:
    """The ids of the components, or of the jobs, that are compared; none where the mirror is asked.

    Args:
        names: the positional arguments: beside ids a topic at most, else DEST, TOPIC and TYPE.
        component_ids: the ids of components that options name.
        job_ids: the ids of jobs that options name.

    Raises:
        SettingsError: the command line is incomplete, or contradicts itself.
    """
    ids = (*component_ids, *job_ids)
    if not ids and not names:
        raise SettingsError("nothing says what to compare", hint=_USAGE)
    if ids and (len(ids) != 2 or (component_ids and job_ids) or len(names) > 1):
        raise SettingsError(
            "two components, or two jobs, are compared, of one TOPIC or of none",
            hint="dci-downloader changes --component-id OLDER --component-id NEWER, or --job-id twice",
        )
    return ids


@dataclass(frozen=True)
class _Pair:
    """Two builds of one type.

    Attributes:
        note: why they are not compared; empty where they are.
    """

    topic: str
    type: str
    before: str
    after: str
    older: Manifest = _NO_FILES
    newer: Manifest = _NO_FILES
    note: str = ""

    @property
    def title(self) -> str:
        """Topic, type and the names of both."""
        names = " → ".join(filter(None, (self.before, self.after)))
        return f"{self.topic} {self.type} {names}".strip()


def of_mirror(mirror: Mirror, topic_name: str, component_type: str, narrowing: Narrowing) -> CommandResult:
    """What differs between the published version of each type, and the one that was published before it.

    Args:
        mirror: the mirror that has the versions.
        topic_name: the topic.
        component_type: one type of it; empty for all.
        narrowing: the trees whose packages are listed.

    Raises:
        NotFoundError: there is no mirror, nothing of the topic, or no older version of any type.
    """
    if not mirror.root.exists() and Path(topic_name).is_dir():
        raise NotFoundError(f"{mirror.root}: there is no mirror here", hint=f"DEST comes first: {_USAGE}")
    topic, types = find_types(mirror, topic_name, component_type)
    pairs = [_versions(topic, each) for each in types]
    if all(pair.note for pair in pairs):
        reasons = "; ".join(f"{pair.title}: {pair.note}" for pair in pairs)
        readable = any(pair.after for pair in pairs)
        hint = "there is one after the next build, unless keep is 0" if readable else "see dci-downloader status"
        raise NotFoundError(reasons, hint=hint)
    return _result(pairs, narrowing)


def _versions(topic: TopicMirror, component_type: str) -> _Pair:
    """The published version of a type, and the one before it."""
    published = topic.published(component_type)
    if published is None:
        return _Pair(topic.name, component_type, "", "", note="nothing is published that can be read")
    name, of_type = topic.name_of(published), published.component.type
    older = topic.older_versions(component_type)
    if not older:
        return _Pair(name, of_type, "", published.folder, note="no older version is here")
    before = topic.load(older[0])
    if isinstance(before, Unreadable):
        return _Pair(name, of_type, "", published.folder, note=f"{before.folder}: its record {before.reason}")
    return _Pair(name, of_type, before.folder, published.folder, before.manifest, published.manifest)


def of_components(
    server: Upstream, pattern: str, ids: Sequence[str], narrowing: Narrowing, progress: Progress
) -> CommandResult:
    """What differs between two components on the server.

    Args:
        server: the control server.
        pattern: the topic that both have to belong to; empty for any.
        ids: the id of the older one, and that of the newer one.
        narrowing: the trees whose packages are listed.
        progress: gets a message on which topic a pattern means.

    Raises:
        NotFoundError: there is no such topic or component, or it has no files.
        SettingsError: a component is of another topic.
    """
    topic = resolve_topic(server, pattern, progress) if pattern else None
    resolved = [resolve_component(server, each, topic) for each in ids]
    (older, newer), topics = [each.components[0] for each in resolved], [each.topic.name for each in resolved]
    types, names = list(dict.fromkeys((older.type, newer.type))), list(dict.fromkeys(topics))
    pair = _Pair(" → ".join(names), " → ".join(types), older.name, newer.name)
    if older.id == newer.id:
        return _result([replace(pair, before="", note="both ids are of this one")], narrowing)
    return _result([replace(pair, older=server.manifest(older), newer=server.manifest(newer))], narrowing)


def of_jobs(
    server: Upstream, pattern: str, ids: Sequence[str], narrowing: Narrowing, progress: Progress
) -> CommandResult:
    """What differs between the components of two jobs, for example one that passed and one that failed.

    Args:
        server: the control server.
        pattern: the topic that both have to be of; empty for any.
        ids: the id of the older job, and that of the newer one.
        narrowing: the trees whose packages are listed.
        progress: gets a message on which topic a pattern means.

    Raises:
        NotFoundError: there is no such topic or job, or no component of either has files.
        SettingsError: another mirror is asked, which knows no jobs.
    """
    if not isinstance(server, ControlServer):
        raise SettingsError("jobs are known to the control server alone, and from names a mirror", hint="leave one out")
    topic = resolve_topic(server, pattern, progress) if pattern else None
    older, newer = (server.job(each) for each in ids)
    for job in (older, newer):
        if topic is not None and job.topic.id != topic.id:
            raise NotFoundError(
                f"job {job.id} is of topic {job.topic.name}, not of {topic.name}",
                hint="leave the topic out: it follows from the jobs",
            )
    name = " → ".join(dict.fromkeys((older.topic.name, newer.topic.name)))
    pairs = [_of_job(server, name, *both) for both in _pairs_of(older.components, newer.components)]
    if not pairs:
        raise NotFoundError(f"neither of the jobs {older.id} and {newer.id} has components")
    return _result(pairs, narrowing)


def _pairs_of(
    older: Iterable[Component], newer: Iterable[Component]
) -> Iterator[tuple[Optional[Component], Optional[Component]]]:
    """Pair the components of two jobs, type by type: those that both have, then the others in the order of names."""
    by_type: dict[str, tuple[list[Component], list[Component]]] = {}
    for side, components in enumerate((older, newer)):
        for component in sorted(components, key=lambda each: each.name):
            by_type.setdefault(component.type, ([], []))[side].append(component)
    for _, (before, after) in sorted(by_type.items()):
        shared = {each.id for each in before} & {each.id for each in after}
        yield from ((each, each) for each in before if each.id in shared)
        rest = [[each for each in side if each.id not in shared] for side in (before, after)]
        yield from zip_longest(*rest)


def _of_job(server: ControlServer, topic: str, older: Optional[Component], newer: Optional[Component]) -> _Pair:
    either = newer or older
    assert either is not None
    pair = _Pair(topic, either.type, older.name if older else "", newer.name if newer else "")
    if older is None or newer is None:
        return replace(pair, note="only the second job has it" if older is None else "only the first job has it")
    if older.id == newer.id:
        return replace(pair, before="", note="the same in both jobs")
    try:
        return replace(pair, older=server.manifest(older), newer=server.manifest(newer))
    except NoFilesError as error:
        return replace(pair, note=f"not compared: {error}")


def _result(pairs: Sequence[_Pair], narrowing: Narrowing) -> CommandResult:
    _check_names(pairs, narrowing)
    lines, documents = [], []
    for pair in pairs:
        document: dict[str, Any] = {
            "topic": pair.topic,
            "type": pair.type,
            "from": pair.before,
            "to": pair.after,
            "note": pair.note,
        }
        found = Changes()
        if pair.note:
            lines.append(f"{pair.title}: {pair.note}")
        else:
            older, newer = (_narrowed(manifest, narrowing) for manifest in (pair.older, pair.newer))
            found = changes(pair.before, older, newer)
            lines += [*_pair_lines(pair, found, narrowing.by_tree)]
        documents.append({**document, "changes": changes_document(found)})
    return CommandResult(lines, {"builds": documents})


def _narrowed(manifest: Manifest, narrowing: Narrowing) -> Manifest:
    if not (narrowing.variants or narrowing.archs):
        return manifest
    return replace(manifest, files=in_trees(manifest.files, narrowing.variants, narrowing.archs))


def _pair_lines(pair: _Pair, found: Changes, by_tree: bool) -> Iterator[str]:
    yield pair.title
    listed = lines_by_tree(found.packages) if by_tree else package_lines(found.packages)
    yield from (f"  {line}" for line in listed)
    number = formatting.count(len({each.name for each in found.packages}), "package")
    packages = f"{number}: {summary(found.packages, names_shown=0)}" if found.packages else "no package differs"
    amounts = {"added": found.added, "changed": found.changed, "removed": found.removed}
    files = ", ".join(f"{amount:,} {verb}" for verb, amount in amounts.items() if amount)
    yield f"  {packages}; {f'files: {files}' if files else 'no file differs'}"


def _check_names(pairs: Iterable[_Pair], narrowing: Narrowing) -> None:
    """Make sure that the variants and architectures that are asked for are in one of the builds.

    Raises:
        NotFoundError: one is not.
    """
    if not (narrowing.variants or narrowing.archs):
        return
    trees = {tree for pair in pairs for manifest in (pair.older, pair.newer) for tree in trees_of(manifest.files)}
    for noun, wanted, position in (("variant", narrowing.variants, 0), ("architecture", narrowing.archs, 2)):
        known = sorted(filter(None, {tree.rpartition("/")[position] for tree in trees}))
        unknown = [each for each in wanted if each not in known]
        if unknown:
            similar = similar_names(unknown, known)
            hint = f"{f'did you mean {similar}? ' if similar else ''}they have {', '.join(known) or 'none'}"
            raise NotFoundError(f"the builds have no {noun} {', '.join(unknown)}", hint=hint)
