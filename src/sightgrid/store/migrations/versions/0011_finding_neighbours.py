"""What a sighting is decided by is found by an index, however much is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0011"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = (
    sa.DateTime()
    .with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    .with_variant(sa.DateTime(timezone=True), "postgresql")
)


def upgrade() -> None:
    op.add_column("decision", sa.Column("unsure_at", MOMENT, nullable=True))
    op.execute(
        "UPDATE decision SET unsure_at = (SELECT sighting.last_seen FROM sighting "
        "WHERE sighting.site_id = decision.site_id "
        "AND sighting.sighting_id = decision.sighting_id "
        "AND sighting.revision = decision.revision AND sighting.closed) "
        "WHERE decision.band = 'unsure'"
    )
    op.create_index("ix_decision_site_id_unsure_at", "decision", ["site_id", "unsure_at"])
    op.create_index(
        "ix_sighting_site_id_camera_last_seen", "sighting", ["site_id", "camera", "last_seen"]
    )


def downgrade() -> None:
    op.drop_index("ix_sighting_site_id_camera_last_seen", "sighting")
    op.drop_index("ix_decision_site_id_unsure_at", "decision")
    op.drop_column("decision", "unsure_at")
