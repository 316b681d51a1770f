"""Calibrators for the tests of the command."""

import pytest

from trueodds import Client, Method


@pytest.fixture
def activated(service, task):
    """Fits and activates a calibrator of this temperature for the test's task; its name."""

    def activated(temperature, **options):
        options = {"options": 2, "activate": True, **options}
        with Client(service.app.address) as client:
            return client.fit(
                model="aligned",
                task=task,
                method=Method.CONSTANT,
                temperature=temperature,
                **options,
            ).name

    return activated
