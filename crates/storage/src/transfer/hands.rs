//! Threads that touch what guests can touch, with no more rights than guests have.
//!
//! A thread of the server's own would write past quotas and read what a folder's owner closed, since root may. These give up everything
//! before their first deed: they are uid and gid 1000, as every guest is on disk, in no other group and without a capability. Credentials
//! are each thread's own on Linux, so the server beside them stays what it is (credentials(7), "C library/kernel differences").

use std::cell::OnceCell;

use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
};

use crate::StorageError;

/// What guests are on disk.
const GUEST_ID: u32 = 1_000;
/// Deeds at once.
const THREADS_MAX: usize = 16;
/// Of those, deeds that may take long.
const LONG_MAX: usize = THREADS_MAX / 2;
/// Deeds that may wait or be done; more are refused.
const DEEDS_MAX: usize = 1_024;

thread_local! {
    static LOWERED: OnceCell<bool> = const { OnceCell::new() };
}

/// Does blocking work with a guest's rights.
#[derive(Debug)]
pub struct Hands {
    /// None once dropped.
    threads: Option<Runtime>,
    turns: Semaphore,
    long: Semaphore,
}

impl Hands {
    pub fn new() -> Result<Self, StorageError> {
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS_MAX)
            .thread_name("folders")
            .build()
            .map_err(|source| StorageError::Io { doing: "starting threads".to_owned(), source })?;
        Ok(Self { threads: Some(threads), turns: Semaphore::new(DEEDS_MAX), long: Semaphore::new(LONG_MAX) })
    }

    /// Done to its end, also when nobody waits for it any more.
    pub async fn run<T: Send + 'static>(
        &self,
        deed: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let busy = || StorageError::Unavailable("too much is asked of folders at once".to_owned());
        let _turn = self.turns.try_acquire().map_err(|_| busy())?;
        let threads = self.threads.as_ref().ok_or_else(busy)?;
        let done = threads.spawn_blocking(move || match LOWERED.with(|lowered| *lowered.get_or_init(lower)) {
            true => deed(),
            false => Err(StorageError::Unavailable("a thread could not give up its rights".to_owned())),
        });
        done.await.unwrap_or_else(|_| Err(StorageError::Unavailable("a thread broke off".to_owned())))
    }

    /// As [`Hands::run`], for what takes as long as a folder is large: such deeds leave threads for the others.
    pub async fn run_long<T: Send + 'static>(
        &self,
        deed: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        // Nobody closes it.
        let _turn = self.long.acquire().await;
        self.run(deed).await
    }
}

impl Drop for Hands {
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
        let hands = Hands::new().unwrap();
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
        let hands = Hands::new().unwrap();
        let broken = hands.run(|| -> Result<(), StorageError> { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(StorageError::Unavailable(_))), "{broken:?}");
        assert_eq!(hands.run(|| Ok(1)).await.unwrap(), 1);
    }
}
