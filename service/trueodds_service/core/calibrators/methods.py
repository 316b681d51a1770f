"""The methods of calibration: what each is called, needs, promises, and where it comes from."""

from dataclasses import dataclass
from enum import StrEnum

# The paper's five held-out examples a task. With fewer, all of them are often right, or all wrong:
# the fit is then a bound rather than a temperature.
MIN_LABELLED = 5

# One question is matched by a temperature of its own whatever the teacher says; from two on, T
# is a compromise and the divergence left after the fit tells how good a one.
MIN_TAUGHT = 2


class Method(StrEnum):
    """How a calibrator is found. The values are part of stored records."""

    IDENTITY = "identity"
    CONSTANT = "constant"
    TEMPERATURE = "temperature"
    KDE = "kde"
    TEACHER_KL = "teacher_kl"
    AGREEMENT_KL = "agreement_kl"
    TEACHER_POOLED = "teacher_pooled"
    VECTOR = "vector"
    MATRIX = "matrix"
    ISOTONIC = "isotonic"
    BETA = "beta"
    SCALING_BINNING = "scaling_binning"


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """What a method asks for and promises.

    ``needs_labels`` and ``needs_teacher``: whether it learns from right answers, and from a
    teacher's logprobs. A method that needs neither needs no items at all.
    With fewer than ``min_items`` items that it can use, a fit is refused. With fewer than
    ``own_items`` its stated fallback is fitted in its place, and the result says so.
    ``keeps_choice``: whether it never changes which option is the likeliest.
    ``parameters`` is how many numbers it fits for k options: "0", "1", "3", "2k", "k² + k"; "n" if
    they grow with the data. ``source`` is where it was published.
    """

    method: Method
    needs_labels: bool
    needs_teacher: bool
    min_items: int
    own_items: int
    keeps_choice: bool
    parameters: str
    source: str

    @property
    def is_temperature(self) -> bool:
        """Whether it ends in one temperature, which is for any number of options."""
        return self.parameters in ("0", "1")

    @property
    def is_confidence_map(self) -> bool:
        """Whether it looks at the choice's confidence alone, and so needs no more than that."""
        return self.method in CONFIDENCE_MAPS


CONFIDENCE_MAPS = (
    Method.IDENTITY,
    Method.KDE,
    Method.ISOTONIC,
    Method.BETA,
    Method.SCALING_BINNING,
)


def _free(method: Method, source: str) -> MethodSpec:
    return MethodSpec(method, False, False, 0, 0, True, "0", source)


def _taught(method: Method, source: str) -> MethodSpec:
    return MethodSpec(method, False, True, MIN_TAUGHT, MIN_TAUGHT, True, "1", source)


def _labelled(
    method: Method, source: str, parameters: str, own_items: int, keeps_choice: bool = False
) -> MethodSpec:
    return MethodSpec(
        method, True, False, MIN_LABELLED, own_items, keeps_choice, parameters, source
    )


SPECS: dict[Method, MethodSpec] = {
    spec.method: spec
    for spec in (
        _free(Method.IDENTITY, "the answer distribution itself"),
        _free(Method.CONSTANT, "He et al. 2023 (arXiv 2310.11732), section 5"),
        _labelled(
            Method.TEMPERATURE, "Guo et al. 2017 (arXiv 1706.04599)", "1", MIN_LABELLED, True
        ),
        _labelled(Method.KDE, "He et al. 2023 (arXiv 2310.11732), Eq. 5", "n", MIN_LABELLED),
        _taught(Method.TEACHER_KL, "He et al. 2023 (arXiv 2310.11732), Eq. 6"),
        _taught(Method.AGREEMENT_KL, "DACA: Luo et al. 2025 (arXiv 2505.16690)"),
        _taught(Method.TEACHER_POOLED, "docs/calibration.md"),
        _labelled(Method.VECTOR, "Guo et al. 2017 (arXiv 1706.04599)", "2k", MIN_LABELLED),
        _labelled(
            Method.MATRIX,
            "Dirichlet calibration: Kull et al. 2019 (arXiv 1910.12656)",
            "k² + k",
            MIN_LABELLED,
        ),
        _labelled(Method.ISOTONIC, "Zadrozny and Elkan 2002 (KDD)", "n", 50),
        _labelled(Method.BETA, "Kull et al. 2017 (AISTATS)", "3", MIN_LABELLED),
        _labelled(Method.SCALING_BINNING, "Kumar et al. 2019 (arXiv 1909.10155)", "n", 50),
    )
}
