import pytest

from dci_downloader.cli.units import service_unit
from dci_downloader.errors import SettingsError


def lines(user="dci", command=("/usr/bin/dci-downloader",), destination="/srv/dci"):
    return service_unit(user, command, destination).splitlines()


def test_the_service_names_user_command_mirror_and_the_exit_code_of_a_lock():
    unit = lines(command=["/usr/bin/dci-downloader", "--settings", "/etc/my dci/s.yml"])
    assert "User=dci" in unit
    assert 'ExecStart=/usr/bin/dci-downloader --settings "/etc/my dci/s.yml"' in unit
    assert "ReadWritePaths=/srv/dci" in unit
    assert "SuccessExitStatus=75" in unit


def test_what_systemd_would_read_otherwise_is_quoted():
    unit = lines(command=["/bin/p", "100%", "$HOME"], destination='/srv/a "b"')
    assert "ExecStart=/bin/p 100%% $$HOME" in unit
    assert 'ReadWritePaths="/srv/a \\"b\\""' in unit


@pytest.mark.parametrize("path", ["/srv/a\nExecStart=evil", "/srv/\x1b"])
def test_what_no_unit_can_hold_is_refused(path):
    with pytest.raises(SettingsError, match="printable"):
        lines(destination=path)
