//! Renaming to a name that has to be free, also where the file system cannot be asked for both in one step (CephFS, NFS).

use std::os::fd::AsFd;

use rustix::{
    fs::{AtFlags, RenameFlags, renameat, renameat_with, statat},
    io::Errno,
    path::Arg,
};

/// [`Errno::EXIST`] where something of the new name is there already. In one step where the file system can; else somebody who makes
/// something of that name in the same moment loses it.
pub(crate) fn rename_new(
    from: impl AsFd,
    name: impl Arg + Copy,
    to: impl AsFd,
    new_name: impl Arg + Copy,
) -> Result<(), Errno> {
    match renameat_with(&from, name, &to, new_name, RenameFlags::NOREPLACE) {
        // Also where a directory is to go into itself; then so says the second try.
        Err(Errno::INVAL | Errno::NOSYS) => look_and_rename(from, name, to, new_name),
        renamed => renamed,
    }
}

fn look_and_rename(
    from: impl AsFd,
    name: impl Arg + Copy,
    to: impl AsFd,
    new_name: impl Arg + Copy,
) -> Result<(), Errno> {
    match statat(&to, new_name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => renameat(from, name, to, new_name),
        Ok(_) => Err(Errno::EXIST),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{Mode, OFlags, open};

    use super::*;

    #[test]
    fn a_name_that_is_taken_stays_what_it_is_in_one_step_and_in_two() {
        let home = tempfile::tempdir().unwrap();
        let at = open(home.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        type Rename<'a> = &'a dyn Fn(&str, &str) -> Result<(), Errno>;
        let both: [Rename<'_>; 2] =
            [&|name, new| rename_new(&at, name, &at, new), &|name, new| look_and_rename(&at, name, &at, new)];
        for rename in both {
            for (name, text) in [("one", "1"), ("two", "2")] {
                fs::write(home.path().join(name), text).unwrap();
            }
            std::os::unix::fs::symlink("nowhere", home.path().join("link")).unwrap();
            assert_eq!(rename("one", "two"), Err(Errno::EXIST));
            assert_eq!(rename("one", "link"), Err(Errno::EXIST));
            assert_eq!(rename("absent", "three"), Err(Errno::NOENT));
            assert_eq!(rename("one", "three"), Ok(()));
            let text = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
            assert_eq!((text("two"), text("three")), ("2".to_owned(), "1".to_owned()));
            fs::remove_file(home.path().join("three")).unwrap();
            fs::remove_file(home.path().join("link")).unwrap();
        }
    }
}
