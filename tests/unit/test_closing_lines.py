from dataclasses import replace

from dci_downloader.changes import Changes, PackageChange, PackageChangeKind
from dci_downloader.cli.closing_lines import closing_lines
from dci_downloader.results import (
    NOT_TRIED,
    ComponentReport,
    ContainerImage,
    ContainerImageOutcome,
    Failure,
    Outcome,
    Report,
    SourceTotals,
)

PACKAGES = (PackageChange("bash", PackageChangeKind.UPGRADED, ("5-1",), ("5-2",), ("BaseOS/x86_64",)),)
PATH = "/srv/dci/RHEL-9.2/compose"


def component(outcome, *, type="compose", name="RHEL-9.2.0-1", path=PATH, **more):
    return ComponentReport(id="c1", name=name, type=type, tags=("nightly",), path=path, outcome=outcome, **more)


def of(*components, topic="RHEL-9.2"):
    return Report(topic, "t1", components, 1.23456)


def lines(*components, **options):
    return closing_lines([of(*components)], **options)


PUBLISHED = component(
    Outcome.PUBLISHED,
    name="RHEL-9.2.0-20221121.2",
    files_downloaded=13,
    bytes_downloaded=472_000,
    files_reused=91,
    seconds=0.7,
)
UNCHANGED = component(Outcome.UNCHANGED, type="hwcert", name="hwcert-1", path="/srv/dci/RHEL-9.2/hwcert")


def test_each_component_is_one_line_and_all_are_aligned():
    assert lines(PUBLISHED, UNCHANGED) == [
        "✓ compose RHEL-9.2.0-20221121.2   13 new files, 472 kB in 0.7 s; 91 kept   → /srv/dci/RHEL-9.2/compose",
        "✓ hwcert  hwcert-1                nothing new                              → /srv/dci/RHEL-9.2/hwcert",
    ]


def test_of_several_topics_each_line_names_its_own():
    found = closing_lines([of(UNCHANGED), of(UNCHANGED, topic="RHEL-10"), of(topic="empty")], with_topic=True)
    assert [line.split()[1] for line in found] == ["RHEL-9.2", "RHEL-10"]
    assert len({line.index("nothing") for line in found}) == 1


def test_a_path_that_does_not_fit_has_a_line_of_its_own():
    first, second, third = lines(PUBLISHED, UNCHANGED, width=79)[:3]
    assert (first, second) == (
        "✓ compose RHEL-9.2.0-20221121.2   13 new files, 472 kB in 0.7 s; 91 kept",
        "    → /srv/dci/RHEL-9.2/compose",
    )
    assert third.startswith("✓ hwcert")
    assert lines(PUBLISHED, width=65) == [
        "✓ compose RHEL-9.2.0-20221121.2   13 new files, 472 kB in 0.7 s",
        "    91 kept",
        "    → /srv/dci/RHEL-9.2/compose",
    ]
    assert lines(PUBLISHED, width=60) == [
        "✓ compose RHEL-9.2.0-20221121.2",
        "    13 new files, 472 kB in 0.7 s",
        "    91 kept",
        "    → /srv/dci/RHEL-9.2/compose",
    ]
    assert len(lines(PUBLISHED, UNCHANGED, width=200)) == 2


def test_what_takes_a_while_has_a_rate_and_nothing_is_said_of_what_is_zero():
    long = component(Outcome.PUBLISHED, files_downloaded=1, bytes_downloaded=2_000_000, seconds=4.0)
    assert lines(long)[0].split("   ")[1] == "1 new file, 2.0 MB in 4.0 s (500 kB/s)"
    none = component(Outcome.PUBLISHED, files_reused=3)
    assert lines(none)[0].split("   ")[1] == "nothing to fetch; 3 kept"
    for done in (PUBLISHED, UNCHANGED, long, none):
        assert " 0" not in lines(done)[0].replace("0.7 s", "")


def test_what_an_earlier_run_left_counts():
    done = component(Outcome.PUBLISHED, files_downloaded=1, bytes_downloaded=1_000_000, bytes_resumed=4_000_000)
    assert "1 new file, 1.0 MB; 4.0 MB taken up from before" in lines(done)[0]


def test_what_changed_and_what_was_removed_stand_below():
    done = component(
        Outcome.PUBLISHED,
        files_downloaded=1,
        changes=Changes("RHEL-9.2.0-0", 2000, 0, 1, PACKAGES),
        versions_removed=("RHEL-9.2.0-00",),
        bytes_removed=5_000,
        notes=("x86_64 was published and is not in this selection: 100 files leave",),
    )
    assert lines(done)[1:] == [
        "    files: 2,000 added, 1 removed since RHEL-9.2.0-0",
        "    packages: 1 upgraded (bash)",
        "    removed RHEL-9.2.0-00 (5.0 kB)",
        "    ! x86_64 was published and is not in this selection: 100 files leave",
    ]


def test_a_plan_says_what_it_would_do():
    planned = component(Outcome.PLANNED, files_downloaded=1, bytes_downloaded=7, versions_removed=("old",))
    assert lines(planned) == ["· compose RHEL-9.2.0-1   would fetch 1 file, 7 bytes", "    would remove old"]
    again = component(Outcome.PLANNED, files_reused=3, published="RHEL-9.2.0-1", changes=Changes("RHEL-9.2.0-1"))
    assert lines(again) == ["· compose RHEL-9.2.0-1   nothing new"]
    other = component(Outcome.PLANNED, files_reused=3, published="RHEL-9.2.0-0", changes=Changes("RHEL-9.2.0-0"))
    assert lines(other) == ["· compose RHEL-9.2.0-1   nothing to fetch; 3 kept"]


def test_what_nobody_reads_here_has_no_path():
    carried = component(Outcome.PUBLISHED, path="", files_downloaded=2)
    assert lines(carried) == ["✓ compose RHEL-9.2.0-1   here for other mirrors; 2 new files"]


def test_what_failed_after_a_publication_is_named_and_the_version_stays_published():
    done = component(Outcome.PUBLISHED, files_downloaded=2, failures=(Failure("", "on_published: sh ended with 3", 1),))
    assert lines(done) == [
        f"! compose RHEL-9.2.0-1   2 new files   → {PATH}",
        "    on_published: sh ended with 3",
    ]


def test_what_is_held_says_what_it_would_fetch():
    held = component(Outcome.HELD, files_downloaded=2, bytes_downloaded=7, changes=Changes("RHEL-9.2.0-0", 2))
    assert lines(held)[0] == "· compose RHEL-9.2.0-1   held at RHEL-9.2.0-0; would fetch 2 files, 7 bytes"


def test_what_has_no_files_is_passed_by():
    skipped = component(Outcome.SKIPPED, notes=("it has no files, so there is nothing to mirror",))
    assert lines(skipped) == ["· compose RHEL-9.2.0-1   it has no files, so there is nothing to mirror"]


def test_failures_say_what_is_here_and_what_is_still_published():
    failures = tuple(Failure(f"f{number}", "gone", 5, "try later") for number in range(98))
    failed = component(
        Outcome.FAILED,
        files=1200,
        size=4_100_000_000,
        failures=failures,
        bytes_kept=3_900_000_000,
        published="RHEL-9.2.0-0",
    )
    assert lines(failed) == [
        "✗ compose RHEL-9.2.0-1   not published: 98 of 1,200 files failed",
        "    3.9 of 4.1 GB are here and stay",
        "    98 files: gone",
        "    hint: try later",
        f"    RHEL-9.2.0-0 is still published: {PATH}",
        "  hint: run the same command again: it goes on from there",
    ]
    assert lines(replace(failed, path=""))[4] == "    RHEL-9.2.0-0 is still here for other mirrors"
    verbose = lines(failed, verbose=True)
    assert verbose[3:5] == ["      f0", "      f1"]
    assert verbose[13] == "      … and 88 more; --json lists all"


def test_an_interruption_says_what_is_here_and_that_the_same_command_goes_on():
    interrupted = component(
        Outcome.FAILED, size=4_000, bytes_kept=1_200, failures=(Failure("", "interrupted", 130),), published=""
    )
    untried = component(Outcome.FAILED, type="hwcert", name="hwcert-1", failures=(Failure("", NOT_TRIED, 130),))
    assert lines(interrupted, untried) == [
        "✗ compose RHEL-9.2.0-1   interrupted",
        "    1.2 of 4.0 kB are here and stay",
        "    nothing is published yet",
        "✗ hwcert  hwcert-1       not published",
        f"    {NOT_TRIED}",
        "    nothing is published yet",
        "  hint: run the same command again: it goes on from there",
    ]


def test_what_another_run_cannot_mend_promises_nothing():
    failed = component(Outcome.FAILED, failures=(Failure("a", "a: wrong", 7),), files=2)
    assert not any("again" in line for line in lines(failed))
    missing = ComponentReport("", "", "hwcert", (), "", Outcome.FAILED, failures=(Failure("", "none", 4),))
    assert lines(missing) == ["✗ hwcert   not published", "    none", "    nothing is published yet"]


def test_a_topic_that_failed_as_a_whole_says_so():
    failed = Report("RHEL-99", "", (), 0.1, Failure("", "there is no topic RHEL-99", 4, "look again"))
    assert closing_lines([failed]) == ["✗ RHEL-99", "    there is no topic RHEL-99", "    hint: look again"]


def test_sources_are_named_if_not_all_came_from_the_object_store():
    received = (SourceTotals("http://lab1/dci", 2, 2_000_000), SourceTotals("object store", 0, 0))
    assert lines(component(Outcome.PUBLISHED, received=received))[1:] == ["    from http://lab1/dci: 2 files, 2.0 MB"]
    alone = component(Outcome.PUBLISHED, received=(SourceTotals("object store", 2, 5),))
    assert len(lines(alone)) == 1
    nothing = component(Outcome.PUBLISHED, received=(SourceTotals("http://lab1/dci", 0, 0),))
    assert len(lines(nothing)) == 1


def test_images_are_counted_by_what_became_of_them():
    outcomes = (
        ContainerImageOutcome.COPIED,
        ContainerImageOutcome.PRESENT,
        ContainerImageOutcome.COPIED,
        ContainerImageOutcome.FAILED,
    )
    images = tuple(ContainerImage("s", "c", outcome) for outcome in outcomes)
    assert lines(component(Outcome.UNCHANGED, images=images))[1:] == ["    images: 2 copied, 1 present, 1 failed"]


def test_images_that_were_put_together_are_counted_apart():
    amounts = {"files_downloaded": 2, "bytes_downloaded": 2_000_000, "files_assembled": 1, "bytes_assembled": 9 * 10**9}
    assert (
        "2 new files, 2.0 MB; 1 image put together with 9.0 GB of files that were here"
        in lines(component(Outcome.PUBLISHED, **amounts))[0]
    )
    assert (
        "would fetch 2 files, 2.0 MB; put together 1 image with up to 9.0 GB of files that are here by then"
        in lines(component(Outcome.PLANNED, **amounts))[0]
    )


def test_names_neither_drive_the_terminal_nor_make_lines():
    evil = component(Outcome.FAILED, name="a\n✓ b\x1b[2J", failures=(Failure("p\nq", "r\n! s", 7),), notes=("n\n✓ m",))
    found = lines(evil)
    assert all(line.isprintable() for line in found)
    assert sum(line.lstrip().startswith(("✓", "✗")) for line in found) == 1


def test_wide_letters_take_two_columns():
    wide = component(Outcome.UNCHANGED, name="構成", path="/p")
    narrow = component(Outcome.UNCHANGED, name="abcd", path="/p")
    first, second = lines(wide, narrow)
    assert first.index("nothing") + 2 == second.index("nothing")
