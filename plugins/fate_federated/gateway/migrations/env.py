"""Run by Alembic, on the connection that :func:`fate_federated.gateway.database.migrate` hands over."""

from alembic import context

from fate_federated.gateway.schema import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    # SQLite cannot alter a table in place.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
