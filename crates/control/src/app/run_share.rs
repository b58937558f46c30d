//! Links that show one run to whoever has them: made by the run's owner, good for a time, taken back at will.

use madang_ids::{RunId, SessionId, ShareId};
use madang_public_api::{RunMode, RunShareCreate, RunState, RunSummary, SharedRun, Timestamp, bounds};
use madang_store::{RunListQuery, RunListed, RunShareRecord};

use super::{App, Asker, Failure, identity::hash_hex, runs::mode_named};
use crate::{clock::now_ms, signin::cookie::new_secret};

impl App {
    /// Runs of a session, newest first.
    pub async fn run_list(&self, query: &RunListQuery) -> Result<Vec<RunSummary>, Failure> {
        Ok(self.store.run_list(query).await?.into_iter().map(summary).collect())
    }

    /// The session whose runs somebody asks for.
    pub async fn run_list_of(&self, asker: &Asker, session: &str) -> Result<SessionId, Failure> {
        self.session_id(asker, session).await
    }

    /// A link to a run, with its secret, which is kept nowhere.
    pub async fn run_share_create(
        &self,
        asker: &Asker,
        run: RunId,
        create: &RunShareCreate,
    ) -> Result<(RunShareRecord, String), Failure> {
        self.run_check(asker, run).await?;
        let life_ms = create.expires_in_ms.unwrap_or(bounds::RUN_SHARE_MS_DEFAULT);
        if !(1..=bounds::RUN_SHARE_MS_MAX).contains(&life_ms) {
            let detail = format!("a link is good for 1 to {} ms", bounds::RUN_SHARE_MS_MAX);
            return Err(Failure::invalid("expires_in_ms", detail));
        }
        let (now, secret) = (now_ms(), new_secret());
        if self.store.run_share_list(run, now).await?.len() >= bounds::RUN_SHARES_MAX {
            return Err(Failure::too_many("RUN_SHARES_MAX", bounds::RUN_SHARES_MAX));
        }
        let record = RunShareRecord {
            id: ShareId::new(),
            run,
            hash: hash_hex(secret.as_bytes()),
            made_by: asker.user,
            created_ms: now,
            expires_ms: now + life_ms,
        };
        self.store.run_share_insert(&record).await?;
        Ok((record, secret))
    }

    pub async fn run_share_list(&self, asker: &Asker, run: RunId) -> Result<Vec<RunShareRecord>, Failure> {
        self.run_check(asker, run).await?;
        Ok(self.store.run_share_list(run, now_ms()).await?)
    }

    /// Takes a link back. One that is not there is good no more.
    pub async fn run_share_remove(&self, asker: &Asker, run: RunId, share: ShareId) -> Result<(), Failure> {
        self.run_check(asker, run).await?;
        self.store.run_share_remove(run, share).await?;
        Ok(())
    }

    /// The run that a link shows. Whatever is wrong with a secret, the answer is the same.
    pub async fn shared_run(&self, secret: &str) -> Result<SharedRun, Failure> {
        let gone = || Failure::not_found("shared run");
        let found = self.store.run_share_find(&hash_hex(secret.as_bytes()), now_ms()).await?.ok_or_else(gone)?;
        let maker = self.people.now().users.get(&found.made_by).is_some_and(|user| user.is_active());
        if !maker {
            return Err(gone());
        }
        let view = self.run_view(found.run).await?;
        let (title, given) = self.run_given_kept(found.run).await?;
        Ok(SharedRun {
            title,
            state: view.state,
            mode: view.mode,
            language: view.language,
            created_at: view.created_at,
            finished_at: view.finished_at,
            expires_at: Timestamp(found.expires_ms),
            given,
            whole: view.whole,
            build: view.build,
            outputs: view.outputs,
            truncated: view.truncated,
        })
    }
}

fn summary(listed: RunListed) -> RunSummary {
    RunSummary {
        id: listed.id,
        title: listed.title,
        state: if listed.finished_ms.is_some() { RunState::Finished } else { RunState::Running },
        mode: mode_named(&listed.mode).unwrap_or(RunMode::Command),
        language: listed.language,
        verdict: listed.verdict,
        created_at: Timestamp(listed.created_ms),
        finished_at: listed.finished_ms.map(Timestamp),
    }
}
