"""The layout of an index and what it takes; `uninote.index.planning.choose` chooses it. Arithmetic only, no data."""

from __future__ import annotations

from dataclasses import asdict, dataclass

FAST_SCAN_NBITS = 4
"""Bits of a part's code that FAISS scans in registers ("fast scan"); 8 is the classic PQ code, looked up in memory."""

# float16, one for each dimension, of the vectors that searches rank again by.
VECTOR_BYTES = 2
# What FAISS uses at most to train codebooks of 8 bits.
MIN_TRAIN_ROWS = 65_536
_ID_BYTES = 8
_KEY_BYTES = 64  # of a row in the file of keys: key, note_id and what filters use
# Rows of one list that fast scan reads together: FAISS fills the last block of each list up.
_BLOCK_ROWS = 32
# A worker with numpy, Arrow and FAISS. Seen of a million rows x 64 in one shard: 400 MiB of a process alone and 334 of a Spark
# worker, which shares pages with others; the plan says 412.
_PROCESS_BYTES = 150 << 20
# A worker that has compiled code as well, by which it finds the exact neighbours of the sample that recall is measured on:
# 347 MiB x 64 and 483 x 384 of a process alone, 271 x 64 of a Spark worker; the plan says 308 and 448.
_MEASURING_BYTES = 280 << 20
# Of a batch that a worker reads from the table's files, whichever is less.
_READ_ROWS = 16_384
_READ_BYTES = 32 << 20
# Read, checked, aligned, centred, coded and scored.
_READ_COPIES = 7
_BATCH_ROWS = 10_000  # of Spark's Arrow batches
# A batch as it comes, aligned, rotated, centred, and as residuals.
_BATCH_COPIES = 5
# In FAISS, as an array, and centred for looking up.
_TEMPLATE_COPIES = 3
# FAISS grows a list by doubling it, and frees what it outgrew only afterwards.
_GROWTH = 2
LIST_ROUNDS = 8
"""Of k-means for lists. 15 take twice the time, and lists that scan 1.3 % fewer codes for recall .95 at most (MiniLM x 64;
Fashion-MNIST and drawn vectors 0.3 %); 5 make that 4 % more."""

# Of one core in float32 matrix products, in training and in assigning rows to lists: 109,550 to 200,000 rows, 2,191 and
# 4,000 lists, widths 64 and 384, by a Xeon with AVX-512.
FLOPS = 6e10
# Sub-vector components that one core codes a second, all 256 codewords together.
_CODE_RATE = 4e8
_PROBED_GROUPS = 16
# What the stage takes beside arithmetic, whatever the rows, and for each row and dimension: reading, shuffling and writing it,
# and finding exact neighbours of a sample. Seen in all with lists trained in 15 rounds, and foretold so: 100,000 x 64 13.8
# CPU-seconds and 13.7, 1,000,000 x 64 68 and 74, 300,000 x 384 112 and 105 (two cores with other work beside).
STAGE_SECONDS = 7.5
_ROW_SECONDS = 10e-6
_DIMENSION_SECONDS = 0.35e-6


@dataclass(frozen=True)
class IndexOverrides:
    """What the user fixes; None is planned. `recall` and the two budgets, in MiB, steer what is planned.

    `pq_m` are bytes of a code. `serve_mib` is for all that serves, shards, keys, vectors and one process together,
    `task_mib` for the memory of one building task. `rerank` false asks for codes alone.
    """

    nlist: int | None = None
    pq_m: int | None = None
    num_shards: int | None = None
    opq: bool = False
    recall: float | None = None
    serve_mib: int | None = None
    task_mib: int = 2048
    rerank: bool = True


@dataclass(frozen=True)
class IndexPlan:
    """The layout of one index. Each vector is coded in `pq_m` parts of `pq_nbits` bits, rotated first where `opq`.

    `groups` is 0 where every vector is compared with all centroids; past choose.FLAT_LISTS lists they are trained and
    looked up in two levels, by so many groups. With `rerank`, the vectors lie beside the codes as float16, and a search
    ranks what the codes find again by them.
    """

    rows: int
    width: int
    nlist: int
    num_cells: int
    num_shards: int
    pq_m: int
    pq_nbits: int
    train_rows: int
    opq: bool = False
    groups: int = 0
    rerank: bool = False

    @property
    def code_bytes(self) -> int:
        """Bytes of one vector's code, its id apart."""
        return -(-self.pq_m * self.pq_nbits // 8)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in all files: code, id, key with its note, and the vector where searches rank again."""
        return self.code_bytes + _ID_BYTES + _KEY_BYTES + self.vector_bytes

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector to rank again by; 0 where codes stand alone."""
        return VECTOR_BYTES * self.width if self.rerank else 0

    @property
    def template_bytes(self) -> int:
        """Bytes of centroids, codebooks and rotation."""
        rotation = self.width**2 * 4 if self.opq else 0
        return self.nlist * self.width * 4 + (self.width << self.pq_nbits) * 4 + rotation

    @property
    def bytes_per_shard(self) -> int:
        """Estimate of a shard's FAISS file: codes, ids, its share of the centroids and the codebooks."""
        stored = self.rows * (self.code_bytes + _ID_BYTES) + self.nlist * self.width * 4
        return stored // self.num_shards + (self.width << self.pq_nbits) * 4

    @property
    def total_bytes(self) -> int:
        """Estimate of all files that serve: shards, their keys and vectors, and the template."""
        beside = self.rows * (_KEY_BYTES + self.vector_bytes)
        return self.num_shards * self.bytes_per_shard + beside + self.template_bytes

    @property
    def process_bytes(self) -> int:
        """Estimate of what each searching process holds beside the files, which are mapped and shared by all.

        Codes of 4 bits are packed for fast scan in every process: codes and ids, and on average half a block a list.
        Codes of 8 bits are searched where they are mapped.
        """
        if self.pq_nbits != FAST_SCAN_NBITS:
            return 0
        return (self.rows + self.nlist * _BLOCK_ROWS // 2) * self.code_bytes + self.rows * _ID_BYTES

    @property
    def serve_bytes(self) -> int:
        """Estimate of the memory that serves, what `index.serve_mib` bounds: all files, and what one process holds."""
        return self.total_bytes + self.process_bytes

    @property
    def task_bytes(self) -> int:
        """Most memory of one task: of building a shard, or of measuring recall, whichever takes more.

        Building takes the process, the template, a batch on its way, and the growing shard.
        """
        read = min(_READ_ROWS * self.width * 4, _READ_BYTES) * _READ_COPIES
        batch = max(_BATCH_ROWS * self.width * 4 * _BATCH_COPIES, read)
        # What a shard has beside its FAISS file waits in memory until its keys can be put in order.
        rows = -(-self.rows // self.num_shards)
        # Seen of one shard x 64: 244 bytes for each row (229 MiB for 300,000 rows and 400 for a million), vectors being 128.
        beside = rows * (_KEY_BYTES + self.vector_bytes)
        building = (
            _PROCESS_BYTES + _TEMPLATE_COPIES * self.template_bytes + batch + _GROWTH * self.bytes_per_shard + beside
        )
        return max(building, _MEASURING_BYTES + read)

    @property
    def train_bytes(self) -> int:
        """Memory that training takes on the driver: the sample, and its residuals."""
        # With groups, centroids are trained group by group in tasks: the driver holds a part of the sample.
        on_driver = min(self.train_rows, max(MIN_TRAIN_ROWS, 256 * self.groups)) if self.groups else self.train_rows
        return _PROCESS_BYTES + 3 * on_driver * self.width * 4 + self.template_bytes

    @property
    def training_seconds(self) -> float:
        """Rough CPU-seconds of k-means for the lists, by the sample that trains them."""
        rounds = LIST_ROUNDS * (self.nlist // max(1, self.groups) + self.groups)
        return self.train_rows * rounds * self.width * 2 / FLOPS

    @property
    def adding_seconds(self) -> float:
        """Rough CPU-seconds of all rows: reading, moving, assigning to lists, coding and writing."""
        # With groups of lists a row is compared with the centres of all groups, and with the lists of the
        # 16 nearest: the square root of what comparing all lists would take.
        compared = self.nlist if not self.groups else self.groups + _PROBED_GROUPS * (self.nlist // self.groups)
        assign = self.rows * compared * self.width * 2 / FLOPS
        code = self.rows * self.width / _CODE_RATE * (1 << self.pq_nbits) / 64
        moved = self.rows * (_ROW_SECONDS + self.width * _DIMENSION_SECONDS)
        return assign + code + moved

    @property
    def cpu_seconds(self) -> float:
        """Rough CPU-seconds of the whole stage on one kind of core, all processes together."""
        return STAGE_SECONDS + self.training_seconds + self.adding_seconds

    def describe(self) -> dict[str, int | float | bool]:
        """Return the plan and what it takes, for people: bytes, and CPU-hours."""
        takes = {
            "row_bytes": self.row_bytes,
            "bytes_per_shard": self.bytes_per_shard,
            "total_bytes": self.total_bytes,
            "process_bytes": self.process_bytes,
            "serve_bytes": self.serve_bytes,
            "task_bytes": self.task_bytes,
            "train_bytes": self.train_bytes,
            "cpu_hours": round(self.cpu_seconds / 3600, 3),
        }
        return asdict(self) | takes
