import pytest
import trustme
from tests.certificates import Files


@pytest.fixture(scope="session")
def ca():
    return trustme.CA()


@pytest.fixture(scope="session")
def own(ca):
    """The certificate of a service at localhost and 127.0.0.1."""
    return ca.issue_cert("localhost", "127.0.0.1")


@pytest.fixture
def files(tmp_path, own, ca):
    return Files(tmp_path).write(own, ca)
