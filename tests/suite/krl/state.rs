//! What is revoked on disk, when something comes between.
