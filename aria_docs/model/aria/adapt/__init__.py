"""The training room: LoRA on Aria's network, and merging it into a checkpoint. Knows tokens and crops, no file of data."""
