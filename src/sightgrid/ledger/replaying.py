"""What people's edits make of the ledger's own decisions.

Edits are never applied one upon the other for good: the state is what replaying all that are not
undone, in the order they were made, gives from the ledger's own answers. So an edit can be undone
at any later time, in any order, and the rest stays as if it had never been made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sightgrid.store.edits import EditKind


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit. ``number`` orders them; ``serial`` is whom it is about.

    ``into`` is the other serial of a merge, a name (a person's), a move or "two people", and the
    new one of a split; ``sightings`` are
    those that a split, move, confirmation or "not this" is about; ``label`` is a label's text,
    empty to take it away; ``hidden`` says whether a hide hides or shows again.
    """

    number: int
    kind: EditKind
    serial: int
    into: int | None = None
    sightings: tuple[str, ...] = ()
    label: str = ""
    hidden: bool = True


@dataclass(frozen=True, slots=True)
class EditedState:
    """The ledger as people have corrected it.

    ``alias`` maps each merged serial to the one it was merged into, ``serial_of`` every sighting
    whose serial is another than the ledger's own (``None``: taken away, *unsure*); ``confirmed``
    are sightings that a person has vouched for; ``never`` are pairs of sighting and serial that a
    person has ruled out; ``apart`` are serials that were split from each other, or said to be two.
    """

    alias: Mapping[int, int] = field(default_factory=dict)
    serial_of: Mapping[str, int | None] = field(default_factory=dict)
    confirmed: frozenset[str] = frozenset()
    never: frozenset[tuple[str, int]] = frozenset()
    apart: frozenset[tuple[int, int]] = frozenset()
    hidden: frozenset[int] = frozenset()
    labels: Mapping[int, str] = field(default_factory=dict)

    def root(self, serial: int) -> int:
        """The serial that ``serial`` stands for."""
        while serial in self.alias:
            serial = self.alias[serial]
        return serial


def replay(
    edits: Iterable[Edit],
    *,
    own: Mapping[str, int | None],
    people: Mapping[int, str],
) -> EditedState:
    """The state that edits come to.

    Args:
        edits: those that are not undone.
        own: the ledger's own answer for every sighting that an edit names.
        people: serials that are an enrolled person's.

    An edit that has lost its meaning because an earlier one was undone does nothing: a merge of a
    serial with itself, or one that would put two enrolled people together.
    """
    alias: dict[int, int] = {}
    serial_of: dict[str, int | None] = {}
    confirmed: set[str] = set()
    never: set[tuple[str, int]] = set()
    apart: set[tuple[int, int]] = set()
    hidden: set[int] = set()
    labels: dict[int, str] = {}

    def root(serial: int) -> int:
        while serial in alias:
            serial = alias[serial]
        return serial

    def give(sighting_id: str, serial: int | None) -> None:
        serial_of[sighting_id] = serial
        confirmed.discard(sighting_id)

    for edit in sorted(edits, key=lambda one: one.number):
        match edit.kind:
            case EditKind.MERGE | EditKind.NAME | EditKind.JOINED if edit.into is not None:
                gone, kept = root(edit.serial), root(edit.into)
                # an enrolled person keeps their root serial, and two people are never one
                if gone != kept and gone not in people:
                    alias[gone] = kept
            case EditKind.SPLIT | EditKind.MOVE if edit.into is not None:
                for sighting_id in edit.sightings:
                    give(sighting_id, edit.into)
                if edit.kind is EditKind.SPLIT:
                    apart.add((min(edit.serial, edit.into), max(edit.serial, edit.into)))
            case EditKind.APART if edit.into is not None:
                apart.add((min(edit.serial, edit.into), max(edit.serial, edit.into)))
            case EditKind.NOT_THIS:
                for sighting_id in edit.sightings:
                    never.add((sighting_id, edit.serial))
                    now = serial_of.get(sighting_id, own.get(sighting_id))
                    if now is not None and root(now) == root(edit.serial):
                        give(sighting_id, None)
            case EditKind.CONFIRM:
                for sighting_id in edit.sightings:
                    give(sighting_id, edit.serial)
                    confirmed.add(sighting_id)
            case EditKind.HIDE:
                (hidden.add if edit.hidden else hidden.discard)(edit.serial)
            case EditKind.LABEL:
                if edit.label:
                    labels[edit.serial] = edit.label
                else:
                    labels.pop(edit.serial, None)
            case _:
                pass
    # what ended up as the ledger itself had it is no difference
    differing = {
        sighting_id: serial
        for sighting_id, serial in serial_of.items()
        if serial != own.get(sighting_id)
    }
    return EditedState(
        alias=alias,
        serial_of=differing,
        confirmed=frozenset(confirmed),
        never=frozenset(never),
        apart=frozenset(apart),
        hidden=frozenset(hidden),
        labels=labels,
    )
