"""Parameters through packing: how many weights a tensor of packed integers stands for, and under which scheme.

A quantized matrix is stored as several tensors with one name and different endings: packed weights, scales, zero
points, permutations. Which ones there are, of which dtypes, tells the format (`measure.RULES`); shapes then give the
count, and the configuration is asked only for what shapes leave open. So a count does not depend on a config.json that
is wrong, missing or newer than this package. N is the number of outputs of a matrix, K of its inputs, g the group size,
b the bits.

    modules    names of tensors, by module; what is no weight
    names      what names say, once for all that differ in numbers only
    grouping   modules of one kind, which are measured once
    integers   rules for packed integers: GPTQ, AWQ, compressed-tensors, bitsandbytes, HQQ, quanto, torchao, MLX
    floats     rules for floats of 4, 6 and 8 bits: FP8, MXFP4, NVFP4
    codebooks  rules for indices into tables: ExLlama, AQLM, VPTQ, QuIP, HIGGS, SpQR
    measure    the rule for a module, and all modules together

Sources, beside the libraries' own writers: transformers/quantizers and transformers/integrations (each of its 26
methods), AutoGPTQ, AutoAWQ, compressed-tensors, bitsandbytes, HQQ, optimum-quanto, torchao, MLX, ExLlamaV2 and V3,
AQLM, VPTQ, SpQR, NVIDIA's ModelOpt.
"""
