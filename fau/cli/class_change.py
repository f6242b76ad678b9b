"""A class that takes another's place in a configuration starts from its own defaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import Namespace, _typehints


@contextmanager
def own_defaults() -> Iterator[None]:
    """While it lasts, parsing hands no setting on from a class to another that takes its place.

    jsonargparse keeps what both classes would accept: another network would get GLA-CNN's ``input_size``. It has no
    setting for this, and its flags and files all ask one function of its own what to discard (4.53): here
    everything. A class that is merely named again keeps its settings.
    """
    library = _typehints.discard_init_args_on_class_path_change
    _typehints.discard_init_args_on_class_path_change = _discard
    try:
        yield
    finally:
        _typehints.discard_init_args_on_class_path_change = library


def _discard(_: object, before: Any, after: Any) -> None:
    """Empty in place the settings of a class, as dictionary or namespace, if another's replace them."""
    if before and before["class_path"] != after["class_path"]:
        if "init_args" in before:
            before["init_args"] = Namespace()  # type: ignore[no-untyped-call]
        before.pop("dict_kwargs", None)
