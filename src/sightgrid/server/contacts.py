"""A box shows itself: which instance it is, which run, how its clock does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sightgrid.server.refusals import Cloned
from sightgrid.server.site import Site
from sightgrid.store.boxes import Box, note_contact

INSTANCE_HEADER = "Sightgrid-Instance"
RUN_HEADER = "Sightgrid-Run"
_LONGEST = 64
_NOTED_EVERY = timedelta(seconds=10)


def note_box(site: Site, box: Box, headers: Mapping[str, str]) -> None:
    """Notes that a box was heard of.

    Raises:
        Cloned: its token is used by two boxes at once, as after copying a memory card.
    """
    instance = headers.get(INSTANCE_HEADER, "")[:_LONGEST]
    run = headers.get(RUN_HEADER, "")[:_LONGEST]
    if not instance or not run:
        # other programs may send records too; only boxes say who they are
        return
    now = site.clock()
    same = (box.instance_id, box.boot_id) == (instance, run) and box.cloned_at is None
    last = box.last_contact_at
    if same and last is not None and timedelta() <= now - last < _NOTED_EVERY:
        # a row written at every request would cost as much as a record
        return
    known = site.store.run(
        lambda tx: note_contact(tx, box.box_id, instance_id=instance, boot_id=run, at=now)
    )
    if not known:
        raise Cloned(
            f"box '{box.name}' is used by two machines at once",
            hint="revoke it and enrol each of them with a code of its own",
        )
