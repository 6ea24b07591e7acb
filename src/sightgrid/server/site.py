"""The site that a server process serves: its database, keys, networks and configuration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sightgrid.configuration import Configuration, read_configuration
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.grid import CameraGrid
from sightgrid.ledger.deciding import LiveSettings
from sightgrid.ledger.faceindex import FaceIndex
from sightgrid.ledger.taking_in import Intake
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.recognition.calibration import ImpostorCurve, Policy
from sightgrid.server.health import HealthBoard
from sightgrid.server.retention import Retention
from sightgrid.server.signing_in import Doorkeeper
from sightgrid.server.stills import StillBoard
from sightgrid.server.subscribers import couriers_of
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid as stored_grid
from sightgrid.store.cameras import save_grid, set_purposes
from sightgrid.store.keys import SiteKeys
from sightgrid.vision.packs import Pack, load_pack
from sightgrid.wire.sealing import OpeningKey

KEY_FILE = "site.key"


def now_utc() -> datetime:
    """The wall clock; tests put their own in its place."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What a server process needs to begin."""

    configuration: Configuration
    data_folder: Path
    clock: Callable[[], datetime] = now_utc


class Site:
    """An opened site. Thread-safe; networks are loaded when first needed."""

    def __init__(self, settings: SiteSettings) -> None:
        self.settings = settings
        self.clock = settings.clock
        self.keys = SiteKeys.open(settings.data_folder / KEY_FILE, create=True)
        self.store = Store.open(
            settings.configuration.database.reveal(), create=True, keys=self.keys
        )
        self.door = Doorkeeper(self.store, clock=self.clock)
        self.couriers = couriers_of(self.store, settings.configuration, clock=self.clock)
        self.retention = Retention(self.store, settings.configuration.retention, clock=self.clock)
        self.health = HealthBoard()
        self.stills = StillBoard()
        self.durability = self.store.durability()
        self._opening = threading.Lock()
        self._engine: Engine | None = None

    @property
    def configuration(self) -> Configuration:
        return self.settings.configuration

    @property
    def engine(self) -> Engine:
        """The pack's networks; opening them takes a second or two, once."""
        with self._opening:
            if self._engine is None:
                self._engine = open_engine(self.configuration.recognition.pack)
            return self._engine

    @cached_property
    def opening_keys(self) -> Mapping[str, OpeningKey]:
        """What opens the records that boxes sealed, by the id that records name; the last is the
        one that boxes seal to."""
        if not self.keys.opening_keys():
            self.keys.first_opening_key(lambda: OpeningKey.generate().private_bytes())
        found = [OpeningKey(private) for private in self.keys.opening_keys()]
        return {key.key_id: key for key in found}

    @cached_property
    def contract(self) -> EmbeddingContract:
        """What makes vectors comparable at this site; known without opening a network."""
        return self._pack.contract

    @property
    def crop_px(self) -> int:
        """The side of an aligned crop of the site's pack."""
        return self._pack.manifest.embedder_input.input_px

    @cached_property
    def _pack(self) -> Pack:
        return load_pack(self.configuration.recognition.pack)

    @cached_property
    def policy(self) -> Policy:
        """The budgets of mistakes, as configured."""
        recognition = self.configuration.recognition
        return Policy(
            ImpostorCurve.of(self._pack.manifest.thresholds.impostors),
            confirmed=recognition.false_alarms,
            # what is only likely is shown as such and asks to be looked at
            likely=min(10 * recognition.false_alarms, 1.0),
            stranger_merges=recognition.stranger_merges,
        )

    @cached_property
    def intake(self) -> Intake:
        """What takes sightings in and decides them."""
        window = self.configuration.recognition.stranger_window
        return Intake(
            self.store,
            policy=self.policy,
            contract=self.contract,
            settings=LiveSettings(stranger_window=window),
            retention=self.configuration.retention,
            clock=self.clock,
        )

    @cached_property
    def faces(self) -> FaceIndex:
        """Everybody that a photo may show; empty until it is first refreshed."""
        return FaceIndex(self.contract)

    def load_grid(self) -> None:
        """Puts the cameras and links of the configuration file into the database, where everything
        else reads them. What the file says counts; what it leaves open stays as it was set on the
        pages."""
        names = {camera.name for camera in self.configuration.cameras}
        grid = self.configuration.grid
        if not (names or grid.links or grid.apart or grid.positions):
            return

        def save(tx: Transaction) -> None:
            save_grid(tx, joined(stored_grid(tx), grid, of_file=names), names)
            for camera in self.configuration.cameras:
                set_purposes(tx, camera.name, [one.value for one in camera.purposes])

        self.store.run(save)

    def read_again(self) -> None:
        """Reads the configuration file anew, after a page has changed what the site is called.

        Raises:
            SettingsError: it holds a mistake; everything stays as it was.
        """
        fresh = read_configuration(self.configuration.path)
        self.settings = replace(self.settings, configuration=fresh)

    def close(self) -> None:
        """Lets go of the database."""
        self.store.close()


def joined(kept: CameraGrid, written: CameraGrid, *, of_file: Collection[str]) -> CameraGrid:
    """The grid of the pages and that of the file in one. Links and pairs between two cameras of the
    file are the file's, if it says anything of links at all."""

    def free(pair: Collection[str]) -> bool:
        return not (written.links or written.apart) or not set(pair) <= set(of_file)

    return CameraGrid(
        positions={**kept.positions, **written.positions},
        links=written.links
        + tuple(link for link in kept.links if free((link.origin, link.target))),
        apart=written.apart | {pair for pair in kept.apart if free(pair)},
    )
