"""The security page: each claim that begins with a bold sentence has tests, and figures are those of the program."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dci_downloader
from dci_downloader import container_images, environment
from dci_downloader.content import manifest
from dci_downloader.control import api, decoding
from dci_downloader.settings import yaml_file

ROOT = Path(__file__).parents[2]
PAGE = (Path(dci_downloader.__file__).parent / "docs" / "security.md").read_text(encoding="utf-8")

CLAIMS = {
    "A file is published only after its bytes hashed to what its manifest says.": """
        unit/test_store.py::test_wrong_content_is_refused_with_both_digests_and_leaves_nothing
        faults/test_published.py::test_a_fault_never_shows_in_the_mirror""",
    "A manifest is believed as a whole or not at all.": """
        integration/test_hostile_server.py::test_a_hostile_manifest_is_7_and_leaves_what_is_published
        property/test_nothing_outside.py::test_a_mirror_never_writes_outside_its_root""",
    "What was asked for by https is not taken from http.": """
        integration/test_trusted_hops.py::test_a_manifest_that_is_redirected_from_https_to_http_is_5_and_names_the_place
        integration/test_trusted_hops.py::test_an_answer_of_the_api_that_is_redirected_to_http_is_5
        integration/test_trusted_hops.py::test_files_may_come_over_http_because_their_digests_prove_them""",
    "A mirror that is named by `--from` decides what is mirrored, and nothing else.": """
        integration/test_mirrors_of_mirrors.py::test_no_other_host_is_asked_and_no_credential_is_read
        unit/test_upstream_mirror.py::test_what_is_refused_of_a_manifest_is_refused_of_a_record
        unit/test_upstream_mirror.py::test_nothing_that_identifies_is_sent_and_no_other_address_is_asked
        unit/test_upstream_mirror.py::test_a_record_that_is_not_what_it_should_be_is_7_and_publishes_nothing""",
    "A peer is asked for bytes, and believed in nothing.": """
        faults/test_hostile_peers.py::test_a_hostile_peer_costs_nothing_but_its_own_part""",
    "Records are input.": """
        unit/test_record.py::test_entries_that_no_manifest_may_hold_make_it_no_record
        unit/test_record.py::test_whoever_forges_the_identity_too_gains_nothing
        unit/test_record.py::test_an_entry_that_is_fine_by_itself_but_was_changed_does_not_fit_the_identity""",
    "What the store holds is hashed before it is copied.": """
        unit/test_tree.py::test_a_damaged_object_is_not_copied_into_a_tree
        unit/test_tree.py::test_nobody_may_read_a_copy_before_its_content_is_known""",
    "A proxy that is reached by https is verified": """
        integration/test_trusted_hops.py::test_a_proxy_that_nobody_vouches_for_gets_no_request_whatever_is_asked_for
        integration/test_trusted_hops.py::test_file_bytes_verify_the_proxy_as_api_calls_do""",
    "The remoteci's secret signs requests to the control server and goes nowhere.": """
        unit/test_session.py::test_the_object_store_sees_no_credentials
        unit/test_session.py::test_a_redirect_back_from_elsewhere_is_not_signed
        faults/test_children.py::test_the_login_is_on_no_command_line_and_in_no_environment""",
    "No secret is shown.": """
        unit/test_session.py::test_no_secret_is_logged
        unit/test_urls.py::test_no_password_and_no_query_is_ever_shown
        unit/test_checks.py::test_check_shows_every_value_with_its_origin_and_no_secret""",
    "An address that is none is not shown either.": """
        unit/test_proxy_urls.py::test_what_is_no_proxy_is_refused_and_not_shown
        integration/test_trusted_hops.py::test_a_variable_that_is_no_proxy_is_2_and_not_shown""",
    "The topic's login goes to registries that topic or settings name.": """
        unit/test_container_images.py::test_the_login_goes_to_no_registry_that_only_the_list_names
        unit/test_container_images.py::test_the_login_is_in_a_file_in_memory_and_nowhere_else
        unit/test_skopeo.py::test_a_login_is_for_what_topic_or_settings_name
        faults/test_children.py::test_a_second_signal_leaves_no_skopeo""",
    "Credentials that every user can read are told of": """
        unit/test_user_files.py::test_credentials_that_all_can_read_are_told_once""",
    "Nothing outside of DEST is opened, read, changed, linked or removed": """
        integration/test_hostile_disk.py::test_whatever_stands_in_records_and_journals_nothing_outside_is_touched
        integration/test_hostile_disk.py::test_nothing_in_a_mirror_leads_out_of_it""",
    "Symbolic links in the place of folders, objects and locks are not followed.": """
        unit/test_store.py::test_symlink_in_place_of_an_object_is_replaced_and_not_followed
        unit/test_store.py::test_folder_of_objects_that_leads_elsewhere_is_refused
        unit/test_locks.py::test_lock_file_that_is_a_symlink_is_refused
        unit/test_tree.py::test_nothing_is_written_through_a_symlink_of_the_manifest""",
    "A lock is not written into what has another name.": """
        unit/test_locks.py::test_nothing_is_written_into_a_file_that_has_another_name""",
    "Everybody may read what is published, and nobody write it.": """
        unit/test_publish.py::test_everybody_may_read_what_is_published_and_nobody_write_it_whatever_the_umask
        unit/test_files.py::test_a_group_may_write_only_in_its_own_folder_and_as_the_umask_says""",
    "`verify` needs no permission to write": """
        integration/test_mirror_safety.py::test_verify_needs_no_permission_to_write""",
    "Settings, credentials, log and metrics are regular files.": """
        unit/test_user_files.py::test_every_option_that_names_a_file_refuses_what_is_none""",
    "Nobody else leads log or metrics astray.": """
        unit/test_user_files.py::test_nobody_else_leads_what_is_written_astray_in_a_sticky_folder
        unit/test_user_files.py::test_metrics_take_neither_the_place_nor_the_content_of_what_somebody_else_put_there""",
    "What nobody named is used only where nobody else can have written it.": """
        unit/test_discovery.py::test_root_does_not_follow_the_settings_of_a_user_it_stands_in_for
        unit/test_discovery.py::test_what_every_user_may_write_is_not_used""",
    "A command after a publication sees no secret.": """
        unit/test_published_command.py::test_its_environment_holds_no_secret
        unit/test_published_command.py::test_no_shell_sees_its_words""",
    "Nobody else says what is run.": """
        unit/test_settings.py::test_a_command_that_every_user_can_change_is_not_run""",
    "What is printed for people cannot drive a terminal.": """
        unit/test_formatting.py::test_nothing_that_a_terminal_obeys_or_cannot_show_stays
        integration/test_streams.py::test_escape_codes_of_names_reach_no_stream""",
    "No answer takes more memory than its bound": """
        unit/test_http_client.py::test_a_bomb_is_an_answer_that_is_too_large_and_takes_little_memory
        unit/test_manifest.py::test_a_manifest_of_nothing_but_small_values_takes_no_memory""",
    "Numbers are read within bounds.": """
        property/test_headers_properties.py::test_a_content_length_is_a_number_of_bytes_or_nothing
        property/test_headers_properties.py::test_a_retry_after_is_a_number_of_seconds
        unit/test_bounded_json.py::test_json_beyond_its_bounds_is_a_value_error
        unit/test_listing.py::test_names_of_thousands_of_digits_are_sorted""",
    "YAML is read without its types.": """
        unit/test_bounded_yaml.py::test_plain_yaml_is_text_whatever_it_looks_like
        unit/test_bounded_yaml.py::test_a_megabyte_of_yaml_takes_seconds_at_most""",
    "No wait is without an end.": """
        unit/test_http_client.py::test_an_answer_that_drips_is_given_up_and_the_next_try_succeeds
        unit/test_container_images.py::test_a_registry_that_never_answers_ends_by_itself""",
}
"""Each claim of the page, and the tests of it below ``tests/``."""


def made() -> list[str]:
    return [" ".join(claim.split()) for claim in re.findall(r"^\* \*\*(.+?)\*\*", PAGE, re.MULTILINE | re.DOTALL)]


def test_every_claim_has_tests_and_no_test_is_for_a_claim_that_is_not_made():
    assert made() == list(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_tests_of_a_claim_are_there(claim):
    for test in CLAIMS[claim].split():
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_bounds_are_those_of_the_program():
    rows = dict(line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| a"))
    mebi, kibi = 2**20, 2**10
    assert rows == {
        "an answer of the control server": f"{api.MAX_RESPONSE // mebi} MiB, also once it is decoded, and "
        f"{decoding.MOST_VALUES:,} JSON values",
        "a manifest": f"{api.MAX_FILE // mebi} MiB, also once it is decoded, and {manifest.MOST_ENTRIES:,} entries",
        "a list of images": f"{container_images.MAX_LIST // mebi} MiB, {container_images.MOST_IMAGES:,} images",
        "a settings file, a `dcirc.sh`": f"{yaml_file.LARGEST_FILE // mebi} MiB, "
        f"{environment.LARGEST_DCIRC // kibi} KiB",
    }
