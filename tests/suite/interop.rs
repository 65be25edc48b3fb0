//! `ssh-keygen` as the oracle: ours read by it, and its own read by us.
