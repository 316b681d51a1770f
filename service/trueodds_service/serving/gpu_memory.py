"""The memory of this machine's GPUs, told by their driver: CUDA is for an engine's processes."""

from ray._private.thirdparty import pynvml  # as Ray itself counts GPUs

_SPLIT = 1


def smallest_gpu() -> int | None:
    """Bytes; None where the driver tells nothing, or where a GPU is split into instances (MIG)."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        gpus = [
            pynvml.nvmlDeviceGetHandleByIndex(number)
            for number in range(pynvml.nvmlDeviceGetCount())
        ]
        if any(map(_is_split, gpus)):
            return None
        return min((int(pynvml.nvmlDeviceGetMemoryInfo(gpu).total) for gpu in gpus), default=None)
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _is_split(gpu: object) -> bool:
    try:
        current, _ = pynvml.nvmlDeviceGetMigMode(gpu)
    except pynvml.NVMLError_NotSupported:
        return False
    return bool(current == _SPLIT)
