"""A small model of sequences of tokens, and the scores that it gives to every note as the next one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

WIDTH = 64
HIDDEN = 128
BATCH = 64
BLOCK = 16  # sessions that are scored at once


@dataclass(frozen=True)
class Ids:
    """The codes of every note, int64 (notes, levels), no two alike. Each level has tokens of its own."""

    codes: np.ndarray

    @property
    def levels(self) -> int:
        """How many tokens an id has."""
        return int(self.codes.shape[1])

    @cached_property
    def starts(self) -> list[int]:
        """The first token of each level, and behind them how many tokens there are. 0 is before and after each session."""
        return [int(start) for start in np.concatenate([[1], 1 + np.cumsum(self.codes.max(axis=0) + 1)])]

    @cached_property
    def tokens(self) -> np.ndarray:
        """The tokens of every note, int64 (notes, levels)."""
        tokens: np.ndarray = self.codes + np.array(self.starts[:-1])
        return tokens

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.starts[-1]


class NextToken(nn.Module):
    """A GRU that says which token comes next."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, WIDTH)
        self.gru = nn.GRU(WIDTH, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits after each token."""
        hidden, _ = self.gru(self.embed(tokens))
        logits: torch.Tensor = self.out(hidden)
        return logits


def train_model(ids: Ids, sessions: list[np.ndarray], epochs: int, seed: int) -> NextToken:
    """Return a model trained to go on with sessions, token by token."""
    torch.manual_seed(seed)
    model = NextToken(ids.vocabulary)
    rows = _padded(ids, sessions)
    steps = epochs * -(-len(rows) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(ignore_index=0)
    for _ in range(epochs):
        for places in torch.split(torch.randperm(len(rows)), BATCH):
            batch = rows[places]
            logits = model(batch[:, :-1])
            loss = loss_of(logits.flatten(0, 1), batch[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def _padded(ids: Ids, sessions: list[np.ndarray]) -> torch.Tensor:
    longest = max(map(len, sessions)) * ids.levels
    rows = np.zeros((len(sessions), 1 + longest), np.int64)
    for row, session in zip(rows, sessions, strict=True):
        tokens = ids.tokens[session].ravel()
        row[1 : 1 + len(tokens)] = tokens
    return torch.from_numpy(rows)


@torch.no_grad()
def scores_of(model: NextToken, ids: Ids, sessions: list[np.ndarray]) -> np.ndarray:
    """Return the log-probability of each note as the next one after each session, float32 (sessions, notes).

    Exact: every prefix of an id that some note has is followed, so no beam loses any. Of each level only its own tokens count.
    """
    found = [_scores(model, ids, sessions[start : start + BLOCK]) for start in range(0, len(sessions), BLOCK)]
    return np.concatenate(found)


def _scores(model: NextToken, ids: Ids, sessions: list[np.ndarray]) -> np.ndarray:
    state = _after(model, ids, sessions)
    scores = torch.zeros(len(sessions), 1)
    parents = torch.zeros(len(ids.tokens), dtype=torch.long)  # of each note: its prefix so far, by number
    for level in range(ids.levels):
        start, end = ids.starts[level : level + 2]
        logits = nn.functional.linear(state, model.out.weight[start:end], model.out.bias[start:end])
        chances = logits.log_softmax(dim=2)
        codes = torch.from_numpy(ids.codes[:, level])
        prefixes, mine = torch.unique(torch.stack([parents, codes], dim=1), dim=0, return_inverse=True)
        above, code = prefixes.T
        scores = scores[:, above] + chances[:, above, code]
        if level + 1 < ids.levels:
            tokens = (code + start).repeat(len(sessions))[:, None]
            _, after = model.gru(model.embed(tokens), state[:, above].reshape(1, -1, HIDDEN).contiguous())
            state = after.view(len(sessions), len(prefixes), HIDDEN)
        parents = mine
    found: np.ndarray = scores[:, parents].numpy()
    return found


def _after(model: NextToken, ids: Ids, sessions: list[np.ndarray]) -> torch.Tensor:
    """Return the state after the last token of each session, (sessions, 1, HIDDEN)."""
    hidden, _ = model.gru(model.embed(_padded(ids, sessions)))
    last = torch.tensor([len(session) * ids.levels for session in sessions])
    state: torch.Tensor = hidden[torch.arange(len(sessions)), last][:, None]
    return state
