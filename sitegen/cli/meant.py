"""What the arguments of a `models` command mean: models, and the exports that a site names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from ..config import ModelSpec
    from ..texts import Texts


def cache_folder() -> Path:
    """Where exports are kept."""
    from .. import config

    return config.cache_folder()


def pages_by_key(root: Path, *, sure: bool = False) -> dict[str, list[str]]:
    """The key of every export that the site in `root` names → its pages, or sitegen.toml.

    sure: raise ModelError for a model whose export cannot be told; else it is left out.
    """
    from ..config import FILE_NAME
    from ..models import key_of
    from ..site import named_models

    found = {}
    for spec, named in named_models(root).items():
        try:
            key = key_of(spec, root=root, cache=cache_folder(), texts=named.texts)
        except ModelError as error:  # a folder that is not whole, a damaged lock
            if not sure:
                continue
            raise ModelError(
                f"nothing is deleted, because the export of {spec.id!r} cannot be told from "
                f"others: {error.problem}",
                where=error.where,
                hint=error.hint or "Mend that, or delete whatever is old: --all --older-than 30.",
            ) from None
        if key is not None:
            pages = [page.relative_to(root).as_posix() for page in named.pages]
            found[key] = sorted(pages) or [FILE_NAME]
    return found


def ids_of(options: argparse.Namespace) -> set[str]:
    """The IDs of the arguments, those that are names of the site spelled out."""
    from ..site import named_models

    called = {
        name: s.id for s, named in named_models(options.root).items() for name in named.places
    }
    return {called.get(id, id) for id in options.ids}


def meant(options: argparse.Namespace) -> dict[ModelSpec, Texts]:
    """The models that ID and the options name, as the site spells them out where it does, and the
    texts that decide about a pruned vocabulary and a calibration."""
    from ..config import ModelSpec
    from ..errors import Where
    from ..schema import suggest, validate
    from ..site import named_models
    from ..texts import SILENCE

    changes = {
        key: value
        for key in ("revision", "quantization", "context")
        if (value := getattr(options, key)) is not None
    }
    site = named_models(options.root)
    asked: list[tuple[dict[str, Any], Texts]] = [
        (spec.model_dump(exclude_unset=True), named.texts)
        for spec, named in site.items()
        if options.id == spec.id or options.id in named.places
    ]
    names = sorted({name for named in site.values() for name in named.places})
    if not asked and names and not set(options.id) & set("/\\:."):
        raise ModelError(
            f"no model of this site is called {options.id!r}",
            hint=suggest(options.id, names, title="It has")
            + " Else write builtin:NAME, ORG/NAME or ./FOLDER.",
        )
    return {
        validate(
            ModelSpec,
            values | changes,
            locate=lambda keys, _: Where(f"--{keys[0]}" if keys else options.id),
            error=ModelError,
            subject="the options",
        ): texts
        for values, texts in asked or [({"id": options.id}, SILENCE)]
    }
