"""How an option of train.py is declared: a dataclass field that becomes a flag."""

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from typing import Any

from utils.flags import boolean, fraction, image_side, natural_float, natural_int, positive_float, positive_int

METAVARS = {
    natural_int: "N",
    positive_int: "N",
    image_side: "PX",
    natural_float: "X",
    positive_float: "X",
    fraction: "X",
    str: "FILE",
}


def option(
    group: str,
    default: Any,
    parse: Callable[[str], Any] | Sequence[str],
    help: str,
    *,
    metavar: str | None = None,
    nargs: str | None = None,
    changes_result: bool = True,
    resumed: bool = True,
    exclusive: str | None = None,
) -> Any:
    """Declare an option as a dataclass field.

    Args:
        group: heading in --help.
        default: None for a value that `resolve` fills in.
        parse: function that parses the value, `bool` for a switch, or the allowed values.
        help: the line in --help.
        metavar, nargs: of `ArgumentParser.add_argument`.
        changes_result: whether another value leads to other weights; --resume then warns.
        resumed: whether --resume takes the value from the checkpoint.
        exclusive: name of a set of options of which only one can be given.
    """
    if parse is bool:  # `--flag` alone means true
        arguments = {"type": boolean, "nargs": "?", "const": True, "metavar": "BOOL"}
    elif callable(parse):
        arguments = {"type": parse, "nargs": nargs, "metavar": metavar or METAVARS.get(parse)}
    else:
        arguments = {"choices": parse}
    metadata = {
        "group": group,
        "exclusive": exclusive,
        "resumed": resumed,
        "changes_result": changes_result and resumed,
        "argparse": {"default": default, "help": help, **arguments},
    }
    return field(default=default, metadata=metadata)


def best_or_epoch(text: str) -> str:
    """Parse `best` or an epoch."""
    return text if text == "best" else str(positive_int(text))


(
    data_option,
    recipe_option,
    network_option,
    schedule_option,
    optimizer_option,
    dev_option,
    hardware_option,
    run_option,
) = (
    partial(option, group)
    for group in ("data", "recipe", "network", "schedule", "optimizer", "dev set", "hardware", "run")
)
