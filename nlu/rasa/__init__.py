"""Running a Rasa server on the project's files: ``python -m nlu.rasa``, or ``make rasa-train`` and so on.

``server`` and the command line belong to the product's own Python; ``launch`` runs inside Rasa's.
"""
