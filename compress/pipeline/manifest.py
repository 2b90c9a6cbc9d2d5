"""The manifest of a run folder; it lives in `store`, where a teacher that is a run reads it too."""

from compress.store.manifest import (
    MANIFEST_NAME,
    MANIFEST_VERSION,
    BadManifest,
    Facts,
    FileRecord,
    Manifest,
    Preprocessing,
    dump_manifest,
    load_manifest,
    safe_name,
)

__all__ = [
    "MANIFEST_NAME",
    "MANIFEST_VERSION",
    "BadManifest",
    "Facts",
    "FileRecord",
    "Manifest",
    "Preprocessing",
    "dump_manifest",
    "load_manifest",
    "safe_name",
]
