"""Aria behind vLLM: no medium mode, no split, 256 tokens for whatever picture.

vLLM's Aria gives every image the largest number of queries, 256, and one row of 980-px pixels (`get_num_image_tokens`
and the multi-modal fields in vllm/model_executor/models/aria.py, 0.32): 490-px crops and `split_image` cannot work. So
the tiles of a page are cut here and sent as pictures of their own, and each gets its own pair of markers, where Aria
was trained with one pair around them all: the model is told nothing of how they lie. 65,536 tokens hold about 230
frames of 256 tokens, markers and label, and no more are taken.

vLLM's own placeholder has markers that Aria's tokenizer does not know (`<|fim_prefix|>`, with bars): serve with the
checkpoint's chat template. More than one GPU for one replica gives garbage (issue vllm-project/vllm#49122): run one
server for each GPU and name them all.
"""

from aria_docs.model.profiles import Profile
from aria_docs.tiling.resolution import HIGH, ULTRA
from aria_docs.tiling.split import Layout

TOKENS = 256
MAX_FRAMES = 230


def image_tokens(layout: Layout) -> int:
    """256 for each crop and two markers between one and the next."""
    return layout.crops * (TOKENS + 2) - 2


ARIA_VLLM = Profile(
    name="aria-vllm",
    modes=(ULTRA, HIGH),
    image_tokens=image_tokens,
    max_frames=MAX_FRAMES,
    stop=("<|im_end|>",),  # the tokenizer has no end of its own
    encoded="jpeg",
)
