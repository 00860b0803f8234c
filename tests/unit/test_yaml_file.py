import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dci_downloader.content.selection import Variant
from dci_downloader.options import Filter
from dci_downloader.settings import yaml_file
from dci_downloader.settings.yaml_file import parse


def of(text):
    return parse(textwrap.dedent(text).encode(), "s.yml")


def problems(text):
    return list(of(text).problems)


def values(found):
    return {name: each.value for name, each in found.items()}


@pytest.mark.parametrize(
    "text",
    [
        "topic: RHEL-9.2",
        "topics: [{topic: RHEL-9.2}]",
        "topics: [{name: RHEL-9.2}]",
        "jobs: [{topic: RHEL-9.2, name: my job}]",
        'version: "2"\njobs: [{name: RHEL-9.2}]',
        "topics: &t [{topic: RHEL-9.2}]\nmine: *t",
        "base: &b {topic: RHEL-9.2}\ntopics: [{<<: *b}]",
        "base: &b {topic: RHEL-8.8}\ntopics: [{<<: [{topic: RHEL-9.2}, *b]}]",
        "\ufefftopic: RHEL-9.2",
        "topic: RHEL-9.2\njobs: []\ntopics: []",
        "topic: RHEL-9.2\nvariants:\nfilters: ~",
    ],
)
def test_the_topics_of_every_generation_are_read(text):
    file = of(text)
    assert file.problems == ()
    assert [values(topic) for topic in file.topics] == [{"topic": "RHEL-9.2"}]


def test_jobs_come_before_a_topic_on_the_top_level_and_that_before_topics():
    file = of("topics: [{topic: c}]\njobs: [{topic: b}]\ntopic: a\n")
    assert [values(topic) for topic in file.topics] == [{"topic": "b"}]
    assert file.notes == (
        "s.yml:3:1: topic is not used, because there is jobs",
        "s.yml:1:1: topics is not used, because there is jobs",
    )
    assert [values(topic) for topic in of("topics: [{topic: c}]\ntopic: a").topics] == [{"topic": "a"}]


def test_a_file_without_topics_names_none():
    assert of("local_repo: /srv").topics is None


def test_local_repo_comes_before_download_folder():
    assert values(of("download_folder: /a").values) == {"local_repo": "/a"}
    assert values(of("local_repo: /b\ndownload_folder: /a").values) == {"local_repo": "/b"}


def test_an_empty_registry_is_none():
    assert values(of("registry: ''\narchs: []").values) == {"registry": "", "archs": ()}


def test_values_have_their_types_and_places():
    file = of(
        """\
        archs: [ppc64le]
        variants:
        - AppStream
        - name: BaseOS
          with_debug: true
        - {name: CRB, with_source: no, with_iso: on}
        filters:
        - {type: compose, tag: nightly, tags: ['kernel:5.14', x]}
        - {type: hwcert, name: this}
        keep: 0
        connections: 8
        limit_rate: 50M
        patience: 3600
        """
    )
    assert file.problems == ()
    assert values(file.values) == {
        "archs": ("ppc64le",),
        "variants": (Variant("AppStream"), Variant("BaseOS", debug=True), Variant("CRB", src=False, iso=True)),
        "filters": (Filter("compose", ("nightly", "kernel:5.14", "x")), Filter("hwcert", (), "this")),
        "keep": 0,
        "connections": 8,
        "limit_rate": 50 * 2**20,
        "patience": 3600.0,
    }
    assert file.values["keep"].origin == "s.yml:10:1"


def test_foreign_settings_are_left_alone_whatever_they_hold():
    text = "systems: [{a: !vault b}]\nlab: {? [x] : y}\njumpbox: &j [*j]\n? [z]\n: 1\nlab: 2\n1: 2\ntopic: a"
    assert problems(text) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("varients", "variants"),
        ("variant", "variants"),
        ("Topic", "topic"),
        ("tpoic", "topic"),
        ("local-repo", "local_repo"),
        ("archss", "archs"),
        ("topi", "topic"),
        ("xarchs", "archs"),
    ],
)
def test_a_setting_that_is_one_edit_away_is_a_mistake(name, meant):
    assert problems(f"lab: 1\n{name}: x") == [f"s.yml:2:1: {name} is not a setting: did you mean {meant}?"]


@pytest.mark.parametrize("name", ["arhcives", "v", "labs", "topical", "systems", "domain", "variables"])
def test_a_setting_that_is_further_away_is_foreign(name):
    assert problems(f"{name}: x") == []


def test_mistakes_below_the_top_level_are_found_too():
    assert problems("topics:\n- topic: a\n  arch: b\n  variants:\n  - name: c\n    with_deug: true") == [
        "s.yml:3:3: topics: arch is not a setting: did you mean archs?",
        "s.yml:6:5: topics: variants: with_deug is not a setting: did you mean with_debug?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("topic: 9.2", "1:8: topic: expected a string in quotes, not a number"),
        ("topic: 2026-11-24", "1:8: topic: expected a string in quotes, not a date"),
        ("topic: yes", "1:8: topic: expected a string in quotes, not true or false"),
        ("topic: ''", "1:8: topic: expected a string, not an empty one"),
        ("topic: !x y", "1:8: topic: expected a string, not a value of another type"),
        ("topic: [a]", "1:8: topic: expected a string, not a list"),
        ("topics: a", "1:9: topics: expected a list of mappings with topic, not a string"),
        ("topics: []", "1:1: topics: expected a list of mappings with topic, not an empty one"),
        ("topics: [a]", "1:10: topics: expected a mapping with topic, not a string"),
        ("topics: {a: b}", "1:9: topics: expected a list of mappings with topic, not a mapping"),
        (
            "topics: [{archs: [a]}]",
            "1:10: topics: expected a topic (or name, or component_id) in this mapping",
        ),
        ("archs: [~]", "1:9: archs: expected a string, not nothing"),
        ("with_debug: 'yes'", "1:13: with_debug: expected true or false, not a string"),
        ("version: [2]", '1:10: version: expected a version like "2", not a list'),
        ("keep: -1", "1:7: keep: expected a whole number, at least 0"),
        ("keep: 0x1", "1:7: keep: expected a whole number, at least 0"),
        ("keep: '1'", "1:7: keep: expected a whole number, not a string"),
        ("connections: 0", "1:14: connections: expected a whole number, at least 1"),
        ("patience: .inf", "1:11: patience: expected a number of seconds, at least 1"),
        ("peers: [http://lab1/, 7]", "1:23: peers: expected the URL of a mirror, not a number"),
        (
            "peers: ['http://u:s3cret@lab1/']",
            "1:9: peers: expected the URL of a mirror, like http://lab1.example.com/dci, without a login",
        ),
        ("limit_rate: fast", "1:13: limit_rate: expected bytes per second, at least 1, like 500K, 50M or 1G"),
        ("variants: [1]", "1:12: variants: expected a name, or a mapping with name, with_debug, with_source, with_iso"),
        ("variants: [{with_iso: on}]", "1:12: variants: expected a name in this variant"),
        (
            "registry: http://r:5000",
            "1:11: registry: expected HOST:PORT, like localhost:5000, without scheme and login",
        ),
        ("registry: u:hidden@r:5000", "1:11: registry: expected HOST:PORT"),
        ("registry: 5000", "1:11: registry: expected a string in quotes, not a number"),
        ("filters: [{tag: a}]", "1:11: filters: expected a type in this filter"),
        ("filters: [a]", "1:11: filters: expected a mapping with type and tag, not a string"),
        ("topic: a\nlab: 1\ntopic: b", "3:1: topic: set twice, first on line 1"),
        ("<<: 3", "1:5: <<: expected another mapping, or a list of them"),
        ("&a\n<<: *a\ntopic: a", "1:1: <<: expected another mapping, or a list of them"),
        ("- a", "1:1: expected settings like `topic: RHEL-9.2`, not a list"),
        ("a: [", "1:5: this is not YAML: "),
        ("a: *b", "1:4: this is not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "2:1: this is not YAML: but found another document"),
        ("a: b\nc: \a", "2:4: special characters are not allowed"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, problem):
    found = parse(text.encode(), "s.yml").problems
    assert len(found) == 1
    assert found[0].startswith(f"s.yml:{problem}")


@pytest.mark.parametrize("document", [b"", b"# nothing\n", b"---\n", b"~"])
def test_an_empty_file_is_a_problem(document):
    assert parse(document, "s.yml").problems == ("s.yml: the file is empty",)


def test_bytes_that_are_not_utf8_are_a_problem_with_a_place():
    assert parse("a: é\nb: ü".encode() + b"\xff", "s.yml").problems == ("s.yml:2:5: this is not UTF-8",)


def test_all_problems_are_told_at_once_in_the_order_of_lines():
    found = problems("topic: 1\nkeep: x\narchs: 2\nvarients: 3\ntopic: a")
    assert [line.split(":")[1] for line in found] == ["1", "2", "3", "4", "5"]


def test_a_file_that_is_too_large_too_deep_or_a_bomb_is_refused():
    assert problems("a: " + "x" * yaml_file.LARGEST_FILE) == [
        "s.yml: larger than 1,048,576 bytes, which no settings file is"
    ]
    assert problems("[" * 5000) == ["s.yml: nested too deeply"]
    merges = "m0: &m0 {a: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{f'*m{n - 1}, ' * 9}]}}\n" for n in range(1, 9))
    assert problems(merges + "<<: *m8") == ["s.yml: more than 100,000 values, aliases included"]
    listed = ", ".join(["*t"] * 500)
    lists = f"x: &v [{', '.join(['a'] * 300)}]\ny: &t {{topic: a, variants: *v}}\ntopics: [{listed}]"
    assert problems(lists) == ["s.yml: more than 100,000 values, aliases included"]


def test_a_file_that_cannot_be_read_is_one_with_a_problem(tmp_path):
    assert yaml_file.read(str(tmp_path)).problems == (f"{tmp_path}: Is a directory",)
    assert yaml_file.read(f"{tmp_path}/none").problems == (f"{tmp_path}/none: No such file or directory",)
    assert yaml_file.read("a\0b").problems
    (tmp_path / "s.yml").write_text("topic: a")
    assert yaml_file.read(str(tmp_path / "s.yml")).topics is not None


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_bytes_make_it_raise(document):
    parse(document, "s.yml")


@pytest.mark.parametrize("line", ["with_debug: !!bool abc", 'local_repo: "a\\0b"', 'local_repo: "/tmp/\\ud800"'])
def test_values_that_yaml_takes_and_nobody_means_are_problems(tmp_path, line):
    (tmp_path / "s.yml").write_text(f"topic: RHEL-9.2\n{line}\n")
    problems = yaml_file.read(str(tmp_path / "s.yml")).problems
    assert len(problems) == 1
    assert line.partition(":")[0] in problems[0] or "s.yml" in problems[0]
