//! The published codecs, one per file.
