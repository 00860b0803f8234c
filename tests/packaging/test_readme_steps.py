"""The README's steps as they are printed, on this machine's file system, of whose changes nothing is left."""

from __future__ import annotations

import re

import pytest

from dci_downloader.demo.compose import sample_site
from tests.packaging.conftest import ROOT
from tests.pages import README, blocks, section

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

INSTALL = blocks(section(README, "### Everywhere else"), "console")
FIRST_DAY = blocks(section(README, "## The first day"), "console")

SHELL = """
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset DCI_CLIENT_ID DCI_API_SECRET DCI_CS_URL
sudo() {
    if [ "$1" = -u ]; then
        local user=$2
        shift 2
        setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
    else
        "$@"
    fi
}
"""


def test_it_is_installed_and_mirrors_as_the_user_that_it_made(own_root):
    with sample_site() as site:
        exports = "".join(f"export {name}={value}\n" for name, value in site.environment().items())
        # what follows the line that starts another user's shell is typed into that one
        before, _, typed = FIRST_DAY[0].partition("sudo -u dci-downloader bash\n")
        assert typed
        shown = own_root(
            f"{SHELL}\ncd {ROOT}\n{''.join(INSTALL)}\ncd /tmp; mkdir readme-steps; cd readme-steps\n"
            f"cat > dcirc.sh <<'DCIRC'\n{exports}DCIRC\n{before}"
            f"sudo -u dci-downloader bash -eu <<'TYPED'\n{typed}TYPED\n"
            "sudo -u dci-downloader dci-downloader status /srv/dci\n"
            "stat -c 'owner %U:%G' /srv/dci/RHEL-9.2; stat -c '%a' /etc/dci-downloader/dcirc.sh\n"
            "[ -f /srv/dci/RHEL-9.2/compose/.composeinfo ] && echo mirrored\n"
            "cd ..; rm -r readme-steps",
        )
    assert re.search(r"^RHEL-9\.2 +compose +RHEL-9\.2\.0-20221121\.2", shown, flags=re.MULTILINE)
    assert shown.split()[-4:] == ["owner", "dci-downloader:dci-downloader", "600", "mirrored"]
