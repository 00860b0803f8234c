"""Which files of a component are wanted.

A component of type ``compose`` or ``compose-noinstall`` is laid out as ``<variant>/<arch>/{os,debug,iso}/…`` and
``<variant>/source/tree/…``. A variant is whatever stands there, so the manifest itself names the variants and
architectures (3.2.0 had lists built in). The rules, observed of dci-downloader 3.2.0 unless said otherwise:

* Files at the root and below ``metadata/`` are always wanted.
* ``os`` of the wanted variants for the wanted architectures (none named: all); ``debug`` likewise if asked for.
* ``iso`` likewise. (3.2.0 fetched ISO images only for variants that were named.)
* ``source/tree`` if asked for, whichever variants and architectures are wanted; a variant may have a setting of its
  own. (3.2.0 did not read that setting.)
* Package filters thin out ``os``, ``debug`` and ``iso``, repository metadata included: a file stays if a filter, as a
  regular expression, is found in its path below that folder. (That it may also be plain text, like ``libsigc++20``, is
  ours.)
* ``all`` wants everything, whatever the other settings say.
* Other types of component are wanted whole.

Ours, after those rules:

* ``include`` and ``exclude`` are globs in which ``*`` also crosses ``/``. One without ``/`` is matched against the
  name, one with ``/`` against the whole path. With ``include`` a file must match one of them; what ``exclude`` matches
  goes in any case.
* A symlink stays if what it leads to stays (a file, a folder above one, another such symlink) and ``exclude`` doesn't
  match it. (3.2.0 dropped all symlinks of a compose except with ``all``.)
* A variant or architecture that the component doesn't have is an error, also beside others that it has: a typing
  mistake should not end in a mirror that lacks something. So is a selection that matches nothing but root and
  metadata.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Optional, Union

from dci_downloader.content.similarity import similar_names
from dci_downloader.content.symlinks import live_symlinks
from dci_downloader.errors import NotFoundError
from dci_downloader.models import FileEntry, Manifest
from dci_downloader.sequences import freeze
from dci_downloader.short_repr import short_repr

RULES = 1
"""The edition of these rules: one more for each change by which a selection chooses other files than before. Versions
record it, so that the same selection under older rules does not count as the same."""
COMPOSE_TYPES = ("compose", "compose-noinstall")

TREE = re.compile(r"(.+?)/(?:(source)/tree|(?!source/)([^/]+)/(os|debug|iso))(?:/|$)")
"""The beginning of paths in a compose: variant, ``source`` or empty, architecture, content."""


class Tree(NamedTuple):
    """A part of a compose that is wanted or not as a whole, package filters aside.

    Attributes:
        content: os, debug, iso or src.
        start: length of its own part in the paths of its files.
    """

    variant: str
    arch: str
    content: str
    start: int


@dataclass(frozen=True)
class Variant:
    """A variant that is wanted by name, with settings of its own; None for those of the selection."""

    name: str
    debug: Optional[bool] = None
    src: Optional[bool] = None
    iso: Optional[bool] = None

    __repr__ = short_repr


@dataclass(frozen=True)
class Selection:
    """What is wanted of every component of a topic; the rules are those of this module.

    Attributes:
        archs: architectures; none for all.
        variants: names, or :class:`Variant` for one with settings of its own; none for all variants.
        debug: debug packages too.
        src: source trees too.
        iso: ISO images too.
        all: everything.
        packages: package filters.
        include: globs; a file must match one of them, if there are any.
        exclude: globs; a file that matches one of them is not wanted.
    """

    archs: tuple[str, ...] = ("x86_64",)
    variants: tuple[Union[str, Variant], ...] = ()
    debug: bool = False
    src: bool = False
    iso: bool = False
    all: bool = False
    packages: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        freeze(self, "archs", "variants", "packages", "include", "exclude")

    def apply(self, manifest: Manifest) -> Manifest:
        """The part of a manifest that is wanted, with its warnings and etag.

        Raises:
            NotFoundError: nothing matches, or no such variant or architecture exists; the message lists those that do.
        """
        files: Iterable[FileEntry] = manifest.files
        if manifest.component_type in COMPOSE_TYPES and not self.all:
            files = self._of_compose(manifest.files)
        included, excluded = glob_matcher(self.include), glob_matcher(self.exclude)
        wanted = tuple(
            entry for entry in files if (not self.include or included(entry.path)) and not excluded(entry.path)
        )
        if not wanted:
            fault = "the selection matches no file" if manifest.files else "the component has no files"
            raise _not_found_error(fault, trees_of(manifest.files).values())
        symlinks = live_symlinks(wanted, (link for link in manifest.symlinks if not excluded(link.path)))
        return replace(manifest, files=wanted, symlinks=symlinks)

    def effective(self, component_type: str) -> Selection:
        """The part of the selection that counts for a type: only the globs for what is not a compose."""
        if component_type in COMPOSE_TYPES:
            return self
        return Selection(include=self.include, exclude=self.exclude)

    def to_json(self) -> dict[str, Any]:
        """A form for JSON that is equal for equal selections, whatever the order and the repetitions."""
        variants = sorted(self.named().items())
        lists = {key: sorted(set(getattr(self, key))) for key in ("archs", "packages", "include", "exclude")}
        return {**asdict(self), **lists, "variants": [asdict(variant) for _, variant in variants]}

    def named(self) -> dict[str, Variant]:
        """The variants that are wanted by name; of one named twice, the last counts."""
        variants = (Variant(variant) if isinstance(variant, str) else variant for variant in self.variants)
        return {variant.name: variant for variant in variants}

    def _of_compose(self, files: Iterable[FileEntry]) -> list[FileEntry]:
        """The wanted files of a compose, before globs."""
        trees = trees_of(files)
        self._check_names(trees.values())
        named = self.named()
        wanted_trees = {folder: tree for folder, tree in trees.items() if self._wants(tree, named)}
        matches_package = _package_matcher(self.packages)
        wanted = []
        nothing_but_metadata = bool(trees)
        for entry in files:
            folder = entry.path.rpartition("/")[0]
            tree = wanted_trees.get(folder)
            if tree is None:
                if not folder or folder == "metadata" or folder.startswith("metadata/"):
                    wanted.append(entry)
            elif tree.content == "src" or matches_package(entry.path[tree.start :]):
                wanted.append(entry)
                nothing_but_metadata = False
        if nothing_but_metadata:
            raise _not_found_error("the selection matches no package and no image", trees.values())
        return wanted

    def _wants(self, tree: Tree, named: Mapping[str, Variant]) -> bool:
        """Whether a part of a compose is wanted; package filters come later."""
        if tree.content != "src" and (
            (self.archs and tree.arch not in self.archs) or (named and tree.variant not in named)
        ):
            return False
        return tree.content == "os" or self.wants(tree.variant, tree.content)

    def wants(self, variant: str, content: str) -> bool:
        """Whether ``debug``, ``src`` or ``iso`` of a variant is wanted, by its own setting or the common one."""
        own = getattr(self.named().get(variant), content, None)
        return bool(getattr(self, content) if own is None else own)

    def _check_names(self, trees: Iterable[Tree]) -> None:
        """Raise NotFoundError for a variant or architecture that no tree has. Without trees, archs are not checked."""
        archs = {tree.arch for tree in trees if tree.arch}
        variants = {tree.variant for tree in trees}
        for noun, wanted, existing in (
            ("variant", self.named(), variants),
            ("architecture", self.archs, archs or self.archs),  # an all-source component has none
        ):
            unknown = [repr(name) for name in wanted if name not in existing]
            if unknown:
                similar = similar_names((name for name in wanted if name not in existing), existing)
                raise _not_found_error(f"the component has no {noun} {', '.join(unknown)}", trees, similar)


def trees_of(files: Iterable[FileEntry]) -> dict[str, Tree]:
    """The part of the compose that each folder with files belongs to; folders that belong to none are left out."""
    trees = {}
    for folder in {entry.path.rpartition("/")[0] for entry in files}:
        match = TREE.match(folder)
        if match:
            variant, source, arch, content = match.groups()
            start = match.end() + (match[0][-1] != "/")  # where the match ended with the folder, a slash follows
            trees[folder] = Tree(variant, arch or "", "src" if source else content, start)
    return trees


def _package_matcher(filters: tuple[str, ...]) -> Callable[[str], bool]:
    """A test whether a filter is in a path, as plain text or as a regular expression; always true without filters."""
    patterns = []
    for text in filters:
        patterns.append(re.escape(text))  # always as plain text, and as a regular expression if it is one
        try:
            re.compile(text)
        except re.error:
            continue
        patterns.append(text)
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda path: not compiled or any(pattern.search(path) for pattern in compiled)


def glob_matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """A test whether a path matches one of the globs. A slash at the start only says that the whole path is meant."""
    names = [re.compile(fnmatch.translate(glob)) for glob in globs if "/" not in glob]
    # True counts as 1: the slash at the start is cut off.
    paths = [re.compile(fnmatch.translate(glob[glob.startswith("/") :])) for glob in globs if "/" in glob]

    def matches(path: str) -> bool:
        name = path.rpartition("/")[2]
        return any(pattern.match(name) for pattern in names) or any(pattern.match(path) for pattern in paths)

    return matches


def _not_found_error(fault: str, trees: Iterable[Tree], similar: str = "") -> NotFoundError:
    """The error, with what there is, and a hint: the names that are like those that are not there, where some are."""
    variants, archs = _listed(tree.variant for tree in trees), _listed(tree.arch for tree in trees if tree.arch)
    existing = f"; it has the variants {variants} and the architectures {archs}" if variants else ""
    hint = "see --arch, --variant, --package-filter, --include and --exclude; upper and lower case differ"
    return NotFoundError(f"{fault}{existing}", hint=f"did you mean {similar}?" if similar else hint)


def _listed(names: Iterable[str]) -> str:
    """Names for a message, each once; however many there are, the message stays short."""
    names = sorted(set(names))
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
