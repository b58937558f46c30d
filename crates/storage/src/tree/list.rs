//! What is in a directory, in the order of its names, page by page.

use std::collections::BinaryHeap;

use rustix::fs::{AtFlags, Dir, statat};

use super::{Entry, Tree, TreePath, failed};
use crate::{StorageError, transfer::Waited};

/// Entries of one page.
pub const LIST_ENTRIES_MAX: usize = 1_000;
/// After so many names it is asked whether anybody still waits.
pub(super) const NAMES_UNASKED_MAX: usize = 4_096;

/// One page.
#[derive(Debug)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// The last name of this page, where others follow.
    pub more_after: Option<Vec<u8>>,
}

impl Tree {
    /// The first `limit` names after `after`, however many there are: memory is one page's.
    pub fn list(
        &self,
        path: &TreePath,
        after: Option<&[u8]>,
        limit: usize,
        waited: &Waited,
    ) -> Result<Listing, StorageError> {
        let limit = limit.clamp(1, LIST_ENTRIES_MAX);
        let directory = self.directory(path)?;
        let mut first = BinaryHeap::with_capacity(limit + 2);
        for (seen, entry) in Dir::read_from(&directory).map_err(failed(path))?.enumerate() {
            if seen % NAMES_UNASKED_MAX == 0 {
                waited.check()?;
            }
            let entry = entry.map_err(failed(path))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || after.is_some_and(|after| name <= after) {
                continue;
            }
            // One more than the page shows that there is more.
            if first.len() <= limit || first.peek().is_some_and(|last: &Vec<u8>| name < last.as_slice()) {
                first.push(name.to_vec());
                if first.len() > limit + 1 {
                    first.pop();
                }
            }
        }
        let mut names = first.into_sorted_vec();
        let more = names.len() > limit;
        names.truncate(limit);
        let more_after = more.then(|| names.last().cloned()).flatten();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            // What has gone since is in no listing.
            if let Ok(stat) = statat(&directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                entries.push(Entry::of(&path.join(&name)?, &stat));
            }
        }
        Ok(Listing { entries, more_after })
    }
}
