"""Which models a page uses, by which name: its own, and those of sitegen.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config import NAME_PATTERN, ModelSpec
from ..errors import ContentError, Where
from ..schema import suggest
from .front_matter import FrontMatter
from .marks import Marked


@dataclass(frozen=True)
class Declared:
    """The models a page may use."""

    own: Mapping[str, ModelSpec]
    """Named in its front matter."""
    default: str | None
    """The one a block means that names none."""
    shared: Mapping[str, ModelSpec]
    """Of sitegen.toml."""
    places: Mapping[str, Where]
    """Where each own model is named."""

    def pick(self, name: str | None, where: Where) -> tuple[str, ModelSpec]:
        """The model a block means. Raises ContentError where that is not clear."""
        everything = {**self.shared, **self.own}
        if name is not None:
            if name in everything:
                return name, everything[name]
            raise ContentError(
                f'there is no model "{name}" for this page',
                where=where,
                hint=suggest(name, everything, title="It may use")
                if everything
                else "Name one in the front matter: model: builtin:storyteller",
            )
        if self.default:
            return self.default, everything[self.default]
        choice = self.own or self.shared
        if len(choice) == 1:
            return next(iter(choice.items()))
        if choice:
            raise ContentError(
                "this block does not say which model it means",
                where=where,
                hint=f"Write in the block: model: NAME, one of {', '.join(choice)}.",
            )
        raise ContentError(
            "this page has an app block and no model",
            where=where,
            hint="Name one in the front matter: model: builtin:storyteller",
        )


def declared(
    matter: FrontMatter, marked: Marked, shared: Mapping[str, ModelSpec], root: Path
) -> Declared:
    """The models that front matter names. Raises ContentError with the line of the mistake."""
    own: dict[str, ModelSpec] = {}
    places: dict[str, Where] = {}
    for name, spec in matter.models.items():
        where = places[name] = marked.where(("models", name), True)
        own[name] = _resolve(spec, shared, root, marked.where(("models", name, "id"), False))
        _check_name(name, own[name], shared, where)
    if matter.model is None:
        return Declared(own, None, shared, places)
    where = marked.where(("model", "id"), False)
    spec = ModelSpec(**matter.model.model_dump(exclude={"name"}, exclude_unset=True))
    if spec.id in own:
        return Declared(own, spec.id, shared, places)
    default = matter.model.name or (spec.id if spec.id in shared else _last_part(spec.id))
    spec = _resolve(spec, shared, root, where)
    _check_name(default, spec, {**shared, **own}, where)
    return Declared({**own, default: spec}, default, shared, {**places, default: where})


def _resolve(
    spec: ModelSpec, shared: Mapping[str, ModelSpec], root: Path, where: Where
) -> ModelSpec:
    if spec.id in shared:
        if spec != ModelSpec(id=spec.id):
            raise ContentError(
                f'"{spec.id}" is a model of sitegen.toml, and this page changes it',
                where=where,
                hint=f"Write the settings under [models.{spec.id}], or give the model's own id.",
            )
        return shared[spec.id]
    if spec.id.startswith("."):
        if not os.path.isdir(root / spec.id):  # also False for a name too long to exist
            raise ContentError(
                f'there is no model folder "{spec.id}"',
                where=where,
                hint="Folders are relative to the site's own folder, where sitegen.toml stands.",
            )
    elif not re.match(r"builtin:.|/|~|[\w.-]+/[\w.-]+\Z", spec.id):
        raise ContentError(
            f'there is no model "{spec.id}"',
            where=where,
            hint=suggest(spec.id, [*shared, "builtin:storyteller", "./FOLDER", "ORG/NAME"]),
        )
    return spec


def _last_part(model_id: str) -> str:
    return re.split(r"[/:]", model_id.rstrip("/"))[-1]


def _check_name(name: str, spec: ModelSpec, taken: Mapping[str, ModelSpec], where: Where) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ContentError(
            f'"{name}" cannot be the name of a model',
            where=where,
            hint='Give it one of letters, digits, ".", "_" and "-": model: {id: …, name: my-model}',
        )
    if taken.get(name, spec) != spec:
        raise ContentError(
            f'two different models are called "{name}"',
            where=where,
            hint=f'The other one is "{taken[name].id}". Give this one a name of its own: '
            "model: {id: …, name: my-model}",
        )
