"""What alembic runs: the revisions, on the connection that `nas.store.schema` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from nas.store.location import VERSION_TABLE
from nas.store.tables import metadata


def ours(name: str | None, kind: str, parents: object) -> bool:  # noqa: ARG001  # alembic's signature
    """Whether a table is compared with our models: Optuna's are its own."""
    return kind != "table" or (name or "").startswith("nas_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's definitions are part of a transaction that was begun as such
    include_name=ours,
)
with context.begin_transaction():
    context.run_migrations()
