//! Threads that touch what guests can touch, with no more rights than guests have.
//!
//! A thread of the server's own would write past quotas and read what a folder's owner closed, since root may. These give up everything
//! before their first deed: they are uid and gid 1000, as every guest is on disk, in no other group and without a capability. Credentials
//! are each thread's own on Linux, so the server beside them stays what it is (credentials(7), "C library/kernel differences").

use std::{
    cell::OnceCell,
    sync::{Arc, Weak},
};

use madang_ids::UserId;
use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{StorageError, share::Shares};

/// What guests are on disk.
const GUEST_ID: u32 = 1_000;
/// Deeds at once …
const THREADS_MAX: usize = 16;
/// … of one user.
const THREADS_OF_A_USER_MAX: usize = THREADS_MAX / 2;
/// Of those, deeds that may take long …
const LONG_MAX: usize = THREADS_MAX / 2;
/// … of one user.
const LONG_OF_A_USER_MAX: usize = LONG_MAX / 2;
/// Deeds of one user that may wait or be done; more are refused.
const DEEDS_OF_A_USER_MAX: usize = 512;

thread_local! {
    static LOWERED: OnceCell<bool> = const { OnceCell::new() };
}

/// The threads, which all users share.
#[derive(Debug)]
pub struct Pool {
    /// None once dropped.
    threads: Option<Runtime>,
    turns: Arc<Semaphore>,
    long: Arc<Semaphore>,
    deeds_of: Shares<UserId>,
    turns_of: Shares<UserId>,
    long_of: Shares<UserId>,
}

/// Does blocking work for one user, with a guest's rights.
#[derive(Debug)]
pub struct Hands {
    pool: Arc<Pool>,
    deeds: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

/// Whether anybody waits for a deed.
#[derive(Debug)]
pub struct Waited(Weak<()>);

impl Waited {
    /// Ends a deed whose end nobody would learn of.
    pub fn check(&self) -> Result<(), StorageError> {
        if self.0.strong_count() > 0 {
            return Ok(());
        }
        Err(StorageError::Unavailable("nobody waits for this any more".to_owned()))
    }
}

impl Pool {
    pub fn new() -> Result<Arc<Self>, StorageError> {
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS_MAX)
            .thread_name("folders")
            .build()
            .map_err(|source| StorageError::Io { doing: "starting threads".to_owned(), source })?;
        Ok(Arc::new(Self {
            threads: Some(threads),
            turns: Arc::new(Semaphore::new(THREADS_MAX)),
            long: Arc::new(Semaphore::new(LONG_MAX)),
            deeds_of: Shares::new(DEEDS_OF_A_USER_MAX),
            turns_of: Shares::new(THREADS_OF_A_USER_MAX),
            long_of: Shares::new(LONG_OF_A_USER_MAX),
        }))
    }

    pub fn hands(self: &Arc<Self>, user: UserId) -> Arc<Hands> {
        let (deeds, turns, long) = (self.deeds_of.of(user), self.turns_of.of(user), self.long_of.of(user));
        Arc::new(Hands { pool: Arc::clone(self), deeds, turns, long })
    }
}

impl Hands {
    /// Once begun it is done to its end, also when nobody waits for it any more, and has its turn until then.
    pub async fn run<T: Send + 'static>(
        &self,
        deed: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.run_with([&self.turns, &self.pool.turns], deed).await
    }

    /// As [`Hands::run`], for what takes as long as a folder is large: such deeds leave threads for the others. The longest ask now and
    /// then whether they are waited for.
    pub async fn run_long<T: Send + 'static>(
        &self,
        deed: impl FnOnce(&Waited) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let waiting = Arc::new(());
        let waited = Waited(Arc::downgrade(&waiting));
        let turns = [&self.long, &self.turns, &self.pool.long, &self.pool.turns];
        let done = self.run_with(turns, move || deed(&waited)).await;
        drop(waiting);
        done
    }

    async fn run_with<T: Send + 'static, const N: usize>(
        &self,
        needed: [&Arc<Semaphore>; N],
        deed: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let busy = || StorageError::Unavailable("too much is asked of folders at once".to_owned());
        let _place = self.deeds.try_acquire().map_err(|_| busy())?;
        let threads = self.pool.threads.as_ref().ok_or_else(busy)?;
        // A user's own before those of all: whoever waits for the former keeps nobody from the latter.
        let mut turns = Vec::with_capacity(N);
        for of in needed {
            turns.push(turn(of).await?);
        }
        let done = threads.spawn_blocking(move || {
            // Not the caller's to give back: whoever goes away leaves the thread busy.
            let _turns = turns;
            match LOWERED.with(|lowered| *lowered.get_or_init(lower)) {
                true => deed(),
                false => Err(StorageError::Unavailable("a thread could not give up its rights".to_owned())),
            }
        });
        done.await.unwrap_or_else(|_| Err(StorageError::Unavailable("a thread broke off".to_owned())))
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StorageError> {
    let closed = |_| StorageError::Unavailable("folders are not served any more".to_owned());
    Arc::clone(turns).acquire_owned().await.map_err(closed)
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Waiting is not for the place where the last owner lets go.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Whether this thread has no rights of its own now. A server that is not root has none to give up.
fn lower() -> bool {
    if !geteuid().is_root() {
        return true;
    }
    let (uid, gid) = (Uid::from_raw(GUEST_ID), Gid::from_raw(GUEST_ID));
    let lowered = set_thread_groups(&[])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .and_then(|()| capabilities(None));
    match lowered {
        Ok(left) => left.effective.is_empty() && left.permitted.is_empty(),
        Err(errno) => {
            tracing::error!(%errno, "a thread for folders could not give up its rights");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn hands_have_no_rights_and_others_keep_theirs() {
        let hands = Pool::new().unwrap().hands(UserId::new());
        let status = |of: &str| {
            let text = fs::read_to_string("/proc/thread-self/status").unwrap();
            text.lines().find_map(|line| line.strip_prefix(of)).unwrap().trim().to_owned()
        };
        let before = (status("Uid:"), status("CapEff:"));
        let (uid, able) = hands.run(move || Ok((status("Uid:"), status("CapEff:")))).await.unwrap();
        if geteuid().is_root() {
            assert_eq!(uid, "1000\t1000\t1000\t1000");
            assert_eq!(able, "0000000000000000");
        }
        assert_eq!((status("Uid:"), status("CapEff:")), before);
    }

    #[tokio::test]
    async fn a_deed_that_panics_is_an_error_and_the_next_is_done() {
        let hands = Pool::new().unwrap().hands(UserId::new());
        let broken = hands.run(|| -> Result<(), StorageError> { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(StorageError::Unavailable(_))), "{broken:?}");
        assert_eq!(hands.run(|| Ok(1)).await.unwrap(), 1);
    }
}
