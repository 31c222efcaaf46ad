# MLflow's tracking server with its pages and PostgreSQL's driver, of the version whose client the training image has.
#
#   docker build --file deploy/docker/mlflow.Dockerfile --tag eyas-mlflow .
#
# It runs as user 10001 and with a read-only root. What it writes: /mlflow (artifacts), /tmp.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS libraries
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_DEFAULT_TIMEOUT=120 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY deploy/docker/tools.lock ./
RUN python -m venv tools && tools/bin/python -m pip install --requirement tools.lock
# The whole of MLflow holds libraries back that requirements.lock has newer ones of, so it goes by its own versions.
COPY deploy/docker/mlflow.lock ./
RUN python -m venv --without-pip /opt/mlflow \
 && tools/bin/python -m pip --python /opt/mlflow/bin/python install --no-deps --requirement mlflow.lock

FROM ${PYTHON_IMAGE}
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
      /usr/lib/python3/dist-packages/pip /usr/lib/python3/dist-packages/pip-* /usr/bin/pip* \
 && install --directory --owner=10001 --group=10001 /mlflow
COPY --from=libraries /opt/mlflow /opt/mlflow
ENV PATH=/opt/mlflow/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
WORKDIR /mlflow
USER 10001:10001
# Not 5000, which is the service's.
EXPOSE 5001
STOPSIGNAL SIGTERM
# It makes its tables at the first start, which takes a slow machine minutes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5001/health', timeout=4)"]
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0", "--port", "5001"]
