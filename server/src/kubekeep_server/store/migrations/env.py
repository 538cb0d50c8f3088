"""Migrations run on the connection of the caller, in its transaction."""

from __future__ import annotations

from alembic import context

from kubekeep_server.store.decision_schema import decision
from kubekeep_server.store.framework_schema import framework
from kubekeep_server.store.identity_schema import account
from kubekeep_server.store.image_schema import image
from kubekeep_server.store.match_schema import image_match
from kubekeep_server.store.notification_schema import outbox
from kubekeep_server.store.report_schema import report_part
from kubekeep_server.store.scope_schema import stored_scope

# The import of these modules adds their tables to one collection.
_TABLES = (account, decision, framework, image, image_match, outbox, report_part, stored_scope)
context.configure(connection=context.config.attributes["connection"], target_metadata=_TABLES[0].metadata)
context.run_migrations()
