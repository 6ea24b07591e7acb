"""The roster as CSV: read with every mistake named by its line, written for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sightgrid.domain.attributes import NAME, PHOTO_STATUS, AttributeSet, folded
from sightgrid.domain.errors import InvalidFields, InvalidValue
from sightgrid.domain.spreadsheets import BOM, csv_bytes, plain_cell
from sightgrid.ledger.people import apart_key
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.people import insert_people, rewrite_details
from sightgrid.store.person_changes import ChangeKind, record_change
from sightgrid.store.roster import PersonRow, ids_apart, roster

MOST_ROWS = 100_000
MOST_PROBLEMS = 200
_DELIMITERS = (",", ";", "\t")
# what an export adds to the attributes; an import passes over them
EXTRA_COLUMNS = ("person_id", "identity", "method", "consent")


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake of the file. ``line`` counts from 1, the heading's; ``field`` may be empty."""

    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.field}" if self.field else "")
        return f"{where}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do. With problems nothing is imported at all."""

    added: int
    changed: int
    unchanged: int
    problems: tuple[Problem, ...]
    preview: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    given: Mapping[str, str]


def import_roster(site: Site, data: bytes, *, actor: str, preview: bool = False) -> Imported:
    """Adds the people of a CSV file and changes those who are there; who is not in it stays.

    A row is somebody who is there if its key is theirs (or their name, where neither has one).
    An empty cell leaves what is there. All rows go in, or with a problem none.

    Raises:
        InvalidValue: it is no CSV in UTF-8, lacks its heading, or has too many rows.
    """
    attributes = site.configuration.people.attributes
    entries = list(_entries(data, attributes))
    now = site.clock()

    def work(tx: Transaction) -> Imported:
        tx.lock_site()
        there = {row.person_id: row for row in roster(tx, at=now)}
        removed = {row.person_id for row in roster(tx, at=now, removed=True)}
        plan = _planned(tx, entries, attributes, there, removed)
        done = Imported(
            len(plan.added), len(plan.changed), plan.unchanged, tuple(plan.problems), preview
        )
        if preview or plan.problems:
            return done
        insert_people(tx, plan.added, added_at=now)
        for person_id, (apart, after) in plan.changed.items():
            before = there[person_id].details
            names = [name for name in after if before.get(name) != after[name]]
            rewrite_details(tx, person_id, after, apart=apart)
            record_change(
                tx,
                person_id,
                ChangeKind.UPDATED,
                before={name: before.get(name, "") for name in names},
                after={name: after[name] for name in names},
                at=now,
                by=actor,
            )
        note_event(
            tx,
            at=now,
            actor=actor,
            action="people-imported",
            details={"added": done.added, "changed": done.changed},
        )
        return done

    return site.store.run(work)


def export_roster(site: Site, *, actor: str) -> bytes:
    """Everybody as CSV in UTF-8 with a byte order mark, safe against formulas; audited."""
    attributes, now = site.configuration.people.attributes, site.clock()

    def work(tx: Transaction) -> list[PersonRow]:
        found = roster(tx, at=now)
        note_event(
            tx, at=now, actor=actor, action="people-exported", details={"people": len(found)}
        )
        return found

    rows = site.store.run(work)
    return csv_bytes(
        [*attributes.names, *EXTRA_COLUMNS],
        (
            [
                *(told(row, name) for name in attributes.names),
                row.person_id,
                row.serial,
                row.method.value,
                "yes" if row.agreed else "no",
            ]
            for row in rows
        ),
    )


def told(row: PersonRow, name: str) -> str:
    """A field of a person as it is shown; the status of photos is how many faces there are."""
    if name == PHOTO_STATUS:
        return "none" if row.faces == 0 else f"{row.faces} faces"
    return row.details.get(name, "")


@dataclass(slots=True)
class _Plan:
    added: list[tuple[str, dict[str, str]]]
    changed: dict[str, tuple[str, dict[str, str]]]
    problems: list[Problem]
    unchanged: int = 0


def _planned(
    tx: Transaction,
    entries: Sequence[_Entry],
    attributes: AttributeSet,
    there: Mapping[str, PersonRow],
    removed: set[str],
) -> _Plan:
    plan = _Plan([], {}, [])
    keyed: list[tuple[_Entry, str]] = []
    lines: dict[str, int] = {}
    for entry in entries:
        if not entry.given.get(NAME) and not entry.given.get(attributes.key or NAME):
            plan.problems.append(Problem(entry.line, NAME, "is required"))
            continue
        key = apart_key(attributes, entry.given)
        field = attributes.apart(entry.given)[0]
        if key in lines:
            plan.problems.append(Problem(entry.line, field, f"stands in line {lines[key]} already"))
            continue
        lines[key] = entry.line
        keyed.append((entry, key))
    known = ids_apart(tx, [key for _, key in keyed])
    for entry, key in keyed:
        person_id = known.get(key)
        if person_id in removed:
            field = attributes.apart(entry.given)[0]
            plan.problems.append(
                Problem(entry.line, field, "is somebody's who was removed; undo that first")
            )
            continue
        before = {} if person_id is None else dict(there[person_id].details)
        old = {name: value for name, value in before.items() if name not in attributes.names}
        asked = {name: value for name, value in before.items() if name in attributes.names}
        try:
            after = {**old, **attributes.checked({**asked, **entry.given})}
        except InvalidFields as error:
            plan.problems += [
                Problem(entry.line, field, problem) for field, problem in error.fields.items()
            ]
            continue
        if person_id is None:
            plan.added.append((key, after))
        elif after == before:
            plan.unchanged += 1
        else:
            plan.changed[person_id] = key, after
    plan.problems.sort(key=lambda one: (one.line, one.field))
    del plan.problems[MOST_PROBLEMS:]
    return plan


def _entries(data: bytes, attributes: AttributeSet) -> Iterator[_Entry]:
    try:
        text = data.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidValue(
            f"line {line}: this is not UTF-8", hint="save the table as 'CSV UTF-8'"
        ) from None
    heading = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str | None] | None = None
    rows, line = 0, 1
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells, attributes)
                continue
            rows += 1
            if rows > MOST_ROWS:
                raise InvalidValue(f"line {begins}: more than {MOST_ROWS} people in one file")
            if len(cells) > len(columns):
                raise InvalidValue(
                    f"line {begins}: has {len(cells)} cells under {len(columns)} headings",
                    hint=f"put a text that holds '{delimiter}' in quotation marks",
                )
            yield _Entry(
                begins,
                {
                    name: plain_cell(cell.strip())
                    for name, cell in zip(columns, cells, strict=False)
                    if name is not None and cell.strip()
                },
            )
    except csv.Error as error:
        raise InvalidValue(f"line {reader.line_num}: this is no CSV ({error})") from None
    if columns is None:
        raise InvalidValue(
            "line 1: the file is empty", hint=f"begin with a heading: {', '.join(attributes.names)}"
        )


def _columns(cells: Sequence[str], attributes: AttributeSet) -> list[str | None]:
    """For each column its attribute; ``None`` for what is passed over."""
    by_word = {}
    for one in attributes.attributes:
        by_word[folded(one.name)] = by_word[folded(one.label)] = one.name
    by_word |= {name.replace("_", " "): name for name in attributes.names}
    found: list[str | None] = []
    for number, cell in enumerate(cells, 1):
        word = folded(cell.strip())
        if word in EXTRA_COLUMNS or by_word.get(word) == PHOTO_STATUS:
            found.append(None)
            continue
        if word not in by_word:
            near = get_close_matches(word, by_word, n=1)
            raise InvalidValue(
                f"line 1, column {number}: '{cell.strip()}' is no field of a person",
                hint=f"did you mean '{by_word[near[0]]}'?"
                if near
                else f"known: {', '.join(attributes.names)}",
            )
        if by_word[word] in found:
            raise InvalidValue(f"line 1, column {number}: '{cell.strip()}' stands twice")
        found.append(by_word[word])
    required = [one.name for one in attributes.written if one.required]
    missing = [name for name in required if name not in found]
    if missing:
        raise InvalidValue(f"line 1: the column {missing[0]} is missing")
    return found
