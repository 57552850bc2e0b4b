"""The search: `run.py` is its pipeline, read from top to bottom. Optuna is named here and in `nas.store` alone."""
