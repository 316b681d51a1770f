"""What travels of a batch: the whole, or pieces of it when the service fails at the whole."""

from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from trueodds.v1 import scoring_pb2

Key = TypeVar("Key")
Request: TypeAlias = scoring_pb2.StreamScoreRequest
Response: TypeAlias = scoring_pb2.StreamScoreResponse


@dataclass(slots=True)
class Batch(Generic[Key]):
    """A batch by its number and its caller's key; ``outcomes`` are those known, by their place."""

    number: int
    key: Key
    size: int
    outcomes: dict[int, scoring_pb2.Outcome] = field(default_factory=dict)


@dataclass(slots=True)
class Piece(Generic[Key]):
    """A request for the questions of a batch from ``first`` on, and how often the service failed
    at them.
    """

    batch: Batch[Key]
    first: int
    request: Request
    faults: int = 0
    sent: float = 0.0

    @property
    def name(self) -> str:
        return self.request.batch_id

    def halves(self) -> "list[Piece[Key]]":
        """Two pieces of half the questions each; none of a single question."""
        questions = self.request.questions
        middle = len(questions) // 2
        return [
            Piece(
                self.batch,
                self.first + start,
                Request(
                    settings=self.request.settings,
                    batch_id=f"{self.name}/{start}",
                    questions=questions[start:stop],
                ),
                self.faults,
            )
            for start, stop in ((0, middle), (middle, len(questions)))
            if middle
        ]

    def cut(self, size: int) -> "list[Piece[Key]]":
        """Pieces of at most ``size`` questions."""
        if len(self.request.questions) <= size:
            return [self]
        return [smaller for half in self.halves() for smaller in half.cut(size)]

    def answered(self, response: Response) -> Response | None:
        """The answer to the batch; None where other pieces have none yet."""
        if response.HasField("error") or len(response.outcomes) == self.batch.size:
            return response
        self.batch.outcomes.update(enumerate(response.outcomes, self.first))
        if len(self.batch.outcomes) < self.batch.size:
            return None
        return Response(outcomes=[self.batch.outcomes[place] for place in range(self.batch.size)])
