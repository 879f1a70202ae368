"""Components that ``config.yml`` names in Rasa's pipeline.

They run inside the Rasa server, on Python 3.10 with what ``nlu/rasa/requirements.lock`` holds: they
import nothing of this product but ``nlu.text`` and ``nlu.scripts``, which need the standard library
alone. ``segment`` and ``identify`` do not even need Rasa.
"""
