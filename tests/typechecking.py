"""The checker of types and shapes that tests/conftest.py turns on for the whole package."""

import beartype

# An int is a good float, as static checkers see it too (PEP 484).
check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
