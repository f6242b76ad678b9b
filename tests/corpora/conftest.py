"""Fixtures of the corpora's tests."""

from __future__ import annotations

import pytest
from faces import Faces


@pytest.fixture(scope="session")
def faces() -> Faces:
    """Drawn faces for the fake trees."""
    return Faces()
