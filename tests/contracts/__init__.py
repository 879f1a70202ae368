"""What every channel must do, asked of all of them.

A module here that has a ``CHANNEL`` describes one channel; the tests run over all of them. A new
channel adds its module, its fake server in ``tests/fakes``, and under ``fixtures/<name>/`` the
objects that its platform sends, each with what is expected of it::

    {
      "about": "A photo of the damage with words below it",
      "payload": {…},          the complete object, as the platform sends it
      "expected": [{…}],       the events, without the fields that are empty
      "whole": true            only the connector as a whole knows, with its settings
    }

In an expected field ``{"any": true}`` is not looked at, ``{"some": true}`` is anything but empty, and
``{"starts": "…"}`` and ``{"holds": "…"}`` are about a part of it. ``schemas/`` has the platforms' own
types, against which objects and requests are checked.
"""
