"""`sitegen models …`: the models of a site, the exports in the cache, and the pins of the lock."""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from .meant import cache_folder, ids_of, meant, pages_by_key
from .printed import NONE, VARIANT_HEAD, count, print_json, print_rows, size, variant_row

if TYPE_CHECKING:
    from ..models.describe import Description
    from ..models.exports import Export

DAY_S = 24 * 3600
SHORT = 12  # digits of a commit, as the hub shows them


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `models` and its own commands."""
    models = commands.add_parser(
        "models",
        help="list, inspect, export, verify, prune and update models",
        description="The models that a site names, the exports in the cache, and sitegen.lock.",
    )
    ways = models.add_subparsers(title="commands", required=True, metavar="COMMAND")

    listed = ways.add_parser("list", help="the exports in the cache")
    _add_json(listed)
    listed.set_defaults(run=_list)

    inspect = ways.add_parser("inspect", help="a model in figures, without exporting it")
    _add_spec(inspect)
    _add_json(inspect)
    inspect.set_defaults(run=_inspect)

    export = ways.add_parser("export", help="export a model into the cache")
    _add_spec(export)
    _add_json(export)
    export.set_defaults(run=_export)

    verify = ways.add_parser("verify", help="hash exports again and repeat their self-checks")
    verify.add_argument("ids", nargs="*", metavar="ID", help="default: every export in the cache")
    verify.set_defaults(run=_verify)

    prune = ways.add_parser("prune", help="delete exports that this site does not name")
    prune.add_argument("--all", action="store_true", help="also those that this site names")
    prune.add_argument(
        "--older-than",
        type=_days,
        default=0.0,
        metavar="DAYS",
        help="only those unused for so long",
    )
    prune.add_argument("--dry-run", action="store_true", help="delete nothing, say what would go")
    prune.set_defaults(run=_prune)

    update = ways.add_parser("update", help="pin hub models to their newest commits")
    update.add_argument(
        "ids", nargs="*", metavar="ID", help="default: every hub model that this site names"
    )
    update.set_defaults(run=_update)

    for way in ways.choices.values():
        way.add_argument(
            "--root", type=Path, default=Path(), metavar="FOLDER", help="the site; default: here"
        )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, sizes in bytes")


def _add_spec(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as a page names it, or its name in sitegen.toml")
    for name, text in (
        ("revision", "branch, tag or commit of a hub model"),
        ("quantization", "instead of what the site says"),
    ):
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument("--context", type=int, metavar="TOKENS", help="longest sequence")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


# -- commands ----------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> None:
    from ..models import Cache
    from ..models.exports import listed

    cache = Cache(cache_folder())
    pages = pages_by_key(options.root)
    exports = listed(cache)
    if options.json:
        print_json([_export_values(export, pages) for export in exports])
        return
    rows = []
    for export in exports:
        values = export.manifest
        rows.append(
            (
                values["id"],
                (values["revision"] or NONE)[:SHORT],
                values["quantization"],
                str(values["context_length"]),
                size(export.bytes),
                time.strftime("%Y-%m-%d", time.localtime(export.used)),
                ", ".join(pages.get(export.key, ())) or NONE,
            )
        )
    print_rows(("model", "revision", "quantization", "context", "size", "used", "named by"), rows)
    print(f"{cache.folder}: {count(len(exports), 'export')}, {size(_together(exports))}")


def _inspect(options: argparse.Namespace) -> None:
    from ..models.describe import describe
    from ..terminal import progress

    with progress("Asking") as say:
        found = [
            describe(spec, root=options.root, cache=cache_folder(), texts=texts, progress=say)
            for spec, texts in meant(options).items()
        ]
    _print_descriptions(found, options.json)


def _export(options: argparse.Namespace) -> None:
    from ..models import Cache, prepare
    from ..models.describe import describe
    from ..terminal import progress

    found, cache = [], cache_folder()
    with Cache(cache).reading(), progress("Exporting") as say:
        for spec, texts in meant(options).items():
            prepare(spec, root=options.root, cache=cache, texts=texts, progress=say)
            found.append(describe(spec, root=options.root, cache=cache, texts=texts))
    _print_descriptions(found, options.json)


def _verify(options: argparse.Namespace) -> None:
    from ..models import Cache
    from ..models.exports import drop, listed, verify
    from ..progress import about
    from ..terminal import progress

    cache = Cache(cache_folder())
    wanted = ids_of(options) if options.ids else set()
    exports = [e for e in listed(cache) if not wanted or e.manifest["id"] in wanted]
    unknown = wanted - {export.manifest["id"] for export in exports}
    if unknown:
        raise ModelError(
            f"there is no export of {min(unknown)!r} in the cache",
            where=cache.folder,
            hint="`sitegen models list` shows which there are.",
        )
    damaged: list[Export] = []
    with progress("Verifying") as say, cache.reading():
        for export in exports:
            verdict = verify(export, cache, about(export.title, say))
            say(f"{export.title}: {verdict.sentence}")
            damaged += [export] if verdict.damaged else []
    if damaged:
        drop(damaged, cache)
        raise ModelError(
            f"{len(damaged)} of {count(len(exports), 'export')} could not be relied upon; deleted",
            where=cache.folder,
            hint="The next build makes what it needs again.",
        )
    print(f"{cache.folder}: {count(len(exports), 'export')}, none damaged")


def _prune(options: argparse.Namespace) -> None:
    from ..config import FILE_NAME
    from ..models import Cache
    from ..models.exports import prune

    if not options.all and not any((options.root / n).exists() for n in (FILE_NAME, "content")):
        raise ModelError(
            "there is no site here, whose exports could be kept",
            where=options.root,
            hint="Name the site with --root; or delete whatever its site is with --all, perhaps "
            "--older-than 30.",
        )
    cache = Cache(cache_folder())
    keep = () if options.all else pages_by_key(options.root, sure=True)
    before = time.time() - options.older_than * DAY_S
    gone, freed = prune(cache, keep, before, pretend=options.dry_run)
    for export in gone:
        print(f"{export.title}: {size(export.bytes)}")
    done = "would be deleted" if options.dry_run else "deleted"
    print(f"{cache.folder}: {count(len(gone), 'export')} {done}, {size(freed)} freed")


def _update(options: argparse.Namespace) -> None:
    from ..models.source.pins import of_hub, update
    from ..site import named_models
    from ..terminal import progress

    named = of_hub(named_models(options.root), options.root)
    ids = ids_of(options)
    unknown = ids - {id for id, _ in named}
    if unknown:
        from ..schema import suggest

        known = sorted({id for id, _ in named})
        raise ModelError(
            f"no page of this site names a hub model {min(unknown)!r}",
            hint=suggest(min(unknown), known, title="They name") if known else "They name none.",
        )
    wanted = [pair for pair in named if not ids or pair[0] in ids]
    with progress("Asking") as say:
        moves = update(options.root, wanted, named, say)
    for move in moves:
        if move.new is None:
            became = "forgotten, because nothing names it any more"
        elif move.old is None:
            became = f"pinned to {move.new[:SHORT]}"
        elif move.old == move.new:
            became = f"stays at {move.new[:SHORT]}"
        else:
            became = f"{move.old[:SHORT]} → {move.new[:SHORT]}"
        print(f"{move.id} ({move.revision}): {became}")
    if not moves:
        print("This site names no model of the hub.")


# -- what is printed ---------------------------------------------------------------------------


def _export_values(export: Export, pages: dict[str, list[str]]) -> dict[str, object]:
    values = export.manifest
    used = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(export.used))
    names = ("id", "revision", "architecture", "parameters", "quantization", "context_length")
    return {
        **{name: values[name] for name in names},
        "variants": {variant["name"]: variant["bytes"] for variant in values["variants"]},
        "bytes": export.bytes,
        "used": used,
        "pages": pages.get(export.key, []),
        "key": export.key,
    }


def _print_descriptions(found: Sequence[Description], as_json: bool) -> None:
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for number, each in enumerate(found):
        if number:
            print()
        context = "not known" if each.context_length is None else f"{each.context_length} tokens"
        rows = [
            ("model", each.id),
            ("revision", each.revision or NONE),
            ("architecture", each.architecture),
            ("parameters", f"{each.parameters:,}"),
            ("context", context),
            ("licence", each.licence or "not named in the model card"),
            ("weights", f"{size(each.source_bytes)} as published"),
            ("quantization", each.quantization),
            *_vocabulary_rows(each),
            ("exported", "yes" if each.exported else each.problem or "not yet"),
            *(("hint", line.strip()) for line in (each.hint or "").splitlines()),
        ]
        print_rows((), rows)
        print()
        sizes = {name: size(download) for name, download in each.variants.items()}
        if each.quality is None:
            print_rows(VARIANT_HEAD[:2], [(n, f"about {shown}") for n, shown in sizes.items()])
        else:
            print_rows(VARIANT_HEAD, [variant_row(n, sizes[n], q) for n, q in each.quality.items()])


def _vocabulary_rows(found: Description) -> list[tuple[str, str]]:
    kept = found.vocabulary
    if kept is None:
        return []
    saved = ", ".join(f"{size(number)} of {name}" for name, number in kept["bytes_saved"].items())
    return [
        ("vocabulary", f"{kept['kept']:,} of {kept['tokens']:,} tokens"),
        ("saved", f"about {saved}"),
    ]


def _together(exports: Collection[Export]) -> int:
    """Bytes on disk, a shared file counted once."""
    files: dict[str, int] = {}
    for export in exports:
        files.update(export.files)
    return sum(files.values())
