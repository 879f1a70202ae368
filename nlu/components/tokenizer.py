"""Rasa's pipeline: a tokenizer for every script."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.training_data.message import Message

from nlu.components.segment import segment, words
from nlu.text import fold


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class ScriptTokenizer(Tokenizer):
    """Words of spaced scripts, characters of Chinese and Japanese, Korean syllables, numbers, signs.

    A token's lemma, which ``CountVectorsFeaturizer`` counts, is its folded form, since customers
    leave out capitals and accents; for Korean it is the word, see :func:`nlu.components.segment.words`.
    """

    @staticmethod
    def not_supported_languages() -> Optional[List[str]]:
        """None: it works for all."""
        return None

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """The settings that all of Rasa's tokenizers have."""
        return {
            "intent_tokenization_flag": False,
            "intent_split_symbol": "_",
            "token_pattern": None,
            "prefix_separator_symbol": None,
        }

    def tokenize(self, message: Message, attribute: str) -> List[Token]:
        """The tokens of one attribute of a message, with their places."""
        text = message.get(attribute)
        spans = segment(text)
        tokens = [
            Token(text[start:end], start, end, lemma=fold(word) or word)
            for (start, end), word in zip(spans, words(text, spans), strict=True)
        ]
        found: List[Token] = self._apply_token_pattern(tokens)
        return found
