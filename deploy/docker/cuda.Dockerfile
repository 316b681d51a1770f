# The service on GPUs of NVIDIA; their driver is of the machine. From the repository's root:
#   docker build -f deploy/docker/cuda.Dockerfile -t trueodds:cuda .
# It runs as a user of its own, with a read-only root and /tmp and /var/lib/trueodds to write to:
#   docker run --gpus all --read-only --tmpfs /tmp:exec --shm-size 1g --stop-timeout 60 -v state:/var/lib/trueodds -v ./serve.yaml:/etc/trueodds/serve.yaml:ro …
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/trueodds
WORKDIR /src
COPY requirements/cuda.txt requirements/
RUN /opt/trueodds/bin/pip install --no-deps --require-hashes -r requirements/cuda.txt
COPY clients/python clients/python
COPY service service
RUN /opt/trueodds/bin/pip install --no-deps --no-build-isolation ./clients/python ./service

FROM python:3.11-slim-bookworm
# gcc for what torch and Triton compile as they run; CUDA itself, its compiler too, comes with the packages. wget for
# KubeRay's own probes, where a manifest has none.
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc g++ libc6-dev libgomp1 wget \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/trueodds trueodds
COPY --from=build /opt/trueodds /opt/trueodds
ENV PATH=/opt/trueodds/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HOME=/var/lib/trueodds \
    XDG_CACHE_HOME=/var/lib/trueodds/cache
USER 10001
WORKDIR /var/lib/trueodds
VOLUME /var/lib/trueodds
EXPOSE 50051 50080 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["trueodds"]
CMD ["serve", "/etc/trueodds/serve.yaml"]
