"""Disks as they are: volumes with other people's folders, mounts, overlays, copies, groups, limits, locales."""

import errno
import fcntl
import json
import os
import resource
import shutil
import stat
import subprocess
from functools import partial

import pytest

from dci_downloader.cli.main import main
from tests.integration.disk_program import TOPIC, DiskProgram, Mounts
from tests.unit.ordinary_user import OTHER, USER, give
from tests.unit.samples import names_in

GROUP = 1500


@pytest.fixture
def mounts(public_path):
    mounts = Mounts()
    yield mounts
    mounts.close()


@pytest.fixture
def program(lab, public_path):
    dest = public_path / "dci"
    dest.mkdir()
    give(dest)
    return DiskProgram(lab, dest)


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="files of several users need root")


# Foreign things


@pytest.mark.slow
@root_only
def test_what_is_not_ours_and_cannot_be_entered_is_passed_by_at_every_level(program):
    program.build()
    program.sync()
    store = program.dest / ".dci-downloader"
    places = [program.dest, store / "objects", store / "partial", program.versions.parent, program.versions]
    foreign = [place / name for place in (*places, program.dest / TOPIC) for name in ("lost+found", "theirs")]
    for folder in foreign:
        folder.mkdir(mode=0o700)
    for _ in range(3):
        program.build()
        assert "error" not in program.sync("--keep", "0")
    program.assert_published()
    objects = [path for path in (store / "objects").glob("??/*") if path.is_file()]
    assert len(objects) == 2, "freed objects are collected"
    for command in (["status"], ["verify"], ["prune"], ["verify", "--repair"]):
        code, out, err = program.run(command[0], program.dest, *command[1:])
        assert code == 0, out + err
    assert all(folder.is_dir() for folder in foreign)


@pytest.mark.slow
@root_only
@pytest.mark.parametrize(("kind", "size"), [("ext4", 64 << 20), ("xfs", 320 << 20), ("btrfs", 128 << 20)])
def test_a_volume_of_its_own_is_a_mirror(program, mounts, public_path, kind, size):
    image = public_path / "image"
    with open(image, "wb") as file:
        file.truncate(size)
    make = [f"mkfs.{kind}", "-q", image]
    if not shutil.which(make[0]) or subprocess.run(make, capture_output=True).returncode:
        pytest.skip(f"no {kind} can be made here")
    program.dest = mounts.mount(public_path / "volume", "-o", "loop", image)
    os.chown(program.dest, USER, USER)
    for _ in range(3):
        program.build()
        program.sync("--keep", "0")
    program.assert_published()
    assert [program.run(command, program.dest)[0] for command in ("status", "verify", "prune")] == [0, 0, 0]
    assert (program.dest / "lost+found").is_dir() == (kind == "ext4")


@pytest.mark.slow
@root_only
def test_on_a_disk_that_is_too_small_older_builds_give_way_and_never_the_published_one(program, mounts):
    mounts.tmpfs(program.dest, "size=12m")
    sync = partial(program.sync, user=0, group=0)
    for number in range(5):
        program.build({"own": bytes([number]) * (5 << 20)})
        if number < 2:
            sync("--keep", "9")
        else:
            assert "--make-room" in sync("--keep", "9", code=6)
            assert "to make room" in sync("--keep", "9", "--make-room", "--dry-run")
            assert "to make room" in sync("--keep", "9", "--make-room")
        program.assert_published()
    program.build({"own": b"x" * (12 << 20)})
    published = program.read()
    sync("--make-room", code=6)
    assert (program.read() == published, len(list(program.versions.glob("*.json")))) == (True, 2)


@pytest.mark.slow
@root_only
@pytest.mark.parametrize(
    "place",
    ["store", "partial", "unflushed", "objects", "objects/ab", ".versions", "topic", "versions of a type", "old tree"],
)
@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_one_folder_with_an_odd_mode_blocks_nothing(program, place, mode):
    for _ in range(2):
        program.build()
        program.sync()
    objects = program.dest / ".dci-downloader" / "objects"
    os.chmod(
        {
            "store": objects.parent,
            "partial": objects.parent / "partial",
            "unflushed": objects.parent / "unflushed",
            "objects": objects,
            "objects/ab": next(objects.iterdir()),
            ".versions": program.versions.parent,
            "topic": program.dest / TOPIC,
            "versions of a type": program.versions,
            "old tree": program.versions / "RHEL-9.2.0-1" / "a",
        }[place],
        mode,
    )
    for command in ("status", "verify"):
        code, _, err = program.run(command, program.dest)
        assert code in (0, 2, 7), err
        assert "system's log" not in err
    program.build()
    program.sync("--keep", "0")
    program.assert_published()
    assert names_in(program.versions) == ["RHEL-9.2.0-3", "RHEL-9.2.0-3.json"]
    assert program.run("verify", program.dest)[0] == 0


@pytest.mark.slow
@root_only
@pytest.mark.parametrize("command", [["prune"], ["verify", "--repair"]])
def test_prune_and_repair_open_what_is_their_users_own(program, command):
    for _ in range(2):
        program.build()
        program.sync()
    objects = program.dest / ".dci-downloader" / "objects"
    mine = program.dest / "mine"  # is no topic
    mine.mkdir(mode=0o500)
    give(mine)
    tree = program.link.resolve()
    places = [objects.parent, objects.parent / "partial", objects, next(objects.iterdir()), program.versions.parent]
    for place in (*places, program.versions, program.dest / TOPIC, tree, tree / "a"):
        os.chmod(place, 0)
        code, out, err = program.run(command[0], program.dest, *command[1:])
        assert code == 0, (place, out, err)
        assert place in (tree, tree / "a") or stat.S_IMODE(place.stat().st_mode) == 0o755
    assert stat.S_IMODE(mine.stat().st_mode) == 0o500
    os.chmod(program.link / "same", 0)
    assert program.run("verify", program.dest)[0] == 2
    code, out, _ = program.run("verify", program.dest, "--repair", environment={"DCI_CS_URL": "http://127.0.0.1:1"})
    assert (code, "modes of files and folders were put right" in out) == (0, True), out
    assert program.run("verify", program.dest, "--repair")[0] == 0
    program.assert_published()


@root_only
def test_what_a_user_cannot_see_of_a_mirror_is_told_and_is_no_damage(program):
    program.build()
    program.sync()
    tree = program.link.resolve()
    some_objects = next((program.dest / ".dci-downloader" / "objects").iterdir())
    for place in (some_objects, tree, tree / "a", program.versions, program.dest / TOPIC):
        os.chmod(place, 0o700)
        code, out, err = program.run("verify", program.dest, user=OTHER, group=OTHER)
        assert (code, "DAMAGED" in out, "not verified" in out) == (2, False, True), (place, out, err)
        os.chmod(place, 0o755)
    os.chmod(program.dest / TOPIC, 0o700)
    code, out, _ = program.run("status", program.dest, user=OTHER, group=OTHER)
    assert (code, f"{program.dest / TOPIC}: Permission denied" in out) == (2, True)


@root_only
def test_a_topic_that_cannot_be_read_keeps_no_other_from_its_sync_and_prune_says_where(program):
    program.build()
    program.sync()
    other = program.dest / "RHEL-8.8"
    (other / ".versions" / "compose").mkdir(parents=True)
    give(other)
    os.chown(other / ".versions", 0, 0)
    os.chmod(other / ".versions", 0o700)
    program.build()
    program.sync("--keep", "1")
    code, _, err = program.run("prune", program.dest, "--keep", "0")
    assert (code, f"{other}" in err, "Permission denied" in err) == (2, True, True)
    assert names_in(program.versions) == ["RHEL-9.2.0-2", "RHEL-9.2.0-2.json"]


# Mounts


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@pytest.mark.parametrize("where", ["old version", "adopted folder"])
def test_removal_stops_at_a_mount_says_so_and_nothing_under_it_is_lost(program, mounts, public_path, kind, where):
    if where == "adopted folder":
        (program.link / "a").mkdir(parents=True)
        (program.link / "same").write_bytes(b"same")
        place = program.link / "a" / "mnt"
    else:
        for _ in range(2):
            program.build()
            program.sync(user=0, group=0)
        place = program.versions / "RHEL-9.2.0-1" / "a" / "mnt"
    (public_path / "source").mkdir()
    if kind == "tmpfs":
        mounts.tmpfs(place)
    else:
        mounts.mount(place, "--bind", public_path / "source")
    (place / "precious").write_text("precious")
    said = ""
    for _ in range(3):  # the run after a publication removes what it has replaced
        program.build()
        said += program.sync("--keep", "0", user=0, group=0)
        program.assert_published()
    assert "mounted there" in said
    (left,) = program.dest.rglob("precious")
    assert left.read_text() == "precious"
    assert program.run("prune", program.dest, user=0, group=0)[0] == 0
    subprocess.run(["umount", left.parent], check=True)
    program.sync(user=0, group=0)
    assert list(program.dest.rglob("mnt")) == []


def test_where_the_type_itself_is_a_mount_the_run_says_what_to_do(program, mounts):
    mounts.tmpfs(program.link)
    program.build()
    said = program.sync(code=2, user=0, group=0)
    assert f"{program.link}" in said
    assert "unmount it" in said


@pytest.mark.parametrize("place", ["topic", "versions"])
def test_a_topic_on_a_disk_of_its_own_is_filled_with_copies_that_are_flushed_there(program, mounts, place, monkeypatch):
    mounts.tmpfs(program.dest / TOPIC if place == "topic" else program.versions)
    for _ in range(3):
        program.build()
        said = program.sync("--keep", "0", user=0, group=0)
        program.assert_published()
        assert "copies of their objects" in said
    assert program.run("verify", program.dest, user=0)[0] == 0


def test_on_an_overlay_what_is_below_can_be_replaced_and_removed(program, mounts, public_path):
    (program.link / "old").mkdir(parents=True)
    (program.link / "same").write_bytes(b"same")
    other = program.dest / "other"
    program.build()
    lower = public_path / "lower"
    program.dest.rename(lower)
    for name in ("upper", "work"):
        (public_path / name).mkdir()
    layers = f"lowerdir={lower},upperdir={public_path}/upper,workdir={public_path}/work,redirect_dir=off"
    mounts.tmpfs(public_path / "layers")  # an overlay cannot be the upper layer of another
    for name in ("upper", "work"):
        (public_path / "layers" / name).mkdir()
    layers = f"lowerdir={lower},upperdir={public_path}/layers/upper,workdir={public_path}/layers/work,redirect_dir=off"
    mounts.mount(program.dest, "-t", "overlay", "-o", layers, "none")
    assert not other.exists()
    program.sync(user=0, group=0)
    program.assert_published()
    assert program.run("verify", program.dest, user=0)[0] == 0


@pytest.mark.slow
def test_a_mirror_in_the_lower_layer_of_an_overlay_goes_on(program, mounts, public_path):
    for _ in range(2):
        program.build()
        program.sync(user=0, group=0)
    lower = public_path / "lower"
    program.dest.rename(lower)
    mounts.tmpfs(public_path / "layers")
    for name in ("upper", "work"):
        (public_path / "layers" / name).mkdir()
    layers = f"lowerdir={lower},upperdir={public_path}/layers/upper,workdir={public_path}/layers/work,redirect_dir=off"
    mounts.mount(program.dest, "-t", "overlay", "-o", layers, "none")
    for _ in range(3):
        program.build()
        program.sync("--keep", "0", user=0, group=0)
        program.assert_published()
        assert program.run("verify", program.dest, user=0)[0] == 0
    assert names_in(program.versions) == ["RHEL-9.2.0-5", "RHEL-9.2.0-5.json"]
    assert program.run("prune", program.dest, user=0)[0] == 0


# Copies, restores, agents


def test_a_copy_without_hard_links_is_whole_and_linked_again_by_the_next_sync(program, public_path):
    for _ in range(2):
        program.build()
        program.sync()
    shutil.copytree(program.dest, public_path / "copy", symlinks=True)  # as rsync -a without -H
    program.dest = public_path / "copy"
    give(program.dest)
    code, out, _ = program.run("verify", program.dest)
    assert (code, "whole" in out, "the next sync" in out) == (0, True, True)
    said = program.sync("--json")
    (component,) = json.loads(said[: said.rindex("}") + 1])["topics"][0]["components"]
    assert (component["outcome"], len(component["notes"])) == ("unchanged", 1)
    assert "copy of the mirror" in component["notes"][0]
    program.assert_published()
    assert (program.link / "same").stat().st_nlink > 1
    assert "apart" not in program.run("verify", program.dest)[1]


def test_a_copy_without_hard_links_is_linked_again_by_repair(program, public_path):
    program.build()
    program.sync()
    shutil.copytree(program.dest, public_path / "copy", symlinks=True)
    program.dest = public_path / "copy"
    give(program.dest)
    code, out, _ = program.run("verify", program.dest, "--repair")
    assert (code, "built anew" in out) == (0, True)
    assert (program.link / "same").stat().st_nlink > 1


@pytest.mark.slow
@pytest.mark.parametrize("change", ["umask 077", "chmod -R 0775"])
@pytest.mark.parametrize("way", ["sync", "new build", "repair"])
def test_modes_after_a_restore_or_a_chmod_are_put_right(program, change, way):
    program.build()
    program.sync()
    for path in sorted(program.dest.rglob("*"), reverse=True):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            os.chmod(path, mode & 0o700 if change == "umask 077" else 0o775)
    code, out, _ = program.run("verify", program.dest)
    assert (code, "DAMAGED" in out) == (0, False)
    if way == "new build":
        program.build()
    said = program.run("verify", program.dest, "--repair")[1] if way == "repair" else program.sync()
    assert ("modes of files and folders were put right" in said) == (way != "new build")
    program.assert_published()
    for path in (program.link.resolve(), *program.link.resolve().rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & (0o755 if path.is_dir() else 0o444) == (0o755 if path.is_dir() else 0o444), path
        assert path.is_dir() or not mode & 0o022
    assert stat.S_IMODE(program.versions.stat().st_mode) & 0o055 == 0o055


@root_only
def test_verify_by_somebody_who_may_only_read_notes_what_is_to_be_put_right_and_changes_nothing(program):
    program.build()
    program.sync()
    for path in program.link.resolve().rglob("*"):
        os.chmod(path, 0o775)
    code, out, _ = program.run("verify", program.dest, user=OTHER, group=OTHER)
    assert (code, "DAMAGED" in out, "the next sync" in out, "not recorded" in out) == (0, False, True, True)
    assert stat.S_IMODE((program.link / "same").stat().st_mode) == 0o775


# Groups


@root_only
def test_what_root_did_in_a_mirror_keeps_its_owner_from_nothing(program):
    root = {"user": 0, "group": 0}
    for _ in range(2):
        program.build()
        program.sync()
    assert program.run("prune", program.dest, "--keep", "0", **root)[0] == 0
    program.build()
    program.sync()
    os.chmod(program.link / "same", 0o644)
    (program.link / "same").write_bytes(b"rott")
    assert program.run("verify", program.dest, "--repair", **root)[0] == 0
    program.build()
    program.sync(**root)
    program.build()
    said = program.sync("--keep", "0")
    assert "could not be removed" not in said
    assert [program.run(command, program.dest)[0] for command in ("verify", "prune", "status")] == [0, 0, 0]
    program.assert_published()
    assert not [path for path in program.dest.rglob("*") if path.is_dir() and path.lstat().st_uid != USER]


@pytest.mark.slow
@root_only
def test_two_users_of_a_group_use_one_mirror_in_turn(program):
    os.chown(program.dest, USER, GROUP)
    os.chmod(program.dest, 0o2775)
    shared = {"group": GROUP, "umask": 0o002}
    try:
        subprocess.run(["true"], umask=0o002, check=True)
    except TypeError:
        pytest.skip("this Python starts no program with a umask")
    for user in (USER, OTHER, USER, OTHER):
        program.build()
        program.sync("--keep", "0", user=user, **shared)
        program.assert_published()
        for command in ("verify", "prune", "status"):
            code, _, err = program.run(command, program.dest, user=user, **shared)
            assert code == 0, err
    assert len(names_in(program.versions)) == 2
    for path in program.dest.rglob("*"):
        status = path.lstat()
        assert status.st_gid == GROUP, path
        if path.name in (".lock", "lock") or path.suffix == ".json" or (path.is_dir() and not path.is_symlink()):
            assert status.st_mode & 0o020, path


# What a file system may refuse


@pytest.fixture
def run_here(lab, monkeypatch, capsys):
    """The program in this process, where system calls can be made to fail."""
    for name, value in lab.site.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out + err

    return run


def refusing(code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_the_run_ends_with_words_about_the_file_system(program, run_here, monkeypatch, code):
    program.build()
    monkeypatch.setattr(fcntl, "flock", refusing(code))
    ended, said = run_here(TOPIC, program.dest, "--all")
    assert (ended, "no locks" in said, "hint: " in said) == (2, True, True)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_symbolic_links_it_carries_for_other_mirrors_and_says_so(program, run_here, monkeypatch, code):
    program.build()
    with monkeypatch.context() as patch:
        patch.setattr(os, "symlink", refusing(code))
        ended, said = run_here(TOPIC, program.dest, "--all")
    assert (ended, "has no symbolic links, so nothing is published here for installers" in said) == (0, True)
    assert not os.path.lexists(program.link)
    other = program.dest.parent / "other"
    assert run_here(TOPIC, other, "--all", "--from", program.dest)[0] == 0
    assert (other / TOPIC / "compose" / "same").read_bytes() == b"same"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EMLINK, errno.EPERM, errno.EXDEV])
def test_without_hard_links_files_are_copied(program, run_here, monkeypatch, code):
    program.build()
    monkeypatch.setattr(os, "link", refusing(code))
    ended, said = run_here(TOPIC, program.dest, "--all")
    assert (ended, "copies of their objects" in said) == (0, True)
    program.assert_published()
    assert run_here(TOPIC, program.dest, "--all")[0] == 0


def test_a_folder_that_cannot_be_moved_is_replaced_all_the_same(program, run_here, monkeypatch):
    program.link.mkdir(parents=True)
    (program.link / "same").write_bytes(b"same")
    real = os.rename

    def rename(one, other, **named):
        if os.path.isdir(one) and not os.path.islink(one) and "/.new-" not in f"{one}":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(one, other, **named)

    monkeypatch.setattr(os, "rename", rename)
    for _ in range(3):
        program.build()
        assert run_here(TOPIC, program.dest, "--all", "--keep", "0")[0] == 0
        program.assert_published()
    assert len(names_in(program.versions)) == 2


def test_where_modes_cannot_be_changed_they_stay(program, run_here, monkeypatch):
    program.build()
    monkeypatch.setattr(os, "chmod", refusing(errno.EPERM))
    monkeypatch.setattr(os, "fchmod", refusing(errno.EPERM))
    before = os.umask(0o077)
    try:
        assert run_here(TOPIC, program.dest, "--all")[0] == 0
        assert run_here(TOPIC, program.dest, "--all")[0] == 0
        assert run_here("verify", program.dest)[0] == 0
    finally:
        os.umask(before)
    program.assert_published()


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
@pytest.mark.parametrize("call", ["open", "rename", "mkdir", "link", "fsync"])
def test_no_error_of_a_disk_is_an_unexpected_one(program, run_here, monkeypatch, code, call):
    program.build()
    real = getattr(os, call)

    def fail(*arguments, **named):
        where = arguments[0] if not isinstance(arguments[0], int) else os.readlink(f"/proc/self/fd/{arguments[0]}")
        if ".versions" in os.fsdecode(where) or "objects" in os.fsdecode(where):
            raise OSError(code, os.strerror(code), os.fsdecode(where))
        return real(*arguments, **named)

    monkeypatch.setattr(os, call, fail)
    ended, said = run_here(TOPIC, program.dest, "--all")
    assert (ended, "hint: " in said) == (6 if code in (errno.ENOSPC, errno.EDQUOT) else 2, True), said
    monkeypatch.undo()


# Limits of a process


def test_a_limit_on_the_size_of_files_is_told_as_one(program):
    program.build({"big": bytes(3_000_000)})

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    said = program.sync(code=6, preexec_fn=limit, user=None, group=None, extra_groups=None)
    assert "ulimit -f" in said


def test_a_working_folder_that_was_deleted_is_no_matter(program, public_path):
    program.build()
    gone = public_path / "gone"
    gone.mkdir()
    give(public_path)

    def enter():
        os.chdir(gone)
        os.rmdir(gone)

    program.sync(preexec_fn=enter, cwd=None)
    program.assert_published()
    gone.mkdir()
    give(gone)
    code, _, err = program.run(TOPIC, "relative", preexec_fn=enter, cwd=None)
    assert (code, "hint: the working folder was deleted: cd elsewhere, or name DEST" in err) == (2, True)


def test_a_name_that_this_file_system_cannot_hold_is_told(program, run_here, monkeypatch):
    program.build({"x" * 200: b"long"})
    real = os.link

    def link(source, target, **named):
        if len(os.path.basename(target)) > 143:  # as on eCryptfs
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), source)
        real(source, target, **named)

    monkeypatch.setattr(os, "link", link)
    ended, said = run_here(TOPIC, program.dest, "--all")
    assert (ended, "File name too long" in said, "shorter" in said) == (2, True, True)


# Locales


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAMES = {"é.txt": b"e", "日本/ü": b"u", "plain": b"p"}


def latin_1(folder):
    """An environment under ISO-8859-1, where that locale can be made."""
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"], capture_output=True
    )
    if not made or not (folder / "en_US.ISO-8859-1").is_dir():
        pytest.skip("there is no such locale here, and none can be made")
    return {"LC_ALL": "en_US.ISO-8859-1", "LOCPATH": str(folder), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def raw(folder):
    return sorted(
        os.path.relpath(os.path.join(parent, name), os.fsencode(folder))
        for parent, _, names in os.walk(os.fsencode(folder))
        for name in names
    )


@pytest.mark.parametrize("locale", ["ascii", "latin-1"])
def test_names_on_disk_are_utf8_under_every_locale_and_runs_under_two_see_one_tree(program, locale, public_path):
    environment, name = (ASCII, "stage") if locale == "ascii" else (latin_1(public_path), "Bühne")
    program.build(NAMES, name=f"{name}-1")
    program.sync(environment=environment)
    assert raw(program.link.resolve()) == sorted(path.encode() for path in program.files)
    assert os.readlink(os.fsencode(program.link)) == f".versions/compose/{name}-1".encode()
    inode = program.link.resolve().stat().st_ino
    for each in ({"LC_ALL": "C.UTF-8"}, environment):
        program.sync(environment=each)
        done = program.run("verify", program.dest, environment=each)
        assert done[0] == 0, done
    assert program.link.resolve().stat().st_ino == inode, "nothing was built anew"
    program.build(NAMES, name=f"{name}-2")
    program.sync("--keep", "0", environment=environment)
    program.assert_published()
    assert len(names_in(program.versions)) == 2
    (version,) = json.loads(program.run("verify", program.dest, "--json")[1])["versions"]
    assert version["version"] == f"{name}-2"


# Links


@pytest.mark.parametrize("linked", ["topic", ".versions", "compose"])
def test_a_link_where_a_topic_keeps_its_versions_is_told_by_every_command_and_followed_by_none(
    program, public_path, linked
):
    program.build()
    program.sync()
    other = program.lab.catalog.add_topic("RHEL-8.8", component_types=("compose",))
    program.lab.build({"other": b"other"}, topic=other, name="RHEL-8.8-1")
    assert program.run("RHEL-8.8", program.dest, "--all")[0] == 0
    names = {"topic": (), ".versions": (".versions",), "compose": (".versions", "compose")}
    place, elsewhere = (program.dest / TOPIC).joinpath(*names[linked]), public_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    for command in (["status"], ["verify"], ["verify", "--repair"], ["prune", "--keep", "0"]):
        code, out, err = program.run(command[0], program.dest, *command[1:])
        assert (code, f"{place} is a symbolic link" in out + err, "mount --bind" in out + err) == (2, True, True), out
        assert command[0] == "prune" or "RHEL-8.8-1" in out, "the other topic is looked at"
    program.sync(code=2)
    assert sorted(elsewhere.rglob("*")) == before
    assert program.run("RHEL-8.8", program.dest, "--all")[0] == 0


def test_links_to_topics_of_another_mirror_and_of_this_one_are_for_those_who_read(program, public_path):
    program.build()
    program.sync()
    shutil.copytree(program.dest, public_path / "another", symlinks=True)
    (program.dest / "RHEL-8.8").symlink_to(public_path / "another" / TOPIC)
    (program.dest / "latest").symlink_to(TOPIC)
    assert [program.run(command, program.dest)[0] for command in ("status", "verify", "prune")] == [0, 0, 0]


def test_a_topic_that_is_a_link_is_refused_with_what_to_do(program, public_path):
    (public_path / "elsewhere").mkdir()
    (program.dest / TOPIC).symlink_to(public_path / "elsewhere")
    program.build()
    said = program.sync(code=2)
    assert "symbolic link" in said
    assert "mount" in said


def test_a_compose_that_is_a_link_is_adopted_and_what_it_leads_to_stays(program, public_path):
    elsewhere = public_path / "elsewhere"
    (elsewhere / "a" / "b").mkdir(parents=True)
    (elsewhere / "same").write_bytes(b"same")
    (elsewhere / "a" / "b" / "own").write_bytes(b"another")
    give(elsewhere)
    (program.dest / TOPIC).mkdir()
    program.link.symlink_to(elsewhere)
    give(program.dest)
    before = {path: (path.stat().st_ino, path.stat().st_mode, path.stat().st_nlink) for path in elsewhere.rglob("*")}
    program.build()
    program.sync()
    program.assert_published()
    assert [path.rpartition("/")[2] for path in program.lab.fetched()] == ["own"]
    assert before == {
        path: (path.stat().st_ino, path.stat().st_mode, path.stat().st_nlink) for path in elsewhere.rglob("*")
    }
