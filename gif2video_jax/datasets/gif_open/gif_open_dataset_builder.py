"""The open corpus, or any folder of pictures and videos, with its GIFs."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gif2video_jax.datasets import archives, corpus_fetch
from gif2video_jax.datasets.clip_builder import ClipBuilder, Version
from gif2video_jax.datasets.clips import ClipRecipe, VideoItem
from gif2video_jax.datasets.corpus_list import CorpusItem, read_corpus
from gif2video_jax.datasets.motion_scenes import SceneOptions

# Pictures are made smaller than they came, which hides the damage of their own coding, and kept in
# JPEG without chroma subsampling, since their colours are what is learnt.
MAX_SIDE = 1024
JPEG_OPTIONS = {"quality": 95, "subsampling": "4:4:4"}


class Builder(ClipBuilder):
    """TFDS builder of the open corpus."""

    VERSION = Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "First release.", "1.1.0": "162 more pictures in the open corpus."}
    FIELDS = ("kind", "group", "style", "licence", "author")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Say the folder of pictures and videos as --manual_dir: one that `python -m "
        "gif2video_jax.datasets.open_corpus fetch --output FOLDER` made, or any of your own. "
        "Without one, the open corpus is fetched by apt-get and pip."
    )

    def _clip_recipe(self) -> ClipRecipe:
        return ClipRecipe(
            gif=self.builder_config.gif,
            chunk_frames=self.builder_config.chunk_frames,
            jpeg=tuple(JPEG_OPTIONS.items()),
            max_side=MAX_SIDE,
        )

    def _sources(self, dl_manager: Any) -> Mapping[str, Sequence[VideoItem]]:
        folder = archives.manual_folder(dl_manager)
        if folder is None or not any(folder.iterdir()):
            folder = Path(dl_manager.download_dir) / "open_corpus"
            corpus_fetch.fetch(folder, report=print)
        items = read_corpus(folder)
        splits = [s for s in ("train", "validation", "test") if any(i.split == s for i in items)]
        return {
            split: [_video_item(folder, item) for item in items if item.split == split]
            for split in splits
        }

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        super()._download_and_prepare(dl_manager, download_config)
        # How stills become clips, see `motion_scenes`.
        recipe = {"random_scene": dataclasses.asdict(SceneOptions())}
        (self.data_path / "motion.json").write_text(json.dumps(recipe, indent=1))


def _video_item(folder: Path, item: CorpusItem) -> VideoItem:
    fields = dataclasses.asdict(item)
    kept = ("kind", "group", "style", "licence", "author", "background")
    return VideoItem(
        id=item.path,
        path=str(folder / item.path),
        bytes=(folder / item.path).stat().st_size,
        kind=item.kind,
        fields=tuple((name, fields[name]) for name in kept),
    )
