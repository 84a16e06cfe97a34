"""Write a dense network as emlearn's C: python emlearn_worker.py WEIGHTS.npz OUT.c.

The file gets `emlearn_run(features)`. emlearn's folder of headers goes to stdout.
"""

import sys
from pathlib import Path

import numpy as np

with np.errstate():  # on import it turns NumPy's warnings into errors for the whole process
    import emlearn
    from emlearn import net

with np.load(sys.argv[1]) as content:
    activations = [str(name) for name in content["activations"]]
    kernels = [content[f"kernel_{i}"] for i in range(len(activations))]
    biases = [content[f"bias_{i}"] for i in range(len(activations))]
source = net.c_generate_net_loadable(activations, kernels, biases, "net")
# Which activation a layer has is known at run time alone, so tanhf is linked, though no layer calls
# it; zig has none without a C library, and an empty one is in emlearn's favour.
source += f"""
float tanhf(float x) {{ return x; }}
int emlearn_run(const float *features) {{
    return eml_net_infer(&net, features, {kernels[0].shape[0]});
}}
"""
Path(sys.argv[2]).write_text(source, "ascii")
sys.stdout.write(emlearn.includedir)
