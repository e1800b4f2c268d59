"""No buckets: a file or folder is named by the noun it owns, so that it has an end. One word for one thing."""

import re

from support import tree

BUCKETS = {
    "util", "utils", "utilities", "helper", "helpers", "common", "misc", "manager", "managers", "constants",
    "models", "service", "shared", "base", "stuff", "lib",
}  # fmt: skip


WORDS = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*|__init__|__main__")
OTHER_WORDS_FOR_CLIENT = re.compile(r"\b(tenant|customer|org|organisation|organization)_id\b")


def names(path):
    return [*path.parts[:-1], path.stem]


def test_no_file_or_folder_is_a_bucket():
    assert not [str(path) for path in tree.modules(*tree.SOURCES, "tests") if set(names(path)) & BUCKETS]


def test_names_are_lower_case_words():
    modules = tree.modules(*tree.SOURCES, "tests")
    assert not [str(path) for path in modules if not all(WORDS.fullmatch(name) for name in names(path))]


def test_the_column_of_a_tenant_is_client_id():
    # `tenant` is the field's word (tenant isolation); the product's word, in every table, is client.
    schemas = [path for path in tree.files() if path.suffix == ".sql"]
    assert schemas
    assert not [str(path) for path in schemas if OTHER_WORDS_FOR_CLIENT.search(tree.text(path))]
