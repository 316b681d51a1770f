"""`trueodds keys` and `trueodds audit`: who may call a service, and who has. For its operator."""

from datetime import datetime
from typing import Annotated

import typer

from trueodds.cli.console import extras
from trueodds.cli.transfer import Config, Store

keys_app = typer.Typer(
    help="API keys of a service with `access: keys`. They ask its store, whether it runs or not.",
    no_args_is_help=True,
)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` tells it.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@keys_app.command()
def create(
    name: Annotated[str, typer.Argument(help="What you call it; logs and `audit` do as well.")],
    tenant: Annotated[str, typer.Option(help="Whose calibrators it sees and fits.")] = "",
    can: Annotated[str, typer.Option(help="Any of score,fit,admin.")] = "score",
    days: Annotated[float | None, typer.Option(min=0, help="Days until it ends.")] = None,
    config: Config = None,
    store: Store = None,
) -> None:
    """Make a key. It is shown this once, on the standard output: the store keeps a hash of it.

    Example: trueodds keys create nightly --can score,fit --config serve.yaml > nightly.key
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import keys  # noqa: PLC0415

        url = None if config else store
        status = keys.create(name, tenant=tenant, can=can, days=days, configuration=config, url=url)
    raise typer.Exit(status)


@keys_app.command("list")
def list_keys(
    all_keys: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
    as_json: Json = False,
    config: Config = None,
    store: Store = None,
) -> None:
    """Show the keys that are valid, without their secrets, which nobody has.

    Example: trueodds keys list --config serve.yaml
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import keys  # noqa: PLC0415

        url = None if config else store
        status = keys.show(all_keys=all_keys, as_json=as_json, configuration=config, url=url)
    raise typer.Exit(status)


@keys_app.command()
def revoke(key_id: KeyId, config: Config = None, store: Store = None) -> None:
    """End a key: within a second every gateway refuses it.

    Example: trueodds keys revoke 1a2b3c4d5e6f --config serve.yaml
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import keys  # noqa: PLC0415

        status = keys.revoke(key_id, configuration=config, url=None if config else store)
    raise typer.Exit(status)


@keys_app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[
        float, typer.Option(min=0, help="How long the old one goes on; 0 ends it at once.")
    ] = 24.0,
    config: Config = None,
    store: Store = None,
) -> None:
    """Make a key in place of another: the same name, tenant and permissions.

    Example: trueodds keys rotate 1a2b3c4d5e6f --config serve.yaml > nightly.key
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import keys  # noqa: PLC0415

        url = None if config else store
        status = keys.rotate(key_id, grace_hours=grace_hours, configuration=config, url=url)
    raise typer.Exit(status)


def audit(
    tenant: Annotated[
        str | None, typer.Option(help="What is this tenant's alone; '' is the one without a name.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="What came since this moment, UTC.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
    store: Store = None,
) -> None:
    """Show who has fitted, activated, rolled back or deleted what, and made or ended which keys.

    Example: trueodds audit --since 2026-11-01 --config serve.yaml
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import keys  # noqa: PLC0415

        url = None if config else store
        status = keys.audit(
            tenant=tenant, since=since, as_json=as_json, configuration=config, url=url
        )
    raise typer.Exit(status)
