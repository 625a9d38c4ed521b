"""Texts that stand in images: who reads them, and how a reader is found. Needs the extra `ocr` only where one reads."""
