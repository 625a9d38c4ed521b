"""The ingest stage, and what later stages need of notes: items, media roots, image bytes."""
