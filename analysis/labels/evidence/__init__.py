"""Evidence: what each source says of a model, one module for each kind of source.

A function takes one source's data (a name, the tags, the card, a block of the Hub's answer, config.json, a header,
sizes, the base model's id) and returns pieces of evidence; analysis.labels.resolve weighs them. Everything but the
vocabulary is untrusted: each value's type and size is checked (analysis.untrusted), and an invalid value is ignored.

    make         a piece of evidence, and the weight of each source
    stated       labels whose value a declared key states as it is
    names        the names of repos and files; owners: who published them
    tags, card   what authors write, languages among it; config: what programs wrote
    api_counts   the Hub's own counts
    headers      what the bytes of files say; sizes: bits per weight
    schemes      what follows from a quantization scheme; formats: what follows from a format
    lineage      what the base model's name says; fuzzy: families that nothing states
"""
