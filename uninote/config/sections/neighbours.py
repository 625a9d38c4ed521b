"""Settings of the neighbours of every note, and the rules of their tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from uninote.config.sections.base import Section, Width
from uninote.lake.reserved import NEIGHBOURS, is_reserved
from uninote.notes.attributes import Attribute

TableName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=100)]


class DiverseConfig(Section):
    """At most so many notes of a list share their first `prefix` codes."""

    prefix: int = Field(ge=1, le=8)
    at_most: int = Field(ge=1)


class RuleConfig(Section):
    """Which notes may be neighbours in one table, beside never the note itself. Null attributes are in no set of values.

    `same` and `different` name attributes that must, or must not, be equal to the note's own; a note whose own value is
    null has no neighbours of the same, and any of a different one. `only` and `never` hold values that a neighbour must,
    or must not, have. Below `min_score` nobody is a neighbour; entries of less strength than `min_strength`, or of less
    confidence than `min_confidence`, are not shown, and none of lists whose best entry has less than `min_best_confidence`;
    each null: than that of all tables. Of duplicates, notes at
    `neighbours.duplicate_score` or above: keep all; exclude those of the note itself; or collapse, one entry for each group of
    them. With `fresh_days` only notes updated in so many days before the run are neighbours. `hubness`, 0 to 1, ranks notes
    lower that are close to everyone, by that share of the mean score of their own lists; set `neighbours.slack` to some K with
    it. `diverse` takes notes that have codes. `embedding` names vectors other than those of the lake's model, one of
    the section `embeddings`.
    """

    same: tuple[Attribute, ...] = Field((), strict=False)
    different: tuple[Attribute, ...] = Field((), strict=False)
    only: dict[Attribute, list[str]] = Field(default_factory=dict)
    never: dict[Attribute, list[str]] = Field(default_factory=dict)
    min_score: float | None = None
    min_strength: float | None = None
    min_confidence: float | None = Field(None, ge=0, le=1)
    min_best_confidence: float | None = Field(None, ge=0, le=1)
    duplicates: Literal["keep", "exclude", "collapse"] = "keep"
    fresh_days: int | None = Field(None, ge=1)
    hubness: float = Field(0.0, ge=0, le=1)
    diverse: DiverseConfig | None = None
    embedding: str | None = None

    @property
    def ranks(self) -> bool:
        """Say whether the public lists can be made only once all lists are."""
        return self.duplicates == "collapse" or self.hubness > 0 or self.diverse is not None


class NeighboursConfig(Section):
    """How the all-pairs join looks, and which tables come of it. `width` null means the widest.

    Entries whose strength is below `min_strength`, or whose confidence is below `min_confidence`, are not shown to readers,
    null: all are; lists become shorter, or empty. A list of which no entry has `min_best_confidence` is shown empty: such a
    note has no relatives.
    `slack` extra candidates are stored beside the `k`, for updates that take some away. The corpus is one cell as long as
    a task of `task_mib` holds it; past that `overlap` cells see each row, null: as many as a sample says are needed for
    `recall_target`. `cell_rows` fixes how many rows have a cell as their primary one. Of an
    update and a full join the one is made that is cheaper by the ledger; with `full_share` an update, unless more than that
    share of the notes changed. `tables` are named as they appear in the lake, by none of the lake's own names;
    `neighbours`, without rules, is always there.
    """

    width: Width | None = None
    k: int = Field(20, ge=1, le=1000)
    slack: int = Field(4, ge=0, le=1000)
    cell_rows: int | None = Field(None, ge=1)
    overlap: int | None = Field(None, ge=1)
    task_mib: int = Field(3072, ge=64)
    recall_target: float = Field(0.98, ge=0, le=1)
    recall_sample: int = Field(500, ge=1)
    full_share: float | None = Field(None, ge=0)
    duplicate_score: float = 0.995
    min_strength: float | None = None
    min_confidence: float | None = Field(None, ge=0, le=1)
    min_best_confidence: float | None = Field(None, ge=0, le=1)
    tables: dict[TableName, RuleConfig] = Field(default_factory=dict)
    seed: int = 0

    @field_validator("tables", mode="before")
    @classmethod
    def _names_are_free(cls, tables: Any) -> Any:
        """Refuse names of our own tables before the pattern speaks, so that Items gets the same message as items."""
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

    def min_strength_of(self, name: str) -> float | None:
        """Return the least strength of entries of a table that readers see, null for any."""
        own = self.rules[name].min_strength
        return self.min_strength if own is None else own

    def min_confidence_of(self, name: str) -> float | None:
        """Return the least confidence of entries of a table that readers see, null for any."""
        own = self.rules[name].min_confidence
        return self.min_confidence if own is None else own

    def min_best_confidence_of(self, name: str) -> float | None:
        """Return the least confidence of the best entry of a list that readers see of a table, null for any."""
        own = self.rules[name].min_best_confidence
        return self.min_best_confidence if own is None else own

    def cuts(self, name: str) -> bool:
        """Say whether readers of a table do not see entries of too little strength or confidence."""
        return self.min_strength_of(name) is not None or self.uses_confidence(name)

    def uses_confidence(self, name: str) -> bool:
        """Say whether confidences decide what readers of a table see."""
        return self.min_confidence_of(name) is not None or self.min_best_confidence_of(name) is not None

    @property
    def rules(self) -> dict[str, RuleConfig]:
        """The tables of the lake's own vectors with their rules, in order of name."""
        return dict(sorted(({NEIGHBOURS: RuleConfig()} | self.of_embedding(None).tables).items()))

    def of_embedding(self, name: str | None) -> NeighboursConfig:
        """Return the settings of the tables that are made of one embedding alone, null: of the lake's own vectors."""
        own = {table: rule for table, rule in self.tables.items() if rule.embedding == name}
        if name is None:
            return self.model_copy(update={"tables": own})
        plain = {table: rule.model_copy(update={"embedding": None}) for table, rule in own.items()}
        # Their widths are their own: the widest is joined.
        return self.model_copy(update={"tables": plain, "width": None})
