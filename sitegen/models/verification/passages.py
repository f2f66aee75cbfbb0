"""What exports are tested with: a passage for the reference, and prompts for the self-check."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sitegen.models.tokens.tokenizer import Text
from sitegen.models.verification.verify import SELF_CHECK_TOKENS

PROMPT_TOKENS = 16  # of the self-check, where there is no chat template
# The same on GPUs, which take another kernel for many tokens at once: onnxruntime-web 1.30's
# attention does from 32 on, and that one was found wrong on an adapter where the other was right.
GPU_PROMPT_TOKENS = 40
# Tokens held against the reference: one pass of them costs about as much as quantizing.
LEAST_POSITIONS, MOST_POSITIONS, POSITIONS_X_WEIGHTS = 32, 256, 4e9
JUDGED_POSITIONS = 128  # at least, where the author makes a share of them a condition
CHAT_PROMPT_TOKENS = 128  # of the self-check: a template may say much before the question
SENTENCES = (
    "Once upon a time, in a small village by the sea, there lived a girl who loved books.",
    "The capital of France is Paris, and the capital of Italy is",
    "One, two, three, four, five, six, seven, eight, nine,",
    "Water boils at a hundred degrees, and it freezes at",
)
PASSAGE = (
    "Once upon a time there was an old lighthouse on a rock by the sea. A small fox lived there "
    "with a woman who kept the lamp. Every evening they climbed the stairs together, and she told "
    "him about the ships. One night the wind was so strong that the lamp went out. The fox ran "
    "through the rain to the village and barked until the people woke up. They lit a great fire "
    "on the beach, and all the ships came home. In the morning the baker brought a warm cake, the "
    "children sang a song, and the captain gave the fox a silver bell. From that day on everybody "
    "in the village could hear when he came. In winter, when the snow lay deep on the roofs, they "
    "sat by the stove. She read to him from a book about the stars, which stand so far away that "
    "their light has travelled for years before anyone can see it, and he fell asleep before the "
    "end."
)
PASSAGE_SENTENCES = re.findall(r"\S[^.]+\.", PASSAGE)


def passage(text: Text, context: int, parameters: int, *, judged: bool = False) -> list[int]:
    """The tokens that are held against the reference: fewer for larger models.

    judged: whether the build fails by what they say.
    """
    least = JUDGED_POSITIONS if judged else LEAST_POSITIONS
    most = min(max(int(POSITIONS_X_WEIGHTS / parameters), least), MOST_POSITIONS, context)
    # A vocabulary without a single Latin letter knows nothing of it.
    ids = text.encode([PASSAGE])[0] or [0]
    return (ids * LEAST_POSITIONS)[: min(most, max(len(ids), LEAST_POSITIONS))]


def self_check_prompts(text: Text, context: int) -> list[list[int]]:
    """Token ids of the verification sentences, short enough to leave room for an answer."""
    return _prompts(text, SENTENCES, PROMPT_TOKENS, context)


def gpu_self_check_prompts(text: Text, context: int) -> list[list[int]]:
    """The same with at least GPU_PROMPT_TOKENS tokens, where the context has room for them."""
    parts = [" ".join(PASSAGE_SENTENCES[n : n + 4]) for n in range(0, len(PASSAGE_SENTENCES), 3)]
    prompts = _prompts(text, parts, GPU_PROMPT_TOKENS, context)
    enough = min(GPU_PROMPT_TOKENS, context - SELF_CHECK_TOKENS)
    return [ids if len(ids) >= enough else (ids * enough)[:enough] for ids in prompts]


def _prompts(text: Text, sentences: Sequence[str], most: int, context: int) -> list[list[int]]:
    longest = most if text.chat_template is None else CHAT_PROMPT_TOKENS
    longest = min(longest, context - SELF_CHECK_TOKENS)
    prompts = [ids[:longest] for ids in text.encode(sentences)]
    return [ids or [0] for ids in prompts]  # a vocabulary without a single Latin letter
