"""Our tables in the file, at the revision that this `nas` knows."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Engine

from nas.errors import StoreError

SCRIPTS = Path(__file__).parent / "migrations"
HEAD = "0004"
"""The newest revision. A test holds it equal to that of the scripts: who only reads need not load alembic to know."""


def check_revision(path: Path, revision: str | None, *, read_only: bool) -> None:
    """Whether this `nas` can work on tables of this revision.

    Raises:
        StoreError: a newer `nas` made them; or they are older, or missing, and may not be written.
    """
    if read_only and revision is None:
        raise StoreError(f"{path}: there is no study in this database yet; `nas run STUDY.toml` makes one")
    if revision is None or revision == HEAD:
        return
    if revision not in _known_revisions():
        raise StoreError(f"{path}: a newer nas wrote this database (schema {revision}, this one knows {HEAD}); "
                         "upgrade nas, or give another path")
    if read_only:
        raise StoreError(f"{path}: an older nas wrote this database (schema {revision}, now {HEAD}); "
                         "`nas run` on it brings it up to date")


def migrate(engine: Engine) -> None:
    """Creates our tables or brings them to `HEAD`, in one transaction: of two processes, the second finds it done."""
    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports each step as news
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))  # "%" begins a variable in it
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _known_revisions() -> frozenset[str]:
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions())
