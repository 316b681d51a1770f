# The service on CPUs. From the repository's root:
#   docker build -f deploy/docker/cpu.Dockerfile -t trueodds:cpu .
# It runs as a user of its own, with a read-only root and /tmp and /var/lib/trueodds to write to:
#   docker run --read-only --tmpfs /tmp:exec --shm-size 1g --stop-timeout 60 -v state:/var/lib/trueodds -v ./serve.yaml:/etc/trueodds/serve.yaml:ro …
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/trueodds
WORKDIR /src
COPY requirements/cpu-torch.txt requirements/cpu.txt requirements/
RUN /opt/trueodds/bin/pip install --no-deps --require-hashes -r requirements/cpu-torch.txt \
      --index-url https://download.pytorch.org/whl/cpu \
 && /opt/trueodds/bin/pip install --no-deps --require-hashes -r requirements/cpu.txt
COPY clients/python clients/python
COPY service service
RUN /opt/trueodds/bin/pip install --no-deps --no-build-isolation ./clients/python ./service

FROM python:3.11-slim-bookworm
# gcc for what torch compiles as it runs, libnuma1, which vLLM links, for the cores of an engine.
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc g++ libc6-dev libnuma1 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/trueodds trueodds
COPY --from=build /opt/trueodds /opt/trueodds
ENV PATH=/opt/trueodds/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/trueodds \
    XDG_CACHE_HOME=/var/lib/trueodds/cache
USER 10001
WORKDIR /var/lib/trueodds
VOLUME /var/lib/trueodds
EXPOSE 50051 50080 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["trueodds"]
CMD ["serve", "/etc/trueodds/serve.yaml"]
