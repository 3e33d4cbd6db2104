"""Whatever is asked of the writer, everybody gets what a plain model with the same sets, TTL and eviction gives."""

import shutil
import tempfile
from pathlib import Path
from random import Random
from unittest import mock

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daemon.shared import SharedCacheWriter
from router import ExportInfo, Host, Prediction
from tests.daemon.predictions import EXPORT, OTHER, POLICY, Clock, key_of, prediction
from vecroute import SharedCache, _shared_cache
from vecroute._boot import boot_time
from vecroute._context import SharedContext
from vecroute._layout import SLOT_BYTES, WAYS
from vecroute._placement import set_of

IMAGES, TTL = 32, 100
images = st.integers(0, IMAGES - 1)
Name = tuple[str, int]  # of an export after so many flushes


class Kept(msgspec.Struct):
    """One entry of the model."""

    name: Name
    key: bytes
    value: Prediction
    expiry: int


class Model:
    """Sets of at most eight entries each, the one used longest ago in front."""

    def __init__(self, sets: int, seed: int) -> None:
        self.sets: list[list[Kept]] = [[] for _ in range(sets)]
        self.seed = seed

    def put(self, new: Kept, name: Name, now: int) -> None:
        entries = self.sets[set_of(new.key, self.seed, len(self.sets))]
        older = [kept for kept in entries if (kept.name, kept.key) == (new.name, new.key)]
        for kept in older:
            self.use(kept)
        if len(entries) == WAYS:
            dead = [kept for kept in entries if kept.name != name or kept.expiry <= now]
            entries.remove((dead or entries)[0])
        entries[:] = [kept for kept in entries if kept not in older]
        entries.append(new)

    def find(self, name: Name, key: bytes) -> Kept | None:
        entries = self.sets[set_of(key, self.seed, len(self.sets))]
        return next((kept for kept in entries if (kept.name, kept.key) == (name, key)), None)

    def use(self, kept: Kept) -> None:
        self.drop(kept)
        self.sets[set_of(kept.key, self.seed, len(self.sets))].append(kept)

    def drop(self, kept: Kept) -> None:
        self.sets[set_of(kept.key, self.seed, len(self.sets))].remove(kept)

    def sort(self, order: list[Kept]) -> None:
        place = {id(kept): index for index, kept in enumerate(order)}
        for entries in self.sets:
            entries.sort(key=lambda kept: place[id(kept)])

    def all(self) -> list[Kept]:
        return [kept for entries in self.sets for kept in entries]


class SharedCacheMachine(RuleBasedStateMachine):
    """The writer with a reader, beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="vecroute-"))
        self.clock, self.random, self.turn = Clock(boot_time()), Random(7), 0
        self.patch = mock.patch.object(_shared_cache, "_clock", self.now)
        self.patch.start()
        self.export, self.flushes, self.entries = EXPORT, 0, 16
        # For what all uses and entries in all sets are ordered: the model's sets know only their own.
        self.order: list[Kept] = []
        self.open()
        self.model = Model(2, self.writer.geometry.seed)

    def open(self) -> None:
        self.writer = SharedCacheWriter.open(
            self.directory / "cache", self.entries, TTL, clock=self.clock, random=self.random.randbytes
        )
        self.writer.use(SharedContext(export=self.export, policy=POLICY), "onnx")
        self.reader = SharedCache.open(self.writer.path)

    def now(self, _clock: int) -> int:
        return self.clock.now

    @property
    def name(self) -> Name:
        return self.export.digest, self.flushes

    def moment(self) -> int:
        """Let no two entries expire at the same time: after a restart that is the order of their use."""
        self.clock.now += 1000
        return self.clock.now

    def note(self, kept: Kept) -> None:
        self.order = [other for other in self.order if other is not kept]
        self.order.append(kept)

    @rule(numbers=st.lists(images, min_size=1, max_size=6))
    def publish(self, numbers: list[int]) -> None:
        for number in numbers:
            self.publish_one(number)

    @rule(numbers=st.lists(images, min_size=1, max_size=8))
    def publish_again(self, numbers: list[int]) -> None:
        """Let sets be full most of the time, whatever else is chosen."""
        for number in (*range(0, IMAGES, 2), *numbers):
            self.publish_one(number)

    def publish_one(self, number: int) -> None:
        now, key = self.moment(), key_of(number)
        self.turn = (self.turn + 1) % 256
        value = prediction(number, self.turn, self.export)
        assert self.writer.publish(key, value)
        older = self.model.find(self.name, key)
        if older is not None:
            self.note(older)
        new = Kept(self.name, key, value, now + TTL * 10**9)
        self.model.put(new, self.name, now)
        self.note(new)

    @rule(numbers=st.lists(images, min_size=1, max_size=8))
    def get(self, numbers: list[int]) -> None:
        for number in numbers:
            self.get_one(number)

    def get_one(self, number: int) -> None:
        now, got = self.moment(), self.writer.get(key_of(number))
        kept = self.model.find(self.name, key_of(number))
        if kept is None:
            assert got is None
        elif kept.expiry <= now:
            assert got is None
            self.model.drop(kept)
        else:
            assert got == kept.value
            self.model.use(kept)
            self.note(kept)

    @rule(number=images)
    def touch(self, number: int) -> None:
        kept = self.model.find(self.name, key_of(number))
        if kept is not None:
            self.writer.touch([self.slot_of(kept)])
            self.model.use(kept)
            self.note(kept)

    @rule(
        seconds=st.integers(1, TTL // 3),
        export=st.sampled_from([EXPORT, OTHER]),
        entries=st.sampled_from([8, 16, 24]),
        what=st.integers(0, 4),
    )
    def disturb(self, what: int, seconds: int, export: ExportInfo, entries: int) -> None:
        """Do one of the things that change everything; as rules of their own they would come too often."""
        (
            lambda: self.wait(seconds),
            lambda: self.swap(export),
            self.flush,
            self.restart,
            lambda: self.resize(entries),
        )[what]()

    def wait(self, seconds: int) -> None:
        self.clock.move(seconds)

    def swap(self, export: ExportInfo) -> None:
        self.export = export
        self.writer.use(SharedContext(export=export, policy=POLICY), "onnx")

    def flush(self) -> None:
        assert self.writer.flush() == self.held()
        self.flushes += 1

    def restart(self) -> None:
        self.writer.close()
        self.open()
        now = self.clock.now
        for entries in self.model.sets:
            entries[:] = sorted((kept for kept in entries if kept.expiry > now), key=lambda kept: kept.expiry)
        self.order = sorted(self.model.all(), key=lambda kept: kept.expiry)

    def resize(self, entries: int) -> None:
        now = self.moment()
        self.writer.resize(entries)
        self.entries = entries
        there = {id(kept) for kept in self.model.all()}
        order = [kept for kept in self.order if id(kept) in there and kept.expiry > now]
        self.model = Model(entries // WAYS, self.writer.geometry.seed)
        for kept in sorted(order, key=lambda kept: kept.name == self.name):
            self.model.put(kept, self.name, now)
        self.model.sort(self.order)
        self.reader = SharedCache.open(self.writer.path)

    @invariant()
    def everybody_gets_what_the_model_has(self) -> None:
        self.writer.beat(Host())
        for number in range(IMAGES):
            kept = self.model.find(self.name, key_of(number))
            alive = kept is not None and kept.expiry > self.clock.now
            assert self.reader.get(key_of(number)) == (kept.value if kept and alive else None)

    @invariant()
    def the_writer_counts_what_it_holds(self) -> None:
        assert self.writer.statistics().entries == self.held()

    def held(self) -> int:
        return sum(kept.name == self.name for kept in self.model.all())

    def slot_of(self, kept: Kept) -> int:
        data, geometry = self.writer.path.read_bytes(), self.writer.geometry
        identity = self.writer.fingerprint.to_bytes(8, "little") + kept.key
        slots = [data[at + 8 : at + 32] for at in range(geometry.slots_offset, len(data), SLOT_BYTES)]
        tagged = [any(data[geometry.tag_line(0) + 8 * slot :][:8]) for slot in range(len(slots))]
        return next(slot for slot in range(len(slots)) if slots[slot] == identity and tagged[slot])

    def teardown(self) -> None:
        self.reader.close()
        self.writer.close()
        self.patch.stop()
        shutil.rmtree(self.directory)


TestSharedCache = SharedCacheMachine.TestCase
TestSharedCache.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
