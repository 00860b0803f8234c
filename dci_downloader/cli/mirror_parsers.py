"""The parsers of the commands about a mirror."""

from __future__ import annotations

from dci_downloader.cli.arguments import Parser, add_option, command_parser, converter
from dci_downloader.settings.types import OUTPUT

_DEFAULT = "default: by DCI_LOCAL_REPO or settings"


def status_parser() -> Parser:
    """``dci-downloader status``: what a mirror holds."""
    description = "Show what a mirror holds: versions, sizes, and what hard links save. No network."
    parser = _maintenance_parser("status", description, "status /srv/dci", "status /srv/dci --html page.html")
    parser.add_argument("--utc", action="store_true", help="times in UTC, not how long ago")
    parser.add_argument(
        "--html", type=converter(OUTPUT), metavar="FILE", help="write it as a page of HTML, too; - prints that alone"
    )
    return parser


def changes_parser() -> Parser:
    """``dci-downloader changes``: which packages differ between two builds."""
    parser = command_parser(
        "changes",
        "Show which packages differ: between what is published in a mirror and what was published before it, or "
        "between two builds on the control server, of which nothing is downloaded.",
        "changes /srv/dci RHEL-9.2",
        "changes /srv/dci RHEL-9.2 compose --arch x86_64",
        ending="Of the control server: --component-id or --job-id, the older one first,\n"
        "and the newer one; TOPIC alone may stand before them, or nothing.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="DEST TOPIC TYPE", help="of a mirror; DEST and TYPE may be left out"
    )
    add_option(parser, "component_id", action="append", help="a build; twice")
    add_option(parser, "job_id", action="append", help="the builds of a job; twice")
    add_option(parser, "variants", type=str, help="only of this variant; repeat")
    add_option(parser, "archs", help="only of this architecture; repeat")
    parser.add_argument("--by-tree", action="store_true", help="each variant and architecture on its own")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_option(parser, "dcirc")
    add_option(parser, "dci_cs_url")
    add_option(parser, "from", help="ask this mirror instead")
    return parser


def verify_parser() -> Parser:
    """``dci-downloader verify``: hash everything again."""
    description = "Hash everything that is published again, offline. Exit code 7 and one line for each damage."
    parser = _maintenance_parser("verify", description, "verify /srv/dci", "verify /srv/dci --repair")
    parser.add_argument("--repair", action="store_true", help="fetch what is damaged, and nothing else")
    add_option(parser, "dcirc", help="credentials for that, in place of `source FILE`")
    add_option(parser, "from", help="fetch it from another mirror, without credentials")
    add_option(parser, "peers", help="ask this mirror first; repeat")
    add_option(parser, "settings", help="ask the peers that it names first")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing but damage and errors")
    add_option(parser, "lock_timeout")
    return parser


def rollback_parser() -> Parser:
    """``dci-downloader rollback``: publish the version before."""
    description = "Publish the version before the present one again. No network. The next sync brings the newest back."
    parser = _topic_parser("rollback", description, "rollback /srv/dci RHEL-9.2", "rollback RHEL-9.2 compose --hold")
    parser.add_argument("--hold", action="store_true", help="and have it stay until `release`")
    return parser


def hold_parser() -> Parser:
    """``dci-downloader hold``: keep what is published."""
    description = (
        "Keep a topic at what is published of it. The next syncs say what they would publish, and fetch nothing."
    )
    return _topic_parser("hold", description, "hold /srv/dci RHEL-9.2", "hold RHEL-9.2 compose")


def release_parser() -> Parser:
    """``dci-downloader release``: follow the newest build again."""
    description = "End what `hold` began: the next sync publishes the newest build again."
    return _topic_parser("release", description, "release /srv/dci RHEL-9.2", "release RHEL-9.2 compose")


def remove_parser() -> Parser:
    """``dci-downloader remove``: forget a topic."""
    description = (
        "Remove a topic, or a type of it, from a mirror, with what is published, and say what that freed. "
        "Asks nothing. A sync whose settings name it brings it back."
    )
    return _topic_parser("remove", description, "remove /srv/dci RHEL-9.1", "remove RHEL-9.2 hwcert")


def prune_parser() -> Parser:
    """``dci-downloader prune``: remove old versions and garbage."""
    description = "Remove old versions, stale partial files, and what no version holds any more."
    parser = _maintenance_parser("prune", description, "prune /srv/dci", "prune /srv/dci --keep 0")
    add_option(parser, "keep")
    add_option(parser, "dry_run", help="say what would be removed, remove nothing")
    add_option(parser, "lock_timeout")
    return parser


def _maintenance_parser(command: str, description: str, *examples: str) -> Parser:
    """The parser of a command about a whole mirror."""
    parser = command_parser(command, description, *examples)
    parser.add_argument("destination", nargs="?", default="", metavar="DEST", help=f"root of the mirror ({_DEFAULT})")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _topic_parser(command: str, description: str, *examples: str) -> Parser:
    """The parser of a command about a topic of a mirror."""
    ending = f"DEST is the root of the mirror ({_DEFAULT});\nTYPE one component type (default: all)."
    parser = command_parser(command, description, *examples, ending=ending)
    parser.usage = f"dci-downloader {command} [DEST] TOPIC [TYPE] [options]"
    parser.add_argument("names", nargs="+", metavar="TOPIC", help="the topic's name")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_option(parser, "lock_timeout")
    return parser
