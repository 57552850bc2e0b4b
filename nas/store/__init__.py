"""The study store: one SQLite file with Optuna's tables, untouched, and ours, all named `nas_*`.

`nas.store.store.Store` is the way in, `nas.store.rows` are the values that go in and come out. SQLAlchemy is named in
this room alone; what only reads (reports) loads no Optuna.
"""
