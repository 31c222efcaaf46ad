# The training image: train, tune, compare, report, export; Jupyter, Ray and MLflow's client. No compiler.
#
#   docker build --file deploy/docker/train.Dockerfile --tag eyas-train .
#     for CPUs
#   docker build --file deploy/docker/train.Dockerfile --tag eyas-train-cuda --build-arg TORCH_INDEX=https://pypi.org/simple .
#     for NVIDIA's GPUs: PyPI's torch brings CUDA with it, and the machine needs the driver and NVIDIA's container toolkit.
#     https://download.pytorch.org/whl/ has an index for each other CUDA.
#
# The context is a checkout, or what `eyas deploy image` or `eyas deploy compose` writes.
#
# It runs as user 10001 and with a read-only root. What it writes: /work (runs, caches, notebooks), /models, /tmp.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS libraries
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_DEFAULT_TIMEOUT=120 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY deploy/docker/tools.lock ./
RUN python -m venv tools && tools/bin/python -m pip install --requirement tools.lock
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY deploy/docker/train.lock deploy/docker/ray.lock ./
# torch comes from that index, everything else from PyPI: in the end what a torch for GPUs needs beside the lock.
RUN python -m venv --without-pip /opt/eyas \
 && pip="tools/bin/python -m pip --python /opt/eyas/bin/python install" \
 && ${pip} --no-deps --index-url "${TORCH_INDEX}" "$(grep '^torch==' train.lock)" \
 && ${pip} --no-deps --requirement train.lock --requirement ray.lock \
 && ${pip} --constraint train.lock torch

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

FROM ${PYTHON_IMAGE} AS train
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
      /usr/lib/python3/dist-packages/pip /usr/lib/python3/dist-packages/pip-* /usr/bin/pip* \
 && install --directory --owner=10001 --group=10001 /work /models
COPY --from=libraries /opt/eyas /opt/eyas
COPY --from=package /build/own/ /
COPY --chmod=755 deploy/docker/train-and-publish /usr/local/bin/
ENV PATH=/opt/eyas/bin:$PATH \
    HOME=/work \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    EYAS_CACHE_DIR=/work/.cache/eyas
WORKDIR /work
USER 10001:10001
# Jupyter's, for `jupyter lab`.
EXPOSE 8888
STOPSIGNAL SIGTERM
# A training ends by itself, and says by its exit code how; jupyter has a check of its own in compose.yaml.
HEALTHCHECK NONE
ENTRYPOINT ["eyas"]
CMD ["--help"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="eyas-train" \
      org.opencontainers.image.description="Trains image classifiers, and exports them as bundles of eyas" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
