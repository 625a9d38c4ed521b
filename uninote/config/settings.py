"""The configuration as a typed, frozen object: every key, its default and its rule. `config_file` reads it."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from uninote.config.spark_settings import find_conflicts
from uninote.lake.reserved import NEIGHBOURS, is_reserved
from uninote.lake.table_paths import unusable_part
from uninote.model.layouts import LAYOUTS, known
from uninote.training.settings import TrainConfig

DEMO = "demo"  # the built-in corpus (as ingest.source) and the built-in checkpoint (as model.checkpoint)

# A place: relative ones mean "from the config file's folder", or from the current folder when given with --set.
Location = Annotated[str, Field(min_length=1), "location"]
Width = Annotated[int, Field(ge=1)]
Attribute = Literal["category", "author", "language", "visibility"]
TableName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=100)]
Kind = Literal["note", "image", "text", "ocr"]


class _Section(BaseModel):
    """Strict, so that "8192" is not a number; closed, so that a typo is an error; frozen, so that nobody edits it later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DemoConfig(_Section):
    """The built-in corpus: where it is generated, and how large."""

    folder: Location = Field(default_factory=lambda: str(Path.home() / ".cache" / "uninote" / "demo"))
    notes: int = Field(3000, ge=1)
    seed: int = 7


class IngestConfig(_Section):
    """Where notes come from. `columns` maps a field of `notes` to the source's column where the guess is wrong.

    `encoding` is that of text files without a byte order mark. An ingest that would delete more than
    `max_deleted_share` of the notes, and at least 100, is refused: a source that was written by half looks just so.
    `--allow-deletes` lets it pass once.
    """

    source: Location
    columns: dict[str, str] = {}
    max_deleted_share: float = Field(0.1, ge=0, le=1)
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(
                "should be an encoding that Python knows, such as utf-8, cp1252, gb18030 or utf-16"
            ) from error
        return encoding


class MediaConfig(_Section):
    """Which files may be opened as images, how large they may be, and how they are fetched.

    Relative names are looked up in the source's own folder, if it has one, and with `search_roots` then in the `roots`.
    `timeout_s` is for one file, retries included; `attempts` are made where an error may pass; each task fetches with
    `threads`, while its model computes.
    """

    roots: tuple[Location, ...] = Field((), strict=False)  # YAML has lists, not tuples
    search_roots: bool = False
    max_bytes: int = Field(32 << 20, ge=1)
    max_pixels: int = Field(50_000_000, ge=1)
    timeout_s: float = Field(30.0, gt=0)
    attempts: int = Field(4, ge=1)
    threads: int = Field(8, ge=1)


class S3Config(_Section):
    """Which S3 service `s3://` means; null is what the environment says. Credentials come from the environment only."""

    endpoint: str | None = None
    region: str | None = None


class ModelConfig(_Section):
    """The encoder: a folder of one of the kinds in docs/encoders.md, local or `s3://`; or "demo".

    `dtype` auto is float32 on a CPU and the checkpoint's own on a GPU. `layout` is the number of what moves vectors beside
    the weights (docs/encoders.md); null: the one that the lake has of this model, or else the checkpoint's, or else the newest.
    """

    checkpoint: Location
    kind: Literal["uninote", "sentence-transformers", "feature-hashing"] = "uninote"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: int | None = None

    @field_validator("layout")
    @classmethod
    def _is_known(cls, layout: int | None) -> int | None:
        if layout is not None and layout not in LAYOUTS:
            raise ValueError(
                f"{layout} is no layout that this release knows, which are {known()}; null keeps the lake's"
            )
        return layout


class EmbedConfig(_Section):
    """What gets vectors, at which widths, and in which portions.

    `widths` null means every width the checkpoint declares; others are refused unless `undeclared_widths` is true.
    `kinds` beside note make vectors of single images, texts and OCR strings. `chunk_items` are committed together: what a
    killed run computes again is at most that. `recheck_media` looks at size and time of every image each night; without
    it an image replaced under its old name is noticed only when its note changes. `retry_quarantined` tries again what
    was set aside, and notes embedded without a broken part. `check_vectors` reads all stored vectors first, and embeds again
    what is damaged or lacking.
    """

    widths: tuple[Width, ...] | None = Field(None, strict=False)
    undeclared_widths: bool = False
    kinds: tuple[Kind, ...] = Field(("note",), strict=False)
    batch_tokens: int = Field(8192, ge=1)
    items_per_task: int = Field(2000, ge=1)
    chunk_items: int = Field(20_000, ge=1)
    recheck_media: bool = True
    retry_quarantined: bool = False
    check_vectors: bool = False
    max_quarantined_share: float = Field(0.5, ge=0, le=1)

    @field_validator("kinds")
    @classmethod
    def _has_notes(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if "note" not in kinds:
            raise ValueError("should name note: what other jobs read are vectors of notes")
        return tuple(sorted(set(kinds)))


class IndexConfig(_Section):
    """What is indexed, how finely, and within which memory; null means planned (`jobs/index.py --dry-run` shows how).

    `widths` null means every embedded width. `folder` holds the index files instead of the lake, and may be `s3://…`.
    `recall_target` is for recall@K of a search, against exact; it steers the codes and, where `nprobe` is null, how many
    lists a search looks into. `serve_mib` bounds all files of one width, `task_mib` the memory of one building task. What
    changed since the base was built is a segment beside it; at `compact_share` of the base, a new base is built. Past
    `max_drift`, see docs/index.md, a new template is due: `retrain` warn says so, auto trains it, now always.
    """

    folder: Location | None = None
    widths: tuple[Width, ...] | None = Field(None, strict=False)
    kinds: tuple[Kind, ...] = Field(("note",), strict=False, min_length=1)
    nlist: int | None = Field(None, ge=1)
    pq_m: int | None = Field(None, ge=1)
    opq: bool = False
    num_shards: int | None = Field(None, ge=1)
    recall_target: float = Field(0.9, ge=0, le=1)
    serve_mib: int | None = Field(None, ge=1)
    task_mib: int = Field(2048, ge=1)
    nprobe: int | None = Field(None, ge=1)
    compact_share: float = Field(0.2, ge=0)
    max_drift: float = Field(1.5, gt=1)
    retrain: Literal["warn", "auto", "now"] = "warn"
    seed: int = 0


class SearchConfig(_Section):
    """What `jobs/search.py` looks for: every row of `queries`, any source that ingest reads, gets the `k` nearest notes.

    Instead of `queries`, `items` takes the lake's own images, texts or OCR strings (`embed.kinds` must name them). Answers go
    to the Delta table `output`. `width` null means the widest index; `nprobe` null what the index was calibrated
    to. With `rerank_width`, `rerank_depth` times `k` notes are found first, and ranked again by their vectors of that
    width. `only` and `never` hold values of category, author, language or visibility that a note must, or must not, have.
    """

    queries: Location | None = None
    items: Literal["image", "text", "ocr"] | None = None
    output: Location | None = None
    width: Width | None = None
    k: int = Field(20, ge=1)
    nprobe: int | None = Field(None, ge=1)
    rerank_width: Width | None = None
    rerank_depth: int = Field(4, ge=1)
    only: dict[str, list[str]] = {}
    never: dict[str, list[str]] = {}


class RuleConfig(_Section):
    """Which notes may be neighbours in one table, beside never the note itself. Null attributes are in no set of values.

    `same` and `different` name attributes that must, or must not, be equal to the note's own; a note whose own value is
    null has no neighbours of the same, and any of a different one. `only` and `never` hold values that a neighbour must,
    or must not, have. Below `min_score` nobody is a neighbour. Of duplicates, notes at `neighbours.duplicate_score` or
    above: keep all; exclude those of the note itself; or collapse, one entry for each group of them. With `fresh_days`
    only notes updated in so many days before the run are neighbours. `hubness`, 0 to 1, ranks notes lower that are close to
    everyone, by that share of the mean score of their own lists; set `neighbours.slack` to some K with it.
    """

    same: tuple[Attribute, ...] = Field((), strict=False)
    different: tuple[Attribute, ...] = Field((), strict=False)
    only: dict[Attribute, list[str]] = {}
    never: dict[Attribute, list[str]] = {}
    min_score: float | None = None
    duplicates: Literal["keep", "exclude", "collapse"] = "keep"
    fresh_days: int | None = Field(None, ge=1)
    hubness: float = Field(0.0, ge=0, le=1)

    @property
    def ranks(self) -> bool:
        """Say whether the public lists can be made only once all lists are."""
        return self.duplicates == "collapse" or self.hubness > 0


class NeighboursConfig(_Section):
    """How the all-pairs join looks, and which tables come of it. `width` null means the widest.

    `slack` extra candidates are kept beside the `k`, for nights that take some away. The corpus is one cell as long as
    a task of `task_mib` holds it; past that `overlap` cells see each row, null: as many as a sample says are needed for
    `recall_target`. `cell_rows` fixes the home rows of a cell. A night that changes more than `full_share` of the notes
    joins all of them again. `tables` are named as they appear in the lake, by none of the lake's own names; `neighbours`,
    without rules, is always there.
    """

    width: Width | None = None
    k: int = Field(20, ge=1, le=1000)
    slack: int = Field(4, ge=0, le=1000)
    cell_rows: int | None = Field(None, ge=1)
    overlap: int | None = Field(None, ge=1)
    task_mib: int = Field(3072, ge=64)
    recall_target: float = Field(0.98, ge=0, le=1)
    recall_sample: int = Field(500, ge=1)
    full_share: float = Field(0.2, ge=0)
    duplicate_score: float = 0.995
    tables: dict[TableName, RuleConfig] = {}
    seed: int = 0

    @field_validator("tables", mode="before")
    @classmethod
    def _names_are_free(cls, tables: Any) -> Any:
        """Refuse names of our own tables before the pattern speaks, so that Items is told as items is."""
        for name, rule in tables.items() if isinstance(tables, dict) else ():
            if name == NEIGHBOURS:
                if rule not in (None, {}, RuleConfig()):
                    raise ValueError(
                        f"{NEIGHBOURS} is the table without rules, which duplicates and training are made of; give these "
                        f"rules another name"
                    )
            elif is_reserved(str(name)):
                raise ValueError(
                    f"{name} is a name of the lake's own tables and folders; give these rules another name"
                )
        return tables

    @model_validator(mode="after")
    def _cells_fill_lists(self) -> Self:
        least = 2 * (self.k + self.slack)
        if self.cell_rows is not None and self.cell_rows < least:
            raise ValueError(f"cell_rows should be at least 2 x (k + slack) = {least}, or a cell may not fill a list")
        return self

    @property
    def rules(self) -> dict[str, RuleConfig]:
        """The tables with their rules, in order of name."""
        return dict(sorted(({NEIGHBOURS: RuleConfig()} | self.tables).items()))


class TrainingConfig(_Section):
    """What is trained on, and how. Of at most `max_notes` notes (null: all) examples are made, `per_note` of a strategy.

    Near-duplicates are one group, of which `group_cap` are kept; `eval_share` of the groups are held out. With
    `modal_replacement` the note that an image asks for has its description in its place; with `note_pairs` the halves of a
    note are a pair, which the paper leaves to its second stage. `noise` notes stand beside the
    relevant ones of a ranked list. `teacher` model scores candidates with the configured encoder (none: captions are the
    only truth); of its candidates between `window` similarities, `negatives` are hard negatives, and what comes within
    `margin` of the positive is none. Training starts at `start` (demo: a new, small model), `contrastive` before
    `ranking`; null leaves one out. `processes` share each batch. `output` null is a folder in the lake.
    """

    max_notes: int | None = Field(100_000, ge=1)
    per_note: int = Field(2, ge=1)
    group_cap: int = Field(20, ge=1)
    eval_share: float = Field(0.15, gt=0, lt=1)
    modal_replacement: bool = True
    note_pairs: bool = False
    noise: int = Field(20, ge=1)
    teacher: Literal["none", "model"] = "none"
    window: tuple[float, float] = Field((0.5, 0.7), strict=False)
    margin: float = Field(0.01, ge=0)
    negatives: int = Field(8, ge=0)
    seed: int = 0
    start: Location = DEMO
    contrastive: TrainConfig | None = TrainConfig()
    ranking: TrainConfig | None = None
    processes: int = Field(1, ge=1)
    output: Location | None = None

    def of_set(self) -> dict[str, Any]:
        """Return what a training set is made with: all but how a model is then trained on it."""
        return self.model_dump(mode="json", exclude={"start", "contrastive", "ranking", "processes", "output"})

    @model_validator(mode="after")
    def _stages_are_in_place(self) -> Self:
        for name, stage in (("contrastive", self.contrastive), ("ranking", self.ranking)):
            if stage is not None and stage.stage != name:
                raise ValueError(f"{name}.stage should be {name}, not {stage.stage}")
        soft = self.contrastive is not None and self.contrastive.contrastive.loss == "symmetric_kl"
        if soft and self.teacher == "none":
            raise ValueError("contrastive.loss symmetric_kl needs a teacher's scores; set training.teacher to model")
        return self


class ReportConfig(_Section):
    """What the HTML report shows."""

    gallery_notes: int = Field(10, ge=0)
    gallery_neighbours: int = Field(8, ge=1)


class Config(_Section):
    """The whole pipeline. `spark` holds further Spark settings, applied after the project's own (`spark_settings`).

    `as_of` is the time that ages are counted from, ISO 8601, in UTC where it names no zone; null: when the run starts.
    """

    lake: Location
    ingest: IngestConfig
    model: ModelConfig
    demo: DemoConfig = Field(default_factory=DemoConfig)
    media: MediaConfig = MediaConfig()
    s3: S3Config = S3Config()
    embed: EmbedConfig = EmbedConfig()
    index: IndexConfig = IndexConfig()
    search: SearchConfig = SearchConfig()
    neighbours: NeighboursConfig = NeighboursConfig()
    training: TrainingConfig = TrainingConfig()
    report: ReportConfig = ReportConfig()
    as_of: str | None = None
    spark: dict[str, str] = {}

    @field_validator("lake")
    @classmethod
    def _is_local(cls, lake: str) -> str:
        if "://" in lake:
            raise ValueError(
                "should be a local or mounted folder; index files and reports are not written to object stores"
            )
        if (part := unusable_part(lake)) is not None:
            raise ValueError(f"holds {part!r}, and Delta's library takes no table there; choose a path without it")
        return lake

    @field_validator("spark")
    @classmethod
    def _leaves_results_right(cls, settings: dict[str, str]) -> dict[str, str]:
        if conflicts := list(find_conflicts(settings)):
            raise ValueError("; ".join(conflicts))
        return settings

    @field_validator("as_of", mode="before")
    @classmethod
    def _is_time(cls, as_of: Any) -> Any:
        if isinstance(as_of, date):  # YAML reads dates and times by itself
            as_of = as_of.isoformat()
        if isinstance(as_of, str):
            datetime.fromisoformat(as_of)
        return as_of

    def content_hash(self) -> str:
        """Return 16 hexadecimal characters that change with any value of the configuration."""
        return fingerprint(self.model_dump(mode="json"))


def fingerprint(*values: Any) -> str:
    """Return 16 hexadecimal characters of SHA-256 over the canonical JSON of `values`."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
