"""The benchmark: restored GIFs beside what people would use instead, from pictures to tables.

python -m gif2video_jax.evaluation.benchmark --output out/benchmark

test pictures -> GIFs of each kind -> peers and our model -> scores -> Markdown, JSON, pictures
"""
