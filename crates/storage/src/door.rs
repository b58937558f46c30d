//! Whether what is in a folder may be changed: not while it goes to another owner, when what is changed would be left behind.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, Weak};

use crate::StorageError;

/// The way into one folder for whoever changes what is in it.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<RwLock<Way>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Way {
    #[default]
    Open,
    Shut,
}

/// While this lives nobody shuts the door: for one change, which is short.
#[derive(Debug)]
pub struct Passing<'d> {
    _way: RwLockReadGuard<'d, Way>,
}

impl Door {
    /// For one change. Never taken twice by one thread: whoever shuts the door waits in between.
    pub fn pass(&self) -> Result<Passing<'_>, StorageError> {
        let way = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match *way {
            Way::Open => Ok(Passing { _way: way }),
            Way::Shut => Err(StorageError::Unavailable("the folder is on its way to another owner; try again".into())),
        }
    }

    /// Waits for those who are passing; nobody passes until what is returned is dropped.
    pub(crate) fn shut(&self) -> Result<Shut, StorageError> {
        let mut way = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if *way == Way::Shut {
            return Err(StorageError::Conflict("the folder is on its way to another owner already".to_owned()));
        }
        *way = Way::Shut;
        Ok(Shut { door: self.clone(), then: Way::Open })
    }

    pub(crate) fn downgrade(&self) -> WeakDoor {
        WeakDoor(Arc::downgrade(&self.0))
    }
}

/// A door that may have nobody before it any more.
#[derive(Debug)]
pub(crate) struct WeakDoor(Weak<RwLock<Way>>);

impl WeakDoor {
    pub fn upgrade(&self) -> Option<Door> {
        self.0.upgrade().map(Door)
    }
}

/// Opens again when it is dropped.
#[derive(Debug)]
pub(crate) struct Shut {
    door: Door,
    then: Way,
}

impl Shut {
    /// What lies behind is the folder no more: whoever stands before this door has to look for the new one.
    pub fn for_good(mut self) {
        self.then = Way::Shut;
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        *self.door.0.write().unwrap_or_else(PoisonError::into_inner) = self.then;
    }
}
