"""UniNote's own model on the Qwen3-VL family: prompt, processing, tower, checkpoint."""
