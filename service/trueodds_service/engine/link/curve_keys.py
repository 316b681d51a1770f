"""Who may talk to whom between nodes: a pair of CURVE keys, which an engine's process makes and
tells to the gateways of its service.

Whoever has the pair is let in, and nobody else; CurveZMQ (RFC 26) encrypts. On one node a folder
that only this user may enter does the same.
"""

from dataclasses import dataclass, field
from typing import Any

import zmq
from zmq.auth.asyncio import AsyncioAuthenticator


@dataclass(frozen=True, slots=True)
class CurveKeys:
    public: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def make(cls) -> "CurveKeys":
        return cls(*zmq.curve_keypair())

    def let_in(self, socket: "zmq.Socket[Any]") -> None:
        """Makes a listening socket ask for the keys. ``guard`` has to watch its context."""
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret

    def show(self, socket: "zmq.Socket[Any]") -> None:
        """Makes a socket that is to connect show the keys, and ask for them."""
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret
        socket.curve_serverkey = self.public

    def guard(self, context: "zmq.Context[Any]") -> AsyncioAuthenticator:
        """Lets in who has these keys, at every socket of ``context`` that asks for some."""
        authenticator = AsyncioAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve_callback(credentials_provider=_Known(self.public))
        return authenticator


@dataclass(frozen=True, slots=True)
class _Known:
    """What pyzmq asks about each key, in Z85."""

    public: bytes

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self.public
