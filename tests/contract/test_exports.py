"""The public names, signatures and commands. A change here is a change for users."""

from __future__ import annotations

import argparse
import inspect
import types
from collections.abc import Callable

import strop
from strop import errors
from strop.commands import arguments

ALL = [
    "BlankPicture",
    "BundleError",
    "Counts",
    "DeviceUnavailable",
    "EngineUnavailable",
    "InputError",
    "InstallError",
    "LabelSet",
    "Model",
    "ParityError",
    "Prediction",
    "StropError",
    "StropWarning",
    "Watched",
    "load",
    "watch",
]


def test_the_exported_names() -> None:
    assert strop.__all__ == ALL == sorted(ALL)


def test_nothing_else_of_ours_is_in_the_open() -> None:
    ours = [
        name
        for name in dir(strop)
        if not name.startswith("_")
        and not isinstance(getattr(strop, name), types.ModuleType)
        and getattr(getattr(strop, name), "__module__", "").startswith("strop")
    ]
    assert ours == ALL


def test_a_star_import_gives_the_exported_names() -> None:
    space: dict[str, object] = {}
    exec("from strop import *", space)
    assert sorted(space.keys() - {"__builtins__"}) == ALL


def test_the_signatures() -> None:
    functions: dict[str, Callable[..., object]] = {
        "load": strop.load,
        "watch": strop.watch,
        "predict": strop.Model.predict,
        "classify": strop.Model.classify,
        "prediction": strop.Model.prediction,
        "counts": strop.Model.counts,
        "close": strop.Model.close,
    }
    assert {name: str(inspect.signature(function)) for name, function in functions.items()} == {
        "load": (
            "(path: 'str | PathLike[str]', *, engine: 'str | None' = None, "
            "device: 'str | None' = None, precision: 'str | None' = None, "
            "threads: 'int | None' = None, sessions: 'int | None' = None, "
            "trusted_keys: 'str | PathLike[str] | Sequence[str] | None' = None, "
            "count_every: 'int | None' = None) -> 'Model'"
        ),
        "watch": (
            "(folder: 'str | PathLike[str]', *, interval_s: 'float' = 1.0, **options: 'Any') "
            "-> 'Watched'"
        ),
        "predict": "(self, inputs: 'Any') -> 'Any'",
        "classify": (
            "(self, image: 'str | PathLike[str] | Any', *, output: 'str | None' = None) -> 'Any'"
        ),
        "prediction": ("(self, output: 'NDArray[np.float32]', name: 'str | None' = None) -> 'Any'"),
        "counts": "(self) -> 'Counts'",
        "close": "(self) -> 'None'",
    }


def test_the_fields_of_a_prediction() -> None:
    assert strop.Prediction._fields == ("label", "probability", "class_index", "probabilities")
    assert strop.LabelSet._fields == ("labels", "probabilities")


def test_the_attributes_of_a_model() -> None:
    from strop.bundle.file import parse_bundle
    from strop.model.select import choose, open_model
    from tests import bundles

    bundle = parse_bundle(bundles.image().pack())
    with open_model(bundle, choose(bundle.manifest)) as model:
        assert [name for name in sorted(vars(model)) if not name.startswith("_")] == [
            *("adapter", "device", "engine", "engine_version", "format", "input", "inputs"),
            *("labels", "name", "output", "outputs", "precision", "structure", "threads"),
            *("tuned", "version"),
        ]


def test_the_tree_of_errors() -> None:
    tree = {
        name: [base.__name__ for base in error.__bases__]
        for name, error in vars(errors).items()
        if isinstance(error, type)
    }
    assert tree == {
        "StropError": ["Exception"],
        "BundleError": ["StropError"],
        "EngineUnavailable": ["StropError"],
        "DeviceUnavailable": ["StropError"],
        "InputError": ["StropError", "ValueError"],
        "BlankPicture": ["InputError"],
        "InstallError": ["StropError"],
        "RegistryError": ["StropError"],
        "ChannelError": ["StropError"],
        "ReportError": ["StropError"],
        "ParityError": ["StropError"],
        "StropWarning": ["RuntimeWarning"],
    }
    drawn = errors.__doc__ or ""
    assert all(name in drawn for name in tree)


def test_the_commands_and_their_options() -> None:
    parser = arguments.parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    assert {
        name: [
            (action.option_strings or [action.dest])[-1]
            for action in command._actions
            if action.dest != "help"
        ]
        for name, command in commands.choices.items()
    } == {
        "info": ["bundle", "--trusted-keys", "--json"],
        "run": [
            *("bundle", "inputs", "--output", "--explain", "--engine", "--precision", "--device"),
            *("--threads", "--trusted-keys", "--json"),
        ],
        "check": [
            *("bundle", "--serial", "--baud", "--engine", "--precision", "--device", "--timeout"),
            *("--trusted-keys", "--json"),
        ],
        "bench": [
            *("bundle", "--samples", "--engine", "--precision", "--device", "--threads"),
            *("--batch", "--trusted-keys", "--json"),
        ],
        "completion": ["shell"],
        "doctor": ["--timeout", "--json"],
        "drift": [
            *("bundle", "counts", "--devices", "--since", "--picture", "--trusted-keys", "--json"),
        ],
        "help": ["topic"],
        "history": ["folder", "--json"],
        "install": [
            *("bundle", "--into", "--allow-downgrade", "--keep", "--wait", "--timeout"),
            *("--trusted-keys", "--json"),
        ],
        "agent": ["settings", "--once", "--forget", "--json"],
        "rollout": ["plan", "--dry-run", "--stop", "--again", "--json"],
        "push": ["bundle", "reference", "--since", "--replace", "--trusted-keys", "--json"],
        "pull": [
            *("reference", "--channel", "--root", "--base", "--output", "--trusted-keys"),
            "--json",
        ],
        "channels": [
            *("--root", "--create", "--renew", "--replace-key", "--days", "--accept-older"),
            *("repository", "--keys", "--json"),
        ],
        "promote": [
            *("repository", "source", "channel", "--allow-downgrade", "--allow-stopped"),
            *("--keys", "--trusted-keys", "--json"),
        ],
        "keygen": ["key", "--comment", "--json"],
        "rollback": ["folder", "--wait", "--timeout", "--trusted-keys", "--json"],
        "serve": [
            *("bundles", "--host", "--port", "--token-file", "--repository-api"),
            *("--count-every", "--counts", "--max-body"),
            *("--max-requests", "--max-connections", "--read-timeout", "--wait-timeout"),
            *("--stop-timeout", "--log-requests", "--engine", "--precision", "--device"),
            *("--threads", "--trusted-keys", "--json"),
        ],
        "sign": ["bundle", "--key", "--output", "--replace", "--json"],
        "sweep": ["bundle", "--batches", "--engine", "--precision", "--trusted-keys", "--json"],
        "tune": ["bundle", "--threads", "--device", "--batch", "--trusted-keys", "--json"],
        "verify": ["bundle", "--trusted-keys", "--json"],
    }
