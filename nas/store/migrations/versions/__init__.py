"""One file a revision of the schema, each with the one before it in `down_revision`."""
