"""Who agreed to be recognised, to which text, and what shows it; sealed for the person."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.domain.people import Consent, Method
from sightgrid.store.schema import PERSON
from sightgrid.store.schema_subjects import CONSENT
from sightgrid.store.sealing import of_person, seal, unseal
from sightgrid.store.session import Transaction


def record_consent(tx: Transaction, person_id: str, consent: Consent) -> str:
    """Stores a consent; returns its id. Consents are added, never replaced."""
    consent_id = str(uuid4())
    evidence = {
        "evidence": consent.evidence,
        "given_by": consent.given_by,
        "recorded_by": consent.recorded_by,
        "guardian": consent.guardian,
    }
    tx.connection.execute(
        sa.insert(CONSENT),
        {
            "site_id": tx.site_id,
            "consent_id": consent_id,
            "person_id": person_id,
            "purpose": consent.purpose,
            "text_version": consent.text_version,
            "text_sha256": consent.text_sha256,
            "language": consent.language,
            "channel": consent.channel,
            "evidence": seal(
                tx,
                json.dumps(evidence, ensure_ascii=False).encode(),
                subject=of_person(person_id),
                purpose=f"consent {consent_id}",
            ),
            "given_at": consent.given_at,
            "expires_at": consent.expires_at,
            "withdrawn_at": consent.withdrawn_at,
        },
    )
    return consent_id


def consents_of(tx: Transaction, person_id: str) -> dict[str, Consent]:
    """Every consent that a person ever gave, by its id, in order of time."""
    rows = tx.connection.execute(
        sa.select(CONSENT)
        .where(CONSENT.c.site_id == tx.site_id, CONSENT.c.person_id == person_id)
        .order_by(CONSENT.c.given_at, CONSENT.c.consent_id)
    )
    return {row.consent_id: _consent(tx, row) for row in rows}


def lapsed_people(tx: Transaction, *, at: datetime) -> list[str]:
    """Who has enrolled faces, or is recognised by those that were seen, but no consent that holds;
    people who never gave one, as those of an old database, are left out."""
    holds = sa.exists().where(
        CONSENT.c.site_id == PERSON.c.site_id,
        CONSENT.c.person_id == PERSON.c.person_id,
        sa.or_(CONSENT.c.expires_at.is_(None), CONSENT.c.expires_at > at),
        sa.or_(CONSENT.c.withdrawn_at.is_(None), CONSENT.c.withdrawn_at > at),
    )
    once = sa.exists().where(
        CONSENT.c.site_id == PERSON.c.site_id, CONSENT.c.person_id == PERSON.c.person_id
    )
    rows = tx.connection.scalars(
        sa.select(PERSON.c.person_id)
        .where(
            PERSON.c.site_id == tx.site_id,
            sa.or_(PERSON.c.method.is_(None), PERSON.c.method == Method.FACE.value),
            once,
            ~holds,
        )
        .order_by(PERSON.c.person_id)
    )
    return list(rows)


def withdraw_consent(
    tx: Transaction, consent_id: str, *, at: datetime, of: str | None = None
) -> None:
    """The person does not agree any more.

    Args:
        of: the person whose it has to be.

    Raises:
        NotFound: there is no such consent, or it was withdrawn before.
    """
    done = tx.connection.execute(
        sa.update(CONSENT)
        .where(
            sa.true() if of is None else CONSENT.c.person_id == of,
            CONSENT.c.site_id == tx.site_id,
            CONSENT.c.consent_id == consent_id,
            CONSENT.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=at)
    )
    if done.rowcount != 1:
        raise NotFound("there is no such consent, or it was withdrawn already")


def _consent(tx: Transaction, row: Any) -> Consent:
    sealed = json.loads(
        unseal(
            tx,
            row.evidence,
            subject=of_person(row.person_id),
            purpose=f"consent {row.consent_id}",
        )
    )
    return Consent(
        purpose=row.purpose,
        text_version=row.text_version,
        text_sha256=row.text_sha256,
        language=row.language,
        channel=row.channel,
        evidence=sealed["evidence"],
        given_by=sealed["given_by"],
        recorded_by=sealed["recorded_by"],
        given_at=row.given_at,
        expires_at=row.expires_at,
        guardian=sealed["guardian"],
        withdrawn_at=row.withdrawn_at,
    )
