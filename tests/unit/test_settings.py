import re
from pathlib import Path

import pytest

from dci_downloader.cli.arguments import parse_sync
from dci_downloader.content.selection import Selection, Variant
from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.models import Component, Job, Topic
from dci_downloader.options import Filter, SyncOptions
from dci_downloader.settings import discovery, settings

ENVIRONMENT = {"DCI_CLIENT_ID": "remoteci/1", "DCI_API_SECRET": "s3cret", "DCI_CS_URL": "http://u:pass@cs"}


@pytest.fixture
def load(tmp_path):
    def load(words="", *files, **environ):
        arguments = words.split()
        for number, text in enumerate(files):
            (tmp_path / f"{number}.yml").write_text(text)
            arguments += ["--settings", str(tmp_path / f"{number}.yml")]
        return settings.load(parse_sync(arguments), {**ENVIRONMENT, **environ})

    return load


def topics(loaded):
    return [topic.topic for topic in loaded.topics]


def test_topic_and_destination_alone_give_one_topic_with_the_defaults(load):
    loaded = load("RHEL-9.2 /srv")
    assert loaded.destination == Path("/srv")
    (topic,) = loaded.topics
    assert (topic.topic, topic.selection) == ("RHEL-9.2", Selection())
    assert topic.options.transfer == SyncOptions().transfer
    assert (loaded.api_version, loaded.patience, loaded.notes) == ("v1", 30, ())


def test_every_option_of_a_topic_reaches_it(load):
    words = (
        "T /srv --arch a --variant v --filter t:u --debug --src --iso --all --package-filter p --include i --exclude e "
        "--keep 0 --connections 3 --limit-rate 1K --patience 5 --lock-timeout 7 --dry-run --tech-preview rhdl"
    )
    loaded = load(words)
    (topic,) = loaded.topics
    assert topic.selection == Selection(("a",), (Variant("v"),), True, True, True, True, ("p",), ("i",), ("e",))
    assert topic.options.filters == (Filter("t", ("u",)),)
    assert (topic.options.keep, topic.options.lock_timeout, topic.options.dry_run) == (0, 7, True)
    transfer = topic.options.transfer
    assert (transfer.connections, transfer.limit_rate, transfer.patience) == (3, 1024, 5)
    assert (loaded.api_version, loaded.patience) == ("v2", 5)


@pytest.mark.parametrize(
    ("words", "text", "environ"),
    [
        ("", "topic: a\nlocal_repo: ~/dci", {}),
        ("", "topic: a\ndownload_folder: ~/dci", {}),
        ("", "topic: a\nlocal_repo: '~/dci'", {}),
        ("", "topic: a", {"DCI_LOCAL_REPO": "~/dci"}),
        ("--local-repo ~/dci", "topic: a", {}),
        ("--local-repo=~/dci", "topic: a", {}),
        ("a ~/dci", "keep: 1", {}),
        ("--component-id 7 ~/dci", "keep: 1", {}),
    ],
)
def test_a_tilde_in_the_destination_is_the_home_folder(load, monkeypatch, words, text, environ):
    monkeypatch.setenv("HOME", "/home/me")
    assert load(words, text, **environ).destination == Path("/home/me/dci")


@pytest.mark.parametrize(
    ("words", "text", "environ", "where"),
    [
        ("", "topic: a\nlocal_repo: ~no-such-user/dci", {}, r"0\.yml:2:\d+: local_repo"),
        ("", "topic: a", {"DCI_LOCAL_REPO": "~no-such-user/dci"}, "DCI_LOCAL_REPO"),
        ("a ~no-such-user/dci", "keep: 1", {}, "DEST"),
        ("a --local-repo ~no-such-user/dci", "keep: 1", {}, "--local-repo"),
    ],
)
def test_a_home_folder_that_nobody_knows_is_named_with_its_place(load, words, text, environ, where):
    with pytest.raises(SettingsError, match=f"{where}.*~no-such-user"):
        load(words, text, **environ)


def test_a_type_is_written_in_any_case_and_an_empty_tag_is_none(load):
    text = "topic: a\nlocal_repo: /d\nfilters: [{type: Compose, tag: ''}, {type: hwcert, tags: ['', x]}]"
    (topic,) = load("", text).topics
    assert topic.options.filters == (Filter("Compose"), Filter("hwcert", ("x",)))
    (topic,) = load("a /d --filter hwcert:").topics
    assert topic.options.filters == (Filter("hwcert"),)
    twice = "local_repo: /d\ntopics: [{topic: a, filters: [{type: Compose}]}, {topic: a, filters: [{type: compose}]}]"
    with pytest.raises(SettingsError, match="both be published"):
        load("", twice)


def test_command_line_counts_over_environment_over_later_over_earlier_files(load):
    files = ("topic: a\nlocal_repo: /1\narchs: [x]\nkeep: 5", "download_folder: /2\narchs: [y]")
    assert load("", *files).destination == Path("/2")
    assert load("", *files, DCI_LOCAL_REPO="/3").destination == Path("/3")
    assert load("--local-repo /4", *files, DCI_LOCAL_REPO="/3").destination == Path("/4")
    assert load("b /5 --local-repo /4", *files, DCI_LOCAL_REPO="/3").destination == Path("/5")
    (topic,) = load("", *files).topics
    assert (topic.selection.archs, topic.options.keep) == (("y",), 5)
    (topic,) = load("--arch z --keep 0", *files).topics
    assert (topic.selection.archs, topic.options.keep) == (("z",), 0)


def test_what_a_topic_says_counts_over_the_top_level(load):
    text = "local_repo: /1\nkeep: 5\npatience: 60\ntopics:\n- {topic: a, keep: 2}\n- {topic: b, patience: 90}"
    loaded = load("", text)
    assert [topic.options.keep for topic in loaded.topics] == [2, 5]
    assert loaded.patience == 90


def test_an_option_counts_over_what_a_topic_says_of_itself(load):
    text = "local_repo: /1\ntopics: [{topic: a, keep: 2, archs: [x], filters: [{type: t}]}, {topic: b}]"
    for topic in load("--keep 0 --arch y --filter u", text).topics:
        assert (topic.options.keep, topic.selection.archs, topic.options.filters) == (0, ("y",), (Filter("u"),))


def test_the_topics_are_those_of_the_last_file_that_names_any(load):
    first = "local_repo: /1\ntopics: [{topic: a}, {topic: b}]"
    assert topics(load("", first, "keep: 2")) == ["a", "b"]
    assert topics(load("", first, "topic: c")) == ["c"]
    assert topics(load("", "topic: c", first)) == ["a", "b"]


def test_a_topic_of_the_command_line_joins_those_of_the_files(load):
    text = "local_repo: /1\ntopics: [{topic: A, keep: 2}, {topic: b}]"
    assert topics(load("c", text)) == ["c", "A", "b"]
    loaded = load("a /2", text)
    assert (topics(loaded), loaded.topics[0].options.keep) == (["A", "b"], 2)


def test_a_component_id_stands_alone(load):
    one = "local_repo: /1\ntopics: [{topic: a, archs: [x]}]"
    several = "local_repo: /1\ntopics: [{topic: a, keep: 2}, {topic: b}]"
    loaded = load("--component-id 7 /2")
    assert (topics(loaded), loaded.destination, loaded.topics[0].options.component_id) == ([""], Path("/2"), "7")
    loaded = load("--component-id 7", one)
    assert (topics(loaded), loaded.topics[0].selection.archs) == ([""], ("x",))
    loaded = load("--component-id 7 a /2", several)
    assert (topics(loaded), loaded.topics[0].options.keep) == (["a"], 2)
    assert topics(load("--component-id 7 c /2", several)) == ["c"]
    with pytest.raises(SettingsError, match="several topics"):
        load("--component-id 7", several)
    loaded = load("", "local_repo: /1\ncomponent_id: '7'")
    assert (topics(loaded), loaded.topics[0].options.component_id) == ([""], "7")


@pytest.mark.parametrize(
    ("entries", "shared"),
    [
        ("{topic: a}, {topic: A, archs: [x]}", "a"),
        ("{topic: a b}, {topic: a_b}", "a_b"),
        ("{topic: a}, {topic: a, filters: [{type: c}]}", "a"),
        ("{topic: a}, {topic: a, component_id: '1'}", "a"),
        ("{topic: a, filters: [{type: c}, {type: d}]}, {topic: a, filters: [{type: d, tag: x}]}", "a/d"),
        ("{topic: a, component_id: '1'}, {component_id: '1'}", "component 1"),
        ("{topic: a, filters: [{type: c}]}, {topic: a, filters: [{type: d}]}", ""),
        ("{topic: a, component_id: '1'}, {topic: a, component_id: '2'}", ""),
        ("{topic: a, component_id: '1'}, {topic: a, filters: [{type: d}]}", ""),
        ("{topic: a}, {topic: b}", ""),
    ],
)
def test_two_topics_for_one_folder_are_a_mistake(load, entries, shared):
    text = f"local_repo: /1\ntopics: [{entries}]"
    if not shared:
        assert len(load("", text).topics) == 2
        return
    with pytest.raises(SettingsError, match="would both be published as") as raised:
        load("", text)
    assert str(raised.value).endswith(f" as {shared}")
    assert len(re.findall(r"\(.*?0\.yml:2:\d+\)", str(raised.value))) >= 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "there is no topic"),
        ("RHEL-9.2", "there is no destination"),
        ("a b c", "one name each"),
        ("a /srv --filter :x", "filter ':x' cannot be used"),
        ("a /srv --settings /nowhere/s.yml", "/nowhere/s.yml: No such file or directory"),
        ("a /srv --dcirc /nowhere/dcirc.sh", "/nowhere/dcirc.sh: No such file or directory"),
    ],
)
def test_what_is_missing_or_wrong_is_a_settings_error(load, words, reason):
    with pytest.raises(SettingsError, match=reason) as raised:
        load(words)
    assert raised.value.hint


def test_a_settings_file_that_is_absent_has_nothing_to_do_with_the_settings_there_are(load):
    with pytest.raises(SettingsError) as raised:
        load("a /srv --settings /nowhere/s.yml")
    assert raised.value.hint == "name a file that is there"


def test_problems_of_all_files_are_told_at_once(load):
    with pytest.raises(SettingsError, match="3 problems") as raised:
        load("a /srv", "keep: x", "varients: 1\narchs: 2")
    assert re.findall(r"(\d)\.yml:(\d)", str(raised.value)) == [("0", "1"), ("1", "1"), ("1", "2")]


def test_credentials_come_from_dcirc_over_the_environment_and_the_server_from_its_option(load, tmp_path):
    (tmp_path / "dcirc.sh").write_text('export DCI_CLIENT_ID="remoteci/2"\nexport DCI_CS_URL="http://dcirc"\n')
    credentials = load(f"a /srv --dcirc {tmp_path}/dcirc.sh").credentials
    assert (credentials.client_id, credentials.api_secret, credentials.url) == ("remoteci/2", "s3cret", "http://dcirc")
    assert load(f"a /srv --dcirc {tmp_path}/dcirc.sh --dci-cs-url http://cli").credentials.url == "http://cli"
    with pytest.raises(AccessError):
        load("a /srv", DCI_CLIENT_ID="")


def test_notes_of_files_are_passed_on(load):
    assert (
        load("", "local_repo: /1\ntopic: a\njobs: [{topic: b}]")
        .notes[0]
        .endswith("topic is not used, because there is jobs")
    )


@pytest.mark.parametrize(
    ("words", "text", "note"),
    [
        ("--component-id 7 --filter t:u a", "keep: 1", "filters (command line) are not used"),
        ("--component-id 7", "topic: a\nfilters: [{type: t}]", "filters ({file}:2:1) are not used"),
        ("--job-id 7 --filter t:u a", "keep: 1", "because the job names its components"),
        ("--filter t", "topics: [{topic: a, component_id: '7'}]", "component_id ({file}:1:21) names the component"),
    ],
)
def test_that_a_component_id_or_job_leaves_no_place_for_filters_is_said(load, tmp_path, words, text, note):
    (said,) = load(f"{words} --local-repo /srv", text).notes
    assert note.format(file=f"{tmp_path}/0.yml") in said


def test_a_registry_of_the_environment_that_cannot_be_one_is_a_settings_error(load):
    with pytest.raises(SettingsError, match="DCI_REGISTRY: expected HOST:PORT") as raised:
        load("a /srv", DCI_REGISTRY="http://u:hidden@r")
    assert "hidden" not in str(raised.value)


# a job


def job(topic="RHEL-9.2"):
    return Job("j1", "new", Topic("t", topic), (Component("c1", "c", "compose", "t"),))


def with_job(loaded, given):
    """For each topic its name, and whether it gets the job's components."""
    settled = loaded.for_job(given)
    return [(topic.topic, topic.options.job is given) for topic in settled.topics], settled.notes


TWO = "local_repo: /d\ntopics: [{topic: 'RHEL-9.*', archs: [x]}, {topic: RHEL-8.8, filters: [{type: compose}]}]"


@pytest.mark.parametrize(
    ("words", "files", "topic", "expected"),
    [
        ("RHEL-9.2 /d", (), "RHEL-9.2", [("RHEL-9.2", True)]),
        ("rhel-9.* /d", (), "RHEL-9.2", [("rhel-9.*", True)]),
        ("RHEL-9.3 /d", (), "RHEL-9.2", [("RHEL-9.3", False)]),
        ("/d", (), "RHEL-9.2", [("", True)]),
        ("--local-repo /d", (), "RHEL-9.2", [("", True)]),
        ("", (TWO,), "RHEL-9.2", [("RHEL-9.*", True), ("RHEL-8.8", False)]),
        ("", (TWO,), "RHEL-8.8", [("RHEL-9.*", False), ("RHEL-8.8", True)]),
        ("", (TWO,), "RHEL-7.9", [("RHEL-9.*", False), ("RHEL-8.8", False)]),
        ("RHEL-7.9", (TWO,), "RHEL-8.8", [("RHEL-7.9", False), ("RHEL-9.*", False), ("RHEL-8.8", False)]),
        ("rhel-8.8", (TWO,), "RHEL-8.8", [("RHEL-9.*", False), ("RHEL-8.8", True)]),
        ("RHEL-8.8", (TWO,), "RHEL-9.2", [("RHEL-9.*", False), ("RHEL-8.8", False)]),
        (
            "",
            ("local_repo: /d\ntopics: [{topic: RHEL-9.2, component_id: c}, {topic: 'RHEL-*'}]",),
            "RHEL-9.2",
            [("RHEL-9.2", False), ("RHEL-*", True)],
        ),
    ],
)
def test_the_job_of_the_environment_counts_for_its_own_topic(load, words, files, topic, expected):
    given = job(topic)
    loaded = load(words, *files, DCI_JOB_ID=" j1 ")
    assert (loaded.job.id, loaded.job.implied, loaded.destination) == ("j1", True, Path("/d"))
    topics, (note,) = with_job(loaded, given)
    assert topics == expected
    assert note.startswith("DCI_JOB_ID: of" if any(used for _, used in expected) else "DCI_JOB_ID is not used: job j1")


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("--component-id c /d", ()),
        ("RHEL-9.2 /d --component-id c", ()),
        ("", ("local_repo: /d\ncomponent_id: c",)),
        ("", ("local_repo: /d\ntopics: [{topic: a, component_id: c}]",)),
    ],
)
def test_the_job_of_the_environment_gives_way_to_a_component(load, words, files):
    loaded = load(words, *files, DCI_JOB_ID="j1")
    assert (loaded.job, loaded.destination) == (None, Path("/d"))
    assert "DCI_JOB_ID is not used, because component_id" in loaded.notes[-1]


def test_the_option_counts_over_the_job_of_the_environment(load):
    loaded = load("/d --job-id j2", DCI_JOB_ID="j1")
    assert loaded.job == ("j2", "", False)
    with pytest.raises(SettingsError, match="not of RHEL-8"):
        load("RHEL-8.8 /d --job-id j2", DCI_JOB_ID="j1").for_job(job())


def test_no_job_is_wanted_where_the_variable_is_empty(load):
    for value in ("", "  "):
        assert load("RHEL-9.2 /d", DCI_JOB_ID=value).job is None
        with pytest.raises(SettingsError, match=r"no (topic|destination)"):
            load("/d", DCI_JOB_ID=value)


def test_a_single_argument_beside_a_job_of_the_environment_stays_a_topic_where_it_was_one(load):
    for words, files, environ in (
        ("a --local-repo /d", (), {}),
        ("a", ("local_repo: /d",), {}),
        ("a", (), {"DCI_LOCAL_REPO": "/d"}),
    ):
        loaded = load(words, *files, DCI_JOB_ID="j1", **environ)
        assert (topics(loaded), loaded.destination) == (["a"], Path("/d"))


def test_no_other_entry_for_the_topic_of_the_job_takes_its_place(load):
    text = (
        "local_repo: /d\ntopics: [{topic: RHEL-9.2, filters: [{type: compose}]}, {topic: OSP},"
        " {topic: rhel-9.2, filters: [{type: hwcert}]}]"
    )
    topics, _ = with_job(load("", text, DCI_JOB_ID="j1"), job())
    assert topics == [("RHEL-9.2", True), ("OSP", False)]


def test_filters_beside_the_job_of_the_environment_are_told_to_be_unused(load):
    settled = load("RHEL-9.2 /d --filter compose:nightly", DCI_JOB_ID="j1").for_job(job())
    assert "no filters count" in settled.notes[0]


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Write the settings that are found."""
    monkeypatch.setattr(discovery, "SYSTEM_FOLDER", str(tmp_path))

    def found(text):
        (tmp_path / "settings.yml").write_text(text)
        return f"{tmp_path}/settings.yml"

    return found


SEVERAL = "local_repo: /found\nkeep: 4\ntopics: [{topic: a, archs: [x]}, {topic: b}]\n"


def test_where_nothing_says_what_to_mirror_settings_that_are_found_do(load, found):
    path = found(SEVERAL)
    loaded = load()
    assert (topics(loaded), loaded.destination) == (["a", "b"], Path("/found"))
    assert loaded.details == (f"settings found: {path}",)
    assert load("--local-repo /given --keep 2").destination == Path("/given")
    assert load(DCI_LOCAL_REPO="/env").destination == Path("/env")
    assert topics(load(DCI_LOCAL_REPO="/env")) == ["a", "b"]


def test_a_topic_and_a_destination_need_no_settings_that_are_found(load, found):
    found("topik: mistake\n")
    for words, environ in (("c /srv", {}), ("c --local-repo /srv", {}), ("c", {"DCI_LOCAL_REPO": "/env"})):
        loaded = load(words, **environ)
        assert (topics(loaded), loaded.details) == (["c"], ())
    assert topics(load("", "topic: d\nlocal_repo: /named")) == ["d"]


def test_a_topic_alone_is_mirrored_as_the_settings_that_are_found_say(load, found):
    found(SEVERAL)
    loaded = load("A")
    assert (topics(loaded), loaded.destination) == (["a"], Path("/found"))
    assert (loaded.topics[0].selection.archs, loaded.topics[0].options.keep) == (("x",), 4)
    loaded = load("c")
    assert (topics(loaded), loaded.topics[0].options.keep) == (["c"], 4)


@pytest.mark.parametrize(
    ("words", "environ"), [("--component-id 7", {}), ("--job-id 7", {}), ("", {"DCI_JOB_ID": "7"})]
)
def test_a_component_or_a_job_leaves_out_the_topics_that_are_found(load, found, words, environ):
    found(SEVERAL)
    loaded = load(words, **environ)
    assert (topics(loaded), loaded.destination, loaded.topics[0].options.keep) == ([""], Path("/found"), 4)


def test_a_single_argument_beside_a_job_stays_the_destination(load, found):
    found(SEVERAL)
    loaded = load("/srv", DCI_JOB_ID="7")
    assert (topics(loaded), loaded.destination) == ([""], Path("/srv"))


def test_what_is_missing_names_the_settings_that_are_not_used(load, found):
    path = found(SEVERAL)
    Path(path).chmod(0o666)
    with pytest.raises(SettingsError, match="no topic") as raised:
        load()
    assert f"{path} is not used: every user" in raised.value.hint


def test_a_command_that_every_user_can_change_is_not_run(load, tmp_path):
    text = "topic: a\nlocal_repo: /d\non_published: [/bin/true, '', '$HOME']\n"
    assert load("", text).topics[0].options.on_published == ("/bin/true", "", "$HOME")
    path = tmp_path / "own.yml"
    path.write_text(text)
    path.chmod(0o666)
    with pytest.raises(SettingsError, match="every user of this machine can change it") as raised:
        load(f"--settings {path}")
    assert raised.value.hint == f"chmod o-w {path}"
    path.write_text("topic: a\nlocal_repo: /d\n")
    load(f"--settings {path}")


@pytest.mark.parametrize("value", ["/bin/true", "[1, 2]", "['', x]", "{a: b}"])
def test_a_command_is_a_list_of_words(load, value):
    with pytest.raises(SettingsError, match="on_published"):
        load("", f"topic: a\nlocal_repo: /d\non_published: {value}\n")
