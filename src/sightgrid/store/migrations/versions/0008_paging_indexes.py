"""Indexes for lists that are read a page at a time, the newest first."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_sighting_site_id_first_seen_sighting_id",
        "sighting",
        ["site_id", "first_seen", "sighting_id"],
    )
    op.create_index("ix_visit_site_id_last_seen", "visit", ["site_id", "last_seen"])


def downgrade() -> None:
    op.drop_index("ix_visit_site_id_last_seen", "visit")
    op.drop_index("ix_sighting_site_id_first_seen_sighting_id", "sighting")
