"""Migrations run on the connection of the caller, in its transaction."""

from __future__ import annotations

from alembic import context

from kubekeep_server.store.image_schema import image

context.configure(connection=context.config.attributes["connection"], target_metadata=image.metadata)
context.run_migrations()
