# The serving image: a server and the libraries that it runs. No compiler, no pip, no torch.
#
#   docker build --file deploy/docker/serve.Dockerfile --tag eyas-serve .
#     takes its models from a volume at /models: a bundle, or a repository of them
#   docker build --file deploy/docker/serve.Dockerfile --target with-model --tag digits:1 .
#     holds the bundle that lies in bundle/model, once it has given its golden answers in this image
#
# The context is a checkout, or what `eyas deploy image` writes.
#
# It listens beyond its own machine, so it asks for tokens: serve.yaml says so, and where the secret is. It runs as user
# 10001 and with a read-only root. What it writes: /var/lib/eyas (what the monitor knows and the prediction store; a volume,
# or it is lost with the container), /dev/shm, /tmp where serve.rate is set, and /models where a rollout moves by itself.
# SIGTERM ends it once the requests at hand are answered: give it 30 s.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# ── libraries: changes only with serve.lock ─────────────────────────────────────────────────────────────────────────────
FROM ${PYTHON_IMAGE} AS libraries
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_DEFAULT_TIMEOUT=120 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY deploy/docker/tools.lock ./
RUN python -m venv tools && tools/bin/python -m pip install --requirement tools.lock
COPY deploy/docker/serve.lock deploy/docker/slim.py ./
# Modules are compiled here: no process can keep its bytecode where the root is read-only, and each would compile anew.
RUN python -m venv --without-pip /opt/eyas \
 && tools/bin/python -m pip --python /opt/eyas/bin/python install --no-deps --requirement serve.lock \
 && python slim.py /opt/eyas

# ── eyas itself, and the list of all that is inside (CycloneDX) ──────────────────────────────────────────────────────
FROM libraries AS package
COPY .dockerignore LICENSE README.md pyproject.toml ./
COPY deploy ./deploy
COPY src ./src
RUN tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
 && tools/bin/python -m pip --python /opt/eyas/bin/python install --no-deps --no-index wheel/*.whl \
 && mkdir -p own/usr/share/sbom \
 && tools/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
      --output-file own/usr/share/sbom/eyas.cdx.json /opt/eyas/bin/python
WORKDIR /
RUN cp -a --parents opt/eyas/bin/eyas opt/eyas/lib/python3*/site-packages/eyas* /build/own

# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────────────────
FROM ${PYTHON_IMAGE} AS runtime
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
      /usr/lib/python3/dist-packages/pip /usr/lib/python3/dist-packages/pip-* /usr/bin/pip* \
 && install --directory --owner=10001 --group=10001 /models /var/lib/eyas
COPY --from=libraries /opt/eyas /opt/eyas
COPY --from=package /build/own/ /
COPY deploy/docker/serve.yaml /etc/eyas/eyas.yaml
# EYAS_URL is where the health check asks: set it where serve.port or serve.tls is.
ENV PATH=/opt/eyas/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    EYAS_URL=http://127.0.0.1:5000
WORKDIR /etc/eyas
USER 10001:10001
# 5000 is serve.port. serve.admin_port is another one where it is set.
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['EYAS_URL'] + '/readyz', timeout=4)"]
ENTRYPOINT ["eyas"]
CMD ["serve", "/models"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="eyas" \
      org.opencontainers.image.description="Serves image classifiers: bundles of eyas" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

# ── a model inside ───────────────────────────────────────────────────────────────────────────────────────────────────
# A damaged bundle, one of another schema, or a graph that this ONNX Runtime cannot load or answers otherwise, ends the build.
FROM runtime AS proof
ARG MODEL=model
# bundle/model, and its signature bundle/model.sig where it has one.
COPY bundle /bundle/
RUN eyas models publish /bundle/model /models --as "${MODEL}" --live

FROM runtime AS with-model
COPY --from=proof --chown=10001:10001 /models/ /models/

# ── no model inside ──────────────────────────────────────────────────────────────────────────────────────────────────
FROM runtime AS serve
