"""The migrations make exactly the tables that the code works on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from nas.store import schema
from nas.store.location import VERSION_TABLE
from nas.store.rows import Measurement
from nas.store.store import Store
from nas.store.tables import metadata


def test_the_migrated_schema_is_that_of_the_models(store: Store) -> None:
    with store.optuna.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={
            "version_table": VERSION_TABLE,
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name.startswith("nas_"),
        })
        assert compare_metadata(context, metadata) == []
        tables = set(inspect(connection).get_table_names())
    assert {name for name in tables if name.startswith("nas_")} == {*metadata.tables, VERSION_TABLE}


def test_ours_and_optunas_revisions_stand_apart(store: Store) -> None:
    with store.optuna.engine.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar() == schema.HEAD
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() != schema.HEAD


def test_the_newest_revision_is_the_one_that_readers_expect() -> None:
    script = ScriptDirectory(str(schema.SCRIPTS))
    assert script.get_heads() == [schema.HEAD]


def test_our_tables_can_be_taken_out_again(file: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.SCRIPTS))
    with Store.open(f"sqlite:///{file}") as store, store.optuna.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert {name for name in inspect(connection).get_table_names() if name.startswith("nas_")} == {VERSION_TABLE}
    with Store.open(f"sqlite:///{file}") as store:
        assert store.study_names() == []


def test_measurements_have_all_their_conditions_again_at_an_older_revision(
    file: Path, make_measurement: Callable[..., Measurement]
) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.SCRIPTS))
    with Store.open(f"sqlite:///{file}") as store:
        store.add_measurement(make_measurement(conditions={"batch": 4, "fused": True}, setting={"batch": 4}))
        with store.optuna.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0003")
            [conditions] = connection.exec_driver_sql("SELECT conditions FROM nas_measurements").scalars()
    assert json.loads(conditions) == {"batch": 4, "fused": True}
    with Store.open(f"sqlite:///{file}") as store:  # which migrates it again
        found = store.find_measurement("key")
        assert found
        assert (found[1].conditions, found[1].setting) == ({"batch": 4, "fused": True}, {})
