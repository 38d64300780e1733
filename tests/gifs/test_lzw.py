"""Decoding of image data: Pillow's decoder and our own against each other and an encoder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFile

from gif2video_jax.gifs import lzw
from tests import gif_builder


@st.composite
def images(draw):
    code_size = draw(st.integers(2, 8))  # black and white too have 2 bits (appendix F)
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    seed = draw(st.integers(0, 1000))
    indices = np.random.default_rng(seed).integers(0, 1 << code_size, (height, width))
    if draw(st.booleans()):
        indices = np.repeat(indices[:, :1], width, 1)  # runs: codes that refer to themselves
    return code_size, indices.astype(np.uint8)


@given(images(), st.booleans())
def test_decodes_what_was_encoded(image, interlaced):
    code_size, indices = image
    height, width = indices.shape
    stored = indices[lzw.row_order(height)] if interlaced else indices
    data = gif_builder.sub_blocks(gif_builder.lzw_encode(stored.ravel().tolist(), code_size))
    decoded, drawn = lzw.decode_indices(data[:-1], code_size, width, height, interlaced)
    assert drawn is None
    np.testing.assert_array_equal(decoded, indices)


@given(images())
def test_own_decoder_agrees_with_the_encoder(image):
    code_size, indices = image
    codes = gif_builder.lzw_encode(indices.ravel().tolist(), code_size)
    assert lzw.decode_codes(codes, code_size, indices.size) == indices.tobytes()


def test_large_image_fills_and_resets_the_table():
    indices = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    codes = gif_builder.lzw_encode(indices.ravel().tolist(), 8)
    assert lzw.decode_codes(codes, 8, indices.size) == indices.tobytes()


@given(images(), st.floats(0, 1), st.booleans())
def test_cut_data_keeps_the_pixels_before_the_cut(image, share, interlaced):
    code_size, indices = image
    height, width = indices.shape
    stored = indices[lzw.row_order(height)] if interlaced else indices
    codes = gif_builder.lzw_encode(stored.ravel().tolist(), code_size)
    data = gif_builder.sub_blocks(codes[: int(share * (len(codes) - 1))])[:-1]
    decoded, drawn = lzw.decode_indices(data, code_size, width, height, interlaced)
    if drawn is None:
        drawn = np.ones((height, width), bool)
    np.testing.assert_array_equal(decoded[drawn], indices[drawn])
    in_order = drawn[lzw.row_order(height)] if interlaced else drawn
    kept = int(drawn.sum())
    assert in_order.ravel()[:kept].all(), "what is kept is not the beginning"
    assert kept < 2 or share > 0


@given(st.binary(max_size=200), st.integers(0, 12), st.integers(1, 20), st.integers(1, 20))
def test_any_bytes_decode_to_something(data, code_size, width, height):
    blocks = gif_builder.sub_blocks(data)[:-1]
    decoded, drawn = lzw.decode_indices(blocks, code_size, width, height, False)
    assert decoded.shape == (height, width)
    ours = lzw.decode_codes(data, code_size, width * height)
    assert len(ours) == (width * height if drawn is None else drawn.sum())
    # Pillow and our own decoder give the same pixels, whichever was used.
    assert decoded.tobytes()[: len(ours)] == ours


def test_a_program_that_lets_pillow_pass_over_damage_gets_no_invented_pixels(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    codes = gif_builder.lzw_encode([1] * 3 + list(range(4)) * 20, 2)[:5]
    data = gif_builder.sub_blocks(codes)[:-1]
    _, drawn = lzw.decode_indices(data, 2, 10, 10, False)
    assert drawn is not None and 0 < drawn.sum() < 100


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 7, 8, 9, 16, 33])
def test_rows_of_an_interlaced_image_come_in_four_passes(height):
    order = lzw.row_order(height).tolist()
    assert sorted(order) == list(range(height))
    passes = [(0, 8), (4, 8), (2, 4), (1, 2)]
    assert order == [row for start, step in passes for row in range(start, height, step)]
