# Workers of a Ray cluster that evaluate a model; docs/scale.md tells how to build it.
# The context is the checkout, after `make export` and `make wheel`.

# Ray's own image has what KubeRay asks of one; its release is that of requirements/evaluate.txt.
FROM rayproject/ray:2.60.0-py311-cpu
WORKDIR /home/ray/strop
COPY build/strop_export-*.whl dist/*.whl dist/requirements-cpu.txt requirements/evaluate.txt ./
# Without what strop-export needs to convert models: TensorFlow is as large as all the rest.
RUN pip install --no-cache-dir --require-hashes -r requirements-cpu.txt -r evaluate.txt \
    && pip install --no-cache-dir --no-deps strop_export-*.whl
COPY dist/mnist-mlp-cpu.strop /home/ray/model.strop
# No image is made of a model that does not prove itself in it.
RUN strop check /home/ray/model.strop
