"""Peers of the embed job, in one process: a bare loop over sorted batches, and SentenceTransformer.encode.

    python benchmarks/embed_peers.py bare|library <checkpoint> <texts.json> <batch_tokens>

The last line on stdout is a JSON object with the seconds it took, loading apart.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer


def bare_loop(model: SentenceTransformer, texts: list[str], batch_tokens: int) -> np.ndarray:
    """Tokenise everything, sort by length, pad and compute batch by batch: what a careful person writes by hand."""
    tokenizer, transformer = model.tokenizer, model[0].auto_model
    ids = tokenizer(texts, truncation=True, max_length=model.max_seq_length, padding=False)["input_ids"]
    order = sorted(range(len(texts)), key=lambda position: len(ids[position]))
    vectors = np.empty((len(texts), model.get_sentence_embedding_dimension()), np.float32)
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * len(ids[order[end]]) <= batch_tokens:
            end += 1
        rows = order[start:end]
        longest = len(ids[rows[-1]])
        tokens = torch.full((len(rows), longest), tokenizer.pad_token_id)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for position, row in enumerate(rows):
            tokens[position, : len(ids[row])] = torch.tensor(ids[row])
            mask[position, : len(ids[row])] = 1
        with torch.inference_mode():
            hidden = transformer(input_ids=tokens, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).float()
            pooled = (hidden * weights).sum(1) / weights.sum(1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        start = end
    return vectors


def main(method: str, checkpoint: str, texts_file: str, batch_tokens: str) -> None:
    """Run one peer."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    texts = json.loads(Path(texts_file).read_text())
    model = SentenceTransformer(checkpoint, device="cpu", model_kwargs={"use_safetensors": True})
    model.encode(texts[:64])  # the first call allocates
    started, cpu = time.perf_counter(), time.process_time()
    if method == "bare":
        vectors = bare_loop(model, texts, int(batch_tokens))
    else:
        vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "rows": len(vectors)}))


main(*sys.argv[1:])
