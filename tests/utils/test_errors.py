"""The exit status and message of an exception in a script."""

import pytest

from utils.errors import UserError, run


def outcome_of(error: BaseException, capsys) -> tuple[int, str]:
    def main():
        raise error

    with pytest.raises(SystemExit) as stop:
        run(main)
    return stop.value.code, capsys.readouterr().err


def test_a_user_error_exits_with_its_message_and_status_2(capsys):
    assert outcome_of(UserError("a.txt:3: found x"), capsys) == (2, "error: a.txt:3: found x\n")


def test_a_user_error_in_a_worker_is_shown_without_traceback(capsys):
    message = "Caught UserError in DataLoader worker process 0.\nTraceback:\n  ...\nutils.errors.UserError: a.jpg: bad"
    assert outcome_of(UserError(message), capsys) == (2, "error: a.jpg: bad\n")


def test_an_os_error_names_its_file(capsys):
    assert outcome_of(PermissionError(13, "Permission denied", "a.txt"), capsys) == (
        2,
        "error: a.txt: Permission denied\n",
    )


def test_ctrl_c_exits_with_status_130(capsys):
    assert outcome_of(KeyboardInterrupt(), capsys) == (130, "interrupted\n")


def test_a_message_of_several_lines_is_joined(capsys):
    assert outcome_of(UserError("a\nb.txt: found x"), capsys) == (2, "error: a b.txt: found x\n")


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(5, "of no file")])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run(lambda: (_ for _ in ()).throw(error))
