"""Notes on settings that are without effect, because others come first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dci_downloader.errors import SettingsError
from dci_downloader.settings.command_line import CommandLine
from dci_downloader.settings.types import Values
from dci_downloader.settings.values import SettingValue


def unused_filters(topics: Sequence[Values], command_line: CommandLine) -> Iterator[str]:
    """Notes on filters that are without effect, because something else names the components."""
    if command_line.job_id and command_line.topic_settings.get("filters"):
        yield "filters (command line) are not used, because the job names its components"
    for values in topics:
        component_id, filters = values["component_id"], values["filters"]
        if component_id.value and filters.value:
            reason = f"because component_id ({component_id.origin}) names the component"
            yield f"filters ({filters.origin}) are not used, {reason}"


def unused_with_upstream(
    upstream: SettingValue, topics: Sequence[Values], command_line: CommandLine, environ: Mapping[str, str]
) -> Iterator[str]:
    """Notes on settings about the control server, or other servers, that a mirror in their place makes useless.

    Args:
        upstream: the mirror.
        topics: the settings of each topic.
        command_line: the options of a sync.
        environ: as ``os.environ``.

    Raises:
        SettingsError: the command line asks for something of other servers.
    """
    because = f"because from ({upstream.origin}) names another mirror"
    if command_line.job_id:
        raise SettingsError(
            f"--job-id asks the control server, and from ({upstream.origin}) has none asked",
            hint="leave one of them out; --component-id takes a component that the mirror publishes or keeps",
        )
    if environ.get("DCI_JOB_ID", "").strip():
        yield f"DCI_JOB_ID is not used, {because}"
    for option, value in (("--dcirc", command_line.dcirc), ("--dci-cs-url", command_line.dci_cs_url)):
        if value:
            yield f"{option} is not used, {because}"
    registries = [values["registry"] for values in topics if values["registry"].value]
    if registries and "registry" in command_line.topic_settings:
        raise SettingsError(
            f"--registry copies container images from other servers, and from ({upstream.origin}) has none asked",
            hint="copy the images on a machine that asks the control server",
        )
    if registries:
        yield f"registry ({registries[0].origin}) is not used, {because}, and images come from other servers"
