//! What this machine offers and what is missing, in words, for `madang doctor`.
