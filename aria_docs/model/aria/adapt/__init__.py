"""The training room: LoRA on Aria's network, and merging it. Knows tokens and crops, no file of data."""
