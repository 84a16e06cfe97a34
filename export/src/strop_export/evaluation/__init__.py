"""Evaluation of a bundle over more data than memory holds, on one machine or on a Ray cluster.

    evaluating       one evaluation, from the request to the files it leaves
    sources/         reads Parquet, TFRecord and folders of pictures, piece by piece
    work             what a worker does with a piece: read, run, count
    on_local, on_ray run the pieces, on this machine or on a cluster
    tally/           counts, and the figures made of them
    journal          what is done already, so that a killed evaluation goes on
    page, picture    what people read and look at

All counts are integers, and sums of integers do not depend on their order: the figures are the same
wherever, and in however many pieces, the data were evaluated (docs/decisions/0056).
"""
