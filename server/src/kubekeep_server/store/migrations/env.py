"""Migrations run on the connection of the caller, in its transaction."""

from __future__ import annotations

from alembic import context

from kubekeep_server.store import identity_schema, image_schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=[image_schema.image.metadata, identity_schema.account.metadata],
)
context.run_migrations()
