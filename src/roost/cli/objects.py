"""`roost get`, `apply`, `explain`: any kind there is, also one that has no commands of its own.

Which kinds there are is discovered; a new one needs nothing here.
"""

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.difference import difference, tell
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.manifests import collection, kind_named, read_documents, send
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, output, pass_session, target
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from roost.model.resource import Resource

STEP: Final = re.compile(r'([A-Za-z0-9_]+)(?:\[\?\(@\.([A-Za-z]+)=="([^"]*)"\)\])?')


def _kinds(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from roost.kernel.discovery import kinds

    return [kind.PLURAL for kind in kinds() if kind.PLURAL.startswith(incomplete.lower())]


def _objects(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    session, word = ctx.find_object(Session), ctx.params.get("kind")
    try:
        if session is None or not word:
            return []
        found = session.api.items(collection(session, kind_named(word)))["items"]
    except Failure:
        return []  # Nobody wants an error between two presses of Tab.
    return [name for name in map(out.name_of, found) if name.startswith(incomplete)]


def path_value(row: Any, path: str) -> str:
    """What stands at a path of a kind's column: `.a.b`, or `.a[?(@.type=="Ready")].b`."""
    found = row
    for key, field, value in STEP.findall(path):
        found = found.get(key) if isinstance(found, Mapping) else None
        if field:
            items = found if isinstance(found, list) else []
            found = next((item for item in items if item.get(field) == value), None)
    return "-" if found is None or found == "" else str(found)


def columns(kind: "type[Resource]") -> tuple[out.Column, ...]:
    """The columns of a kind, as `kubectl get` shows them."""
    made = [out.Column("NAME", out.name_of)]
    for title, path, type_ in kind.COLUMNS:
        if type_ == "date":
            made.append(out.age(path.lstrip("."), title.upper()))
        else:
            made.append(out.Column(title.upper(), lambda row, path=path: path_value(row, path)))  # type: ignore[misc]
    if not any(type_ == "date" for _, _, type_ in kind.COLUMNS):
        made.append(out.age())
    return tuple(made)


@command("get", examples=("roost get apps -e prod", "roost get release shop-v7 -o yaml", "roost get tenants"))
@click.argument("kind", shell_complete=_kinds)
@click.argument("name", required=False, shell_complete=_objects)
@target("env")
@output
@pass_session
def get(session: Session, kind: str, name: str | None) -> None:
    """List the objects of any kind, or show one."""
    wanted = kind_named(kind)
    if name is None:
        found = session.api.items(collection(session, wanted))
        out.show_list(found, columns(wanted), session.output)
        return
    one = session.api.get(collection(session, wanted, name))
    if session.output in ("table", "wide"):
        out.table([one], columns(wanted), wide=session.output == "wide")
    else:
        out.show_one(one, session.output, lambda: None)


@command(
    "apply", examples=("roost apply -f app.yaml", "roost apply -f deploy/ --dry-run", "cat app.yaml | roost apply -f -")
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Objects in YAML or JSON; - is standard input, a directory all files in it.",
)
@dry_run
@target("env")
@output
@pass_session
def apply(session: Session, files: tuple[str, ...], dry_run: bool) -> None:
    """Create or change objects from files; what the files do not mention stays."""
    # All are read before the first is sent: a file that cannot be read changes nothing.
    documents = list(read_documents(session, files))
    if not documents:
        raise Failure(tr("There is no object in it."), code=USAGE)
    results = []
    for document in documents:
        done = send(session, document, dry_run)
        results.append(done.after)
        if not session.machine:
            out.write(done.told)
            if dry_run:
                tell(difference(out.at(done.before, "spec", {}), out.at(done.after, "spec", {})))
    if session.machine:
        out.show_list({"items": results}, (), session.output)
    elif dry_run:
        out.say(tr("It would be done; nothing was changed."))


# What fields there are


@command("explain", examples=("roost explain app", "roost explain app.processes.health"))
@click.argument("path", metavar="KIND[.FIELD...]", shell_complete=_kinds)
@output
@pass_session
def explain(session: Session, path: str) -> None:
    """Tell what a kind is and what its fields mean: type, bounds, default."""
    word, *rest = path.split(".")
    kind = kind_named(word)
    rest = rest[1:] if rest[:1] == ["spec"] else rest
    model, told = _inner(kind.model_fields["spec"].annotation), inspect.cleandoc(kind.__doc__ or "")
    for index, name in enumerate(rest):
        info = _field(model, name)
        if info is None:
            known = ", ".join(str(key) for key, _ in _fields(model))
            raise Failure(
                tr("{path} has no field {name!r}.", path=".".join([word, *rest[:index]]), name=name),
                why=tr("There are: {names}.", names=known or "-"),
                code=USAGE,
            )
        model = _inner(info.annotation)
        told = info.description or inspect.cleandoc((model.__doc__ if model else "") or "") or told
    rows = [_row(name, info) for name, info in _fields(model)]
    if session.machine:
        out.show_list({"items": rows}, (), session.output)
        return
    out.facts([("Kind", kind.KIND), ("Field", ".".join(["spec", *rest]))])
    out.write("\n" + told)
    if rows:
        out.write("")
        out.table(rows, EXPLAINED)


EXPLAINED = (
    out.field("FIELD", "name"),
    out.field("TYPE", "type"),
    out.field("DEFAULT", "default"),
    out.field("BOUNDS", "bounds"),
    out.field("WHAT", "description"),
)


def _is_model(type_: Any) -> bool:
    from pydantic import BaseModel

    return isinstance(type_, type) and issubclass(type_, BaseModel)


def _inner(type_: Any) -> Any:
    """The model in a type: of `X | None`, `tuple[X, ...]`, `dict[str, X]` and `Annotated[X, ...]` it is X."""
    if _is_model(type_):
        return type_
    for part in get_args(type_):
        found = _inner(part)
        if _is_model(found):
            return found
    return None


def _fields(model: "type[BaseModel] | None") -> Iterator[tuple[str, "FieldInfo"]]:
    if model is not None:
        yield from ((info.alias or name, info) for name, info in model.model_fields.items())


def _field(model: "type[BaseModel] | None", name: str) -> "FieldInfo | None":
    return next((info for key, info in _fields(model) if key == name), None)


def _type(type_: Any) -> str:
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Literal:
        return " | ".join(str(item) for item in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(_type(item) for item in arguments if item is not type(None))
    if origin is tuple:
        return f"[{_type(arguments[0])}]"
    if origin is dict:
        return f"{{{_type(arguments[0])}: {_type(arguments[1])}}}"
    if arguments and origin is not None:
        return _type(arguments[0])
    name = str(type_.__name__)
    return {"str": "text", "int": "number", "float": "number", "bool": "yes/no"}.get(name, name)


def _row(name: str, info: "FieldInfo") -> dict[str, str]:
    default = "" if info.is_required() else info.get_default(call_default_factory=True)
    plain = isinstance(default, str | int | bool) and default != ""
    bounds = []
    for item in info.metadata:
        for key, sign in (
            ("ge", ">="),
            ("gt", ">"),
            ("le", "<="),
            ("lt", "<"),
            ("min_length", "length >="),
            ("max_length", "length <="),
        ):
            if getattr(item, key, None) is not None:
                bounds.append(f"{sign} {getattr(item, key)}")
    return {
        "name": name + ("*" if info.is_required() else ""),
        "type": _type(info.annotation),
        "default": str(default).lower() if isinstance(default, bool) else str(default) if plain else "",
        "bounds": ", ".join(bounds),
        "description": info.description or "",
    }
