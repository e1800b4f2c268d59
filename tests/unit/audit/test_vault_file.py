"""02.4: OpenBao's audit file is read whole, whatever happens to it: torn, rotated, copied, replaced, cut."""

import random

import pytest

from audit import vault_file
from audit.vault_file import read_on


class Reader:
    """Reads on like the collector, remembering its place and all it was given."""

    def __init__(self, path):
        self.path = path
        self.position = None
        self.lines = []

    def read(self):
        """All there is, in as many pieces as it takes."""
        new = []
        while piece := read_on(self.path, self.position):
            new += piece.lines
            self.position = piece.end
        self.lines += new
        return new


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.log"


@pytest.fixture
def reader(path):
    return Reader(path)


def append(path, text):
    with path.open("ab") as file:
        file.write(text)


def test_no_file_yet(reader):
    assert reader.read() == []


def test_no_whole_line_yet(path, reader):
    append(path, b"one, with")
    assert reader.read() == []
    append(path, b"out end\ntwo")
    assert reader.read() == [b"one, without end"]
    append(path, b"\n")
    assert reader.read() == [b"two"]


def test_nothing_new_is_nothing(path, reader):
    append(path, b"one\n")
    assert reader.read() == [b"one"]
    assert reader.read() == []


def test_a_reader_that_starts_anew_goes_on_where_it_was(path, reader):
    append(path, b"one\ntwo\n")
    reader.read()
    again = Reader(path)
    again.position = reader.position
    append(path, b"three\n")
    assert again.read() == [b"three"]


def test_rotated_by_renaming(path, reader):
    append(path, b"one\n")
    reader.read()
    append(path, b"two\n")
    path.rename(path.with_name("audit.log.1"))
    append(path.with_name("audit.log.1"), b"three, before OpenBao reopened\n")
    assert reader.read() == [b"two", b"three, before OpenBao reopened"]
    append(path, b"four\n")
    assert reader.read() == [b"four"]


def test_the_torn_end_of_a_rotated_file_is_handed_out(path, reader):
    append(path, b"one\n")
    reader.read()
    append(path, b"torn")
    path.rename(path.with_name("audit.log.1"))
    append(path, b"two\n")
    assert reader.read() == [b"torn", b"two"]


def test_rotated_by_copying(path, reader):
    append(path, b"one\n")
    reader.read()
    append(path, b"two\n")
    path.with_name("audit.log-20261124").write_bytes(path.read_bytes())
    path.write_bytes(b"three\n")
    assert reader.read() == [b"two", b"three"]


def rotate(path, to, line):
    path.rename(path.with_name(to))
    append(path, line)


def test_rotated_between_two_looks_of_one_reading(path, reader, monkeypatch):
    append(path, b"one\n")
    reader.read()
    rotate(path, "audit.log-1", b"two\n")
    listed = vault_file._files
    answers = []

    def then_rotated(of):
        answers.append(listed(of))
        if len(answers) == 1:
            rotate(path, "audit.log-2", b"three\n")
        return answers[-1]

    monkeypatch.setattr(vault_file, "_files", then_rotated)
    assert reader.read() == []
    assert reader.read() == [b"two", b"three"]


def test_rotated_between_looking_and_reading(path, reader, monkeypatch, caplog):
    append(path, b"one\n" * 3)
    reader.read()
    append(path, b"two\n")
    first_line = vault_file._first_line

    def then_rotated(of):
        found = first_line(of)
        if not path.with_name("audit.log-1").exists():
            rotate(path, "audit.log-1", b"three\n")
        return found

    monkeypatch.setattr(vault_file, "_first_line", then_rotated)
    assert reader.read() == []
    assert reader.read() == [b"two", b"three"]
    assert not caplog.records


def test_rotated_more_than_once_unseen(path, reader):
    append(path, b"one\n")
    reader.read()
    for number, line in enumerate([b"two", b"three", b"four"], 1):
        append(path, line + b"\n")
        path.rename(path.with_name(f"audit.log.{number}"))
    append(path, b"five\n")
    assert reader.read() == [b"two", b"three", b"four", b"five"]


def test_a_first_start_begins_with_the_oldest(path, reader):
    append(path, b"one\n")
    path.rename(path.with_name("audit.log.1"))
    append(path, b"two\n")
    assert reader.read() == [b"one", b"two"]


def test_replaced_by_another_of_the_same_inode(path, reader, caplog):
    append(path, b"one\ntwo\n")
    reader.read()
    path.write_bytes(b"a new first line that is long\n")
    assert reader.read() == [b"a new first line that is long"]
    assert "is gone" in caplog.text


def test_cut_short_is_said_and_read_again(path, reader, caplog):
    append(path, b"one\ntwo\n")
    reader.read()
    path.write_bytes(b"one\n")
    assert reader.read() == [b"one"]
    assert "cut short" in caplog.text


def test_removed_for_a_while(path, reader):
    append(path, b"one\n")
    reader.read()
    path.unlink()
    assert reader.read() == []


def test_a_line_longer_than_a_piece(path, reader, monkeypatch):
    monkeypatch.setattr(vault_file, "_PIECE", 8)
    append(path, b"x" * 100 + b"\ny\n" + b"z" * 33 + b"\n")
    assert reader.read() == [b"x" * 100, b"y", b"z" * 33]


def test_a_line_without_end_does_not_stop_the_reader(path, reader, monkeypatch):
    monkeypatch.setattr(vault_file, "_PIECE", 8)
    monkeypatch.setattr(vault_file, "_LONGEST", 32)
    append(path, b"first\n" + b"x" * 100 + b"\nlast\n")
    reader.read()
    assert b"".join(reader.lines) == b"first" + b"x" * 100 + b"last"
    assert reader.lines[-1] == b"last"


@pytest.mark.parametrize("seed", range(20))
def test_every_line_once_and_in_order_however_it_is_written(path, reader, monkeypatch, seed):
    chance = random.Random(seed)
    monkeypatch.setattr(vault_file, "_PIECE", chance.choice([4, 64, 4096]))
    lines = [f"{seed}-{n}-".encode() + b"x" * chance.randrange(60) for n in range(200)]
    text = b"".join(line + b"\n" for line in lines)
    rotated = 0
    while text:
        size = chance.randrange(1, 300)
        append(path, text[:size])
        ends_a_line = text[:size].endswith(b"\n")
        text = text[size:]
        if chance.random() < 0.5:
            reader.read()
        if ends_a_line and chance.random() < 0.3:
            rotated += 1
            path.rename(path.with_name(f"audit.log.{rotated}"))
    reader.read()
    assert reader.lines == lines
