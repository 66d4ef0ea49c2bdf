"""What an error says can be shown by any terminal."""

import pickle

from lassovae import InputError


def test_a_message_is_shown_without_what_steers_a_terminal():
    error = InputError("row 2: \x1b[2J\x07a\u202eb is missing\nand so is é")
    assert str(error) == "row 2: \\x1b[2J\\x07a\\u202eb is missing\nand so is é"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # made in this line


def test_a_message_of_any_length_is_cut_in_its_middle():
    error = str(InputError("file.csv: " + "x" * 100_000 + "; shorten it"))
    assert len(error) < 4100
    assert error.startswith("file.csv: xxx")
    assert error.endswith("xxx; shorten it")
