import configparser
import re

from dci_downloader.mirror.repositories import Repository
from dci_downloader.page.repository_lines import architectures, kickstart, repo_file, sources

COMPOSE = (
    Repository("AppStream/x86_64/os", False),
    Repository("BaseOS/source/tree", False),
    Repository("BaseOS/x86_64/debug/tree", False),
    Repository("BaseOS/x86_64/os", True),
)


def text(pairs):
    return "".join(f"{before}http://m/{path}" if path else before for before, path in pairs)


def test_a_repo_file_has_a_section_for_each_and_only_ordinary_packages_are_enabled():
    found = sources("RHEL_9.2", "RHEL 9.2", "compose", COMPOSE)
    assert architectures(found) == ("", "x86_64")
    config = configparser.RawConfigParser()
    config.read_string(text(repo_file(found)))
    assert {name: config[name]["enabled"] for name in config.sections()} == {
        "RHEL_9.2-compose-AppStream-x86_64": "1",
        "RHEL_9.2-compose-BaseOS-source": "0",
        "RHEL_9.2-compose-BaseOS-x86_64-debug": "0",
        "RHEL_9.2-compose-BaseOS-x86_64": "1",
    }
    base = config["RHEL_9.2-compose-BaseOS-x86_64"]
    assert base["baseurl"] == "http://m/RHEL_9.2/compose/BaseOS/x86_64/os"
    assert (base["name"], base["gpgcheck"]) == ("RHEL 9.2 compose BaseOS x86_64", "0")


def test_kickstart_lines_name_what_can_be_installed_from_and_what_can_be_added():
    found = sources("RHEL-9.2", "RHEL-9.2", "compose", COMPOSE)
    assert text(kickstart(found)).splitlines() == [
        "# install from one of these",
        "url --url=http://m/RHEL-9.2/compose/BaseOS/x86_64/os",
        "# and add others",
        "repo --name=AppStream --baseurl=http://m/RHEL-9.2/compose/AppStream/x86_64/os",
        "repo --name=BaseOS --baseurl=http://m/RHEL-9.2/compose/BaseOS/x86_64/os",
    ]


def test_a_component_that_is_one_repository_and_one_outside_of_the_folders_of_a_compose():
    (whole,) = sources("T", "T", "hwcert", (Repository("", True),))
    assert (whole.id, whole.path, whole.arch) == ("T-hwcert", "T/hwcert", "")
    assert "repo --name=T-hwcert --baseurl=http://m/T/hwcert\n" in text(kickstart([whole]))
    (odd,) = sources("T", "T", "x", (Repository("some/where", False),))
    assert (odd.id, odd.variant) == ("T-x-some_where", "some/where")


def test_hostile_names_break_neither_file_and_ids_stay_different():
    found = sources(
        "T", "T\n[evil]\nbaseurl=http://evil", "c", (Repository("ä/x86_64/os", True), Repository("ö/x86_64/os", True))
    )
    found += sources("T", "T", "c", (Repository("a b$x%20\n;#/x86_64/os", True),))
    config = configparser.RawConfigParser()
    config.read_string(text(repo_file(found)))
    assert len(config.sections()) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]+", name) for name in config.sections())
    assert config[found[2].id]["baseurl"] == "http://m/T/c/a%20b%24x%2520%0A%3B%23/x86_64/os"
    assert all(line.startswith(("#", "url ", "repo ")) for line in text(kickstart(found)).splitlines())
