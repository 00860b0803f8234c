import pytest

from dci_downloader import environment
from dci_downloader.errors import AccessError, SettingsError
from dci_downloader.options import LoginCredentials, RemoteciCredentials, SsoCredentials

COMPLETE = {"DCI_CLIENT_ID": "remoteci/1", "DCI_API_SECRET": "s3cret", "DCI_CS_URL": "https://api.example.com/"}


def test_credentials_come_from_three_variables():
    credentials = environment.credentials(COMPLETE)
    assert (credentials.client_id, credentials.api_secret) == ("remoteci/1", "s3cret")
    assert credentials.url == "https://api.example.com/"
    assert "s3cret" not in repr(credentials)


@pytest.mark.parametrize("name", list(COMPLETE))
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(name, value):
    environ = {key: text for key, text in COMPLETE.items() if key != name}
    if value is not None:
        environ[name] = value
    with pytest.raises(AccessError, match=f"no credentials: {name} is not set") as raised:
        environment.credentials(environ)
    assert "source dcirc.sh" in raised.value.hint


def test_all_missing_variables_are_named_at_once():
    with pytest.raises(AccessError, match="DCI_CLIENT_ID, DCI_API_SECRET, DCI_CS_URL are not set"):
        environment.credentials({})


SERVER = {"DCI_CS_URL": "https://api.example.com/"}
LOGIN = {"DCI_LOGIN": "me", "DCI_PASSWORD": "pw"}
SSO = {"SSO_URL": "https://sso", "SSO_USERNAME": "me", "SSO_PASSWORD": "pw"}
TOKEN = {"SSO_TOKEN": "t"}


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        (COMPLETE, "remoteci"),
        ({**SERVER, **LOGIN}, "login"),
        ({**SERVER, **SSO}, "sso"),
        ({**SERVER, **TOKEN}, "sso"),
        ({**COMPLETE, **LOGIN}, "remoteci"),
        ({**COMPLETE, **LOGIN, **SSO}, "sso"),
        ({**COMPLETE, **TOKEN}, "sso"),
        ({**COMPLETE, **SSO, "SSO_URL": ""}, "remoteci"),
        ({**SERVER, **LOGIN, "DCI_CLIENT_ID": "remoteci/1"}, "login"),
    ],
)
def test_the_first_complete_kind_counts_as_in_dciclient(environ, kind):
    assert environment.credentials_kind(environ) == kind
    expected = {"remoteci": RemoteciCredentials, "login": LoginCredentials, "sso": SsoCredentials}
    credentials = environment.credentials(environ)
    assert type(credentials) is expected[kind]
    assert credentials.url == SERVER["DCI_CS_URL"]


def test_the_variables_of_the_sso_are_all_taken():
    assert environment.credentials({**SERVER, **SSO, **TOKEN}) == SsoCredentials(
        "https://api.example.com/", "https://sso", "me", "pw", "t"
    )


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({**SERVER, "DCI_LOGIN": "me"}, "DCI_PASSWORD is not set"),
        ({**SERVER, "SSO_USERNAME": "me", "SSO_PASSWORD": "s3cret"}, "SSO_URL is not set"),
        ({"SSO_USERNAME": "me"}, "SSO_URL, SSO_PASSWORD, DCI_CS_URL are not set"),
        ({"SSO_TOKEN": "s3cret"}, "DCI_CS_URL is not set"),
    ],
)
def test_what_another_kind_lacks_is_named(environ, missing):
    with pytest.raises(AccessError, match=f"no credentials: {missing}") as raised:
        environment.credentials(environ)
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"


def test_what_dcirc_speaks_of_comes_before_other_kinds_in_the_environment(tmp_path):
    path = tmp_path / "dcirc.sh"
    path.write_text("DCI_CLIENT_ID=remoteci/2\nDCI_API_SECRET=x\n", encoding="utf-8")
    environ = environment.with_options({**COMPLETE, **SSO, **TOKEN, "HOME": "/"}, str(path), None)
    assert environment.credentials(environ) == RemoteciCredentials("remoteci/2", "x", "https://api.example.com/")
    assert environ["HOME"] == "/"
    path.write_text("SSO_TOKEN=t2\n", encoding="utf-8")
    environ = environment.with_options({**COMPLETE, **LOGIN}, str(path), None)
    assert environment.credentials(environ) == SsoCredentials("https://api.example.com/", token="t2")
    path.write_text("DCI_CS_URL=https://other\n", encoding="utf-8")
    assert (
        environment.credentials(environment.with_options({**SERVER, **LOGIN}, str(path), None)).url == "https://other"
    )


def test_a_dcirc_file_may_hold_half_of_a_kind(tmp_path):
    path = tmp_path / "dcirc.sh"
    path.write_text("DCI_CLIENT_ID=remoteci/2\n", encoding="utf-8")
    environ = environment.with_options({**COMPLETE}, str(path), None)
    assert environment.credentials(environ).api_secret == "s3cret"


@pytest.mark.parametrize(
    ("environ", "proxies"),
    [
        ({}, {}),
        ({"HTTPS_PROXY": "http://p:1"}, {"https": "http://p:1"}),
        ({"https_proxy": "http://l:1", "HTTPS_PROXY": "http://u:1"}, {"https": "http://l:1"}),
        ({"https_proxy": "", "HTTPS_PROXY": "http://u:1"}, {}),
        ({"HTTP_PROXY": "http://p:1", "ALL_PROXY": "socks5://s:2"}, {"http": "http://p:1", "all": "socks5://s:2"}),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, {}),
        ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, {"http": "http://p:1"}),
    ],
)
def test_proxies_are_those_of_curl(environ, proxies):
    assert environment.network(environ).proxies == proxies


def test_no_proxy_is_taken_in_either_case():
    assert environment.network({"NO_PROXY": "a,b"}).no_proxy == "a,b"
    assert environment.network({"NO_PROXY": "a", "no_proxy": "c"}).no_proxy == "c"


def test_the_first_certificate_variable_that_is_set_wins():
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    environ = {name: f"/{name}" for name in names}
    for name in names:
        assert environment.network(environ).ca_bundle == f"/{name}"
        environ[name] = ""
    assert environment.network(environ).ca_bundle == ""


def dcirc(tmp_path, text):
    path = tmp_path / "dcirc.sh"
    path.write_text(text, encoding="utf-8")
    return environment.read_dcirc(str(path))


def test_a_dcirc_file_is_read_without_a_shell(tmp_path):
    text = """\
        # of lab 7

        DCI_CLIENT_ID="remoteci/1"   # who
        export DCI_API_SECRET='a$b c'
        DCI_CS_URL=https://api.example.com/#x;
        export DCI_CLIENT_ID DCI_CS_URL
        EMPTY=
    """
    assert dcirc(tmp_path, text) == {
        "DCI_CLIENT_ID": "remoteci/1",
        "DCI_API_SECRET": "a$b c",
        "DCI_CS_URL": "https://api.example.com/#x",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    "line", ['A="$HOME s3cret"', "A=`s3cret`", "if s3cret; then", "A=s3cret; B=2", 'A="s3cret', "s3cret"]
)
def test_a_dcirc_line_that_needs_a_shell_is_named_and_not_shown(tmp_path, line):
    with pytest.raises(SettingsError, match=r"dcirc\.sh:2: expected export NAME=value") as raised:
        dcirc(tmp_path, f"B=1\n{line}\n")
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"


def test_a_dcirc_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="Is a directory"):
        environment.read_dcirc(str(tmp_path))
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        environment.read_dcirc(str(tmp_path / "x"))
