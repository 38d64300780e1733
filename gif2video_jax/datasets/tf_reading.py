"""Reads ArrayRecord data sets through `tf.data`, for `tfds.load`."""

from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_parser


def read_dataset(
    builder: Any, split: Any, decoders: Any, read_config: Any, shuffle_files: bool
) -> Any:
    """What `builder.as_dataset` gives, from random access.

    Args:
      builder: of a data set in ArrayRecord.
      split: name or instruction, such as "train[:10%]", or a tree of them.
      decoders: as `as_dataset` takes them.
      read_config: of which `shuffle_seed`, `input_context`, `options` and the number of parallel
        calls are used.
      shuffle_files: shuffles all examples, which costs no more here than shuffling files.

    Raises:
      ValueError: if `read_config` asks for ids, which ArrayRecord does not hold.
    """
    config = read_config or tfds.ReadConfig()
    if config.add_tfds_id:
        raise ValueError(
            "add_tfds_id: not held in ArrayRecord files; the fields video and start name examples"
        )
    features = builder.info.features
    if isinstance(decoders, tfds.decode.PartialDecoding):
        features, decoders = decoders.extract_features(features), decoders.decoders
    parser = example_parser.ExampleParser(features.get_serialized_info())

    def read(instruction: Any) -> Any:
        source = builder.as_data_source(
            split=instruction, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
        )

        def parse(index: Any) -> Any:
            content = tf.numpy_function(lambda i: source[int(i)], [index], tf.string)
            content.set_shape(())
            return features.decode_example(parser.parse_example(content), decoders=decoders)

        numbers = tf.data.Dataset.range(len(source))
        if shuffle_files:
            numbers = numbers.shuffle(len(source), seed=config.shuffle_seed)
        if config.input_context is not None:
            context = config.input_context
            numbers = numbers.shard(context.num_input_pipelines, context.input_pipeline_id)
        calls = config.num_parallel_calls_for_decode or tf.data.AUTOTUNE
        return numbers.map(parse, num_parallel_calls=calls).with_options(config.options)

    return tf.nest.map_structure(read, split)
