"""Alembic's scripts of the `nas_*` tables: one file a revision in `versions`."""
