"""Evidence: what each source says of a model, one module a kind of source.

A function takes one source's data (a name, the tags, the card, a block of the API, config.json, a header, sizes, the
base model's id) and returns pieces of evidence; analysis.labels.resolve weighs them. Everything but our own vocabulary
comes from strangers: each value's type and size is checked (evidence.checked), and what is not as it should be says
nothing.

    pieces       a piece of evidence, and how far each source is believed
    checked      values of strangers: a short text, a count, a number, a table
    schemes      what is known of a quantization scheme: method, bits
    containers   formats, and in which files they are kept
    names        what repos and files call themselves; owners: who published them
    tags, card   what authors write, languages among it; config: what programs wrote
    summaries    the Hub's own counts
    headers      what the bytes say; sizes: bits a weight
    lineage      what the base model's name says; guesses: families that nobody states
"""
